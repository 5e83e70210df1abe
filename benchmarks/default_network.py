"""Compare `CNNClassifier()` with the three presets on photographs.

    python benchmarks/default_network.py TRAIN TEST --exclude street
    python benchmarks/default_network.py TRAIN TEST --networks optimized --epochs 2

TRAIN and TEST are folders with one folder of images per class. The script prints a line
for each fit: the training time, the time per epoch, and the accuracy and loss on TEST.
"""

import argparse
import itertools
import time

from sklearn.metrics import log_loss

from skcnn import CNNClassifier, optimized_cnn, overfitting_cnn, underfitting_cnn
from skcnn.datasets import load_image_folder

NETWORKS = {
    "default": CNNClassifier,
    "underfitting": underfitting_cnn,
    "overfitting": overfitting_cnn,
    "optimized": optimized_cnn,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", help="folder to train on")
    parser.add_argument("test", help="folder to test on")
    parser.add_argument("--exclude", nargs="*", help="classes of TRAIN to leave out")
    parser.add_argument("--image-size", type=int, default=64, help="default 64")
    parser.add_argument("--networks", nargs="*", default=["default"], choices=NETWORKS)
    parser.add_argument(
        "--seeds", type=int, default=3, help="number of seeds; default 3"
    )
    parser.add_argument(
        "--precision", nargs="*", default=["float32"], help="default float32"
    )
    parser.add_argument("--epochs", type=int, help="default: the value of each network")
    args = parser.parse_args()

    train = load_image_folder(
        args.train, image_size=args.image_size, exclude=args.exclude
    )
    test = load_image_folder(
        args.test, image_size=args.image_size, include=list(train.target_names)
    )
    print(
        f"{'network':>12} {'precision':>9} {'seed':>4} {'parameters':>11} "
        f"{'epochs':>6} {'seconds':>8} "
        f"{'s/epoch':>8} {'train acc.':>10} {'test acc.':>9} {'test loss':>9}"
    )
    settings = itertools.product(args.networks, args.precision, range(args.seeds))
    for name, precision, seed in settings:
        network = NETWORKS[name](random_state=seed, precision=precision)
        if args.epochs:
            network.set_params(epochs=args.epochs)
        start = time.perf_counter()
        network.fit(train.images, train.target)
        seconds = time.perf_counter() - start
        proba = network.predict_proba(test.images)
        accuracy = (proba.argmax(axis=1) == test.target).mean()
        print(
            f"{name:>12} {precision:>9} {seed:>4} "
            f"{network.model_.count_params():>11,} {network.n_epochs_:>6} "
            f"{seconds:>8.1f} {seconds / network.n_epochs_:>8.2f} "
            f"{network.score(train.images, train.target):>10.3f} "
            f"{accuracy:>9.3f} {log_loss(test.target, proba):>9.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
