"""Compare a full grid search with successive halving on photographs.

    python benchmarks/halving.py TRAIN --exclude street --width-factor 0.5

Both searches tune the strength of the L2 penalty in five folds of 30 epochs, without a
refit. `GridSearchCV` trains all candidates for all epochs. `HalvingGridSearchCV` trains
all candidates for a third of the epochs, and then only the best one for all epochs.
With `memory`, the best candidate continues from the epoch it has reached. The script
prints the number of trained epochs, the time and the best candidate of each search.
"""

import argparse
import tempfile
import time

from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV

from skcnn import CNNClassifier
from skcnn._training._trainer import Trainer
from skcnn.datasets import load_image_folder


def count_epochs():
    """Return a list that grows by one item for each epoch trained in this process."""
    trained, train_epoch = [], Trainer.train_epoch

    def counted(self, *args, **kwargs):
        trained.append(1)
        return train_epoch(self, *args, **kwargs)

    Trainer.train_epoch = counted
    return trained


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", help="folder to search on")
    parser.add_argument("--exclude", nargs="*", help="classes of TRAIN to leave out")
    parser.add_argument("--image-size", type=int, default=64, help="default 64")
    parser.add_argument("--width-factor", type=float, default=1, help="default 1")
    parser.add_argument("--epochs", type=int, default=30, help="default 30")
    parser.add_argument("--cv", type=int, default=5, help="folds; default 5")
    args = parser.parse_args()

    data = load_image_folder(
        args.train, image_size=args.image_size, exclude=args.exclude
    )
    network = CNNClassifier(
        width_factor=args.width_factor, epochs=args.epochs, random_state=0
    )
    grid = {"l2": [1e-2, 1e-3, 1e-4]}
    common = {"cv": args.cv, "refit": False}
    halving = HalvingGridSearchCV(
        network,
        grid,
        resource="epochs",
        min_resources=args.epochs // 3,
        max_resources=args.epochs,
        factor=3,
        **common,
    )
    # Exclude the startup cost of TensorFlow from both times.
    network.set_params(epochs=1).fit(data.images, data.target)
    network.set_params(epochs=args.epochs)
    trained = count_epochs()
    print(f"{len(data.images)} images of {data.images.shape[1:]}, {args.cv} folds\n")
    print(f"{'search':>30} {'epochs':>6} {'minutes':>7} {'best l2':>7} accuracy")
    for search in (halving, GridSearchCV(network, grid, **common)):
        name = type(search).__name__
        with tempfile.TemporaryDirectory() as folder:
            if search is halving:
                name += ", memory"
                search.set_params(estimator__memory=folder)
            trained.clear()
            start = time.perf_counter()
            search.fit(data.images, data.target)
            minutes = (time.perf_counter() - start) / 60
        print(
            f"{name:>30} {len(trained):>6} {minutes:>7.1f} "
            f"{search.best_params_['l2']:>7g} {search.best_score_:>8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
