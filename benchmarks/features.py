"""Compare CNNFeatures with Keras, and with a fine-tuned network.

    python benchmarks/features.py                    # time, on random images
    python benchmarks/features.py TRAIN TEST --exclude street --image-sizes 64 128
    python benchmarks/features.py TRAIN TEST --exclude street --fine-tune --seeds 2

Without folders, the script times `CNNFeatures.transform` and `predict` of the same
Keras model in alternation, and prints the ratio of their times. With folders, it prints
the time to compute the features and the test accuracy of a logistic regression on them.
The penalty of the logistic regression is chosen by cross-validation on TRAIN. With
`--fine-tune`, it trains `pretrained_cnn` instead.
"""

import argparse
import statistics
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from skcnn import CNNFeatures, pretrained_cnn
from skcnn.datasets import load_image_folder


def seconds(function, *args, **kwargs):
    start = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - start


def compare_with_keras(n_images, size, repeat):
    images = np.random.default_rng(0).integers(0, 256, (n_images, size, size, 3))
    images = images.astype(np.uint8)
    transformer = CNNFeatures().fit(images)
    keras_input = images.astype(np.float32)
    ratios = []
    for i in range(repeat + 1):
        ours = seconds(transformer.transform, images)
        keras = seconds(transformer.network_.predict, keras_input, verbose=0)
        if i:  # the first round traces the graphs
            ratios.append(ours / keras)
            print(f"CNNFeatures {ours:.2f} s, Keras {keras:.2f} s: {ratios[-1]:.3f}")
    print(f"median of {repeat} ratios: {statistics.median(ratios):.3f}")


def measure_accuracy(train, test, exclude, image_size):
    train = load_image_folder(train, image_size=image_size, exclude=exclude)
    test = load_image_folder(test, image_size=image_size)
    transformer = CNNFeatures().fit(train.images)
    transformer.transform(train.images[:64])  # trace the graph
    start = time.perf_counter()
    features = transformer.transform(train.images)
    transform_time = time.perf_counter() - start
    search = GridSearchCV(
        LogisticRegression(max_iter=2000), {"C": [0.003, 0.01, 0.03, 0.1]}, cv=3
    )
    search_time = seconds(search.fit, features, train.target)
    accuracy = search.score(transformer.transform(test.images), test.target)
    print(
        f"{image_size} pixels: features {transform_time:.1f} s, search "
        f"{search_time:.1f} s, {search.best_params_}, accuracy {accuracy:.3f}",
        flush=True,
    )


def measure_fine_tuning(train, test, exclude, image_size, seed):
    train = load_image_folder(train, image_size=image_size, exclude=exclude)
    test = load_image_folder(test, image_size=image_size)
    cnn = pretrained_cnn(random_state=seed)
    fit_time = seconds(cnn.fit, train.images, train.target)
    accuracy = cnn.score(test.images, test.target)
    print(
        f"{image_size} pixels, seed {seed}: fit {fit_time:.1f} s, accuracy "
        f"{accuracy:.3f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", nargs="?", help="folder of training images")
    parser.add_argument("test", nargs="?", help="folder of test images")
    parser.add_argument("--exclude", nargs="*", help="classes of TRAIN to leave out")
    parser.add_argument(
        "--image-sizes", type=int, nargs="*", default=[224], help="default 224"
    )
    parser.add_argument("--fine-tune", action="store_true", help="train pretrained_cnn")
    parser.add_argument("--seeds", type=int, default=1, help="default 1")
    parser.add_argument("--images", type=int, default=1000, help="default 1000")
    parser.add_argument("--repeat", type=int, default=5, help="default 5")
    args = parser.parse_args()
    if (args.train or args.fine_tune) and not args.test:
        parser.error("TRAIN or TEST is missing")
    for size in args.image_sizes:
        if args.fine_tune:
            for seed in range(args.seeds):
                measure_fine_tuning(args.train, args.test, args.exclude, size, seed)
        elif args.train:
            measure_accuracy(args.train, args.test, args.exclude, size)
        else:
            compare_with_keras(args.images, size, args.repeat)


if __name__ == "__main__":
    main()
