"""Plot the validation accuracy of several networks against the training time.

    python benchmarks/frontier.py TRAIN --exclude street --output frontier.png

TRAIN is a folder with one folder of images per class. Each network is trained once on
three quarters of the images, and evaluated on the remaining quarter after each epoch.
The time includes only training. The script prints a line for each network and plots one
curve per network.
"""

import argparse
import time

import numpy as np

from skcnn import CNNClassifier, optimized_cnn, underfitting_cnn
from skcnn._utils._tensorflow import import_tensorflow
from skcnn.datasets import load_image_folder

import_tensorflow()  # before Keras imports it, to silence the startup messages

import keras  # noqa: E402

# Name, image size, network and color. The palette is safe for color-blind readers
# (Okabe and Ito, 2008).
NETWORKS = [
    ("underfitting_cnn(), 64 px", 64, underfitting_cnn(epochs=40), "#999999"),
    ("CNNClassifier(), 32 px", 32, CNNClassifier(), "#56B4E9"),
    ("width_factor=0.5, 64 px", 64, CNNClassifier(width_factor=0.5), "#009E73"),
    ("CNNClassifier(), 64 px", 64, CNNClassifier(), "#0072B2"),
    ("CNNClassifier(), 96 px", 96, CNNClassifier(), "#CC79A7"),
    ("optimized_cnn(), 64 px", 64, optimized_cnn(), "#D55E00"),
]


class TrainingTimer(keras.callbacks.Callback):
    """Record the training time at the end of each epoch, without the evaluation."""

    def __init__(self):
        super().__init__()
        self.seconds, self.total = [], 0.0

    def __deepcopy__(self, memo):  # fit copies callbacks, but must record in this one
        return self

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.total += time.perf_counter() - self.start

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(self.total)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("train", help="folder to train on")
    parser.add_argument("--exclude", nargs="*", help="classes of TRAIN to leave out")
    parser.add_argument("--epochs", type=int, help="default: the value of each network")
    parser.add_argument("--output", default="frontier.png")
    args = parser.parse_args()

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    print(
        f"{'network':>26} {'s/epoch':>9} {'epochs':>6} {'seconds':>8} {'accuracy':>8}"
    )
    sizes = {size for _, size, *_ in NETWORKS}
    datasets = {
        size: load_image_folder(args.train, image_size=size, exclude=args.exclude)
        for size in sizes
    }
    for name, size, network, color in NETWORKS:
        data = datasets[size]
        timer = TrainingTimer()
        network.set_params(
            validation_fraction=0.25,
            early_stopping=False,
            callbacks=[timer],
            random_state=0,
        )
        if args.epochs:
            network.set_params(epochs=args.epochs)
        network.fit(data.images, data.target)
        accuracy = network.history_["val_accuracy"]
        print(
            f"{name:>26} {timer.total / len(accuracy):>7.2f} s {len(accuracy):>6} "
            f"{timer.total:>8.1f} {np.mean(accuracy[-3:]):>8.3f}",
            flush=True,
        )
        axes.plot(timer.seconds, accuracy, color=color, label=name)
    axes.set(
        xscale="log",
        xlabel="seconds of training",
        ylabel="accuracy on held-out photographs",
        ylim=(0.2, 1),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False, fontsize="small")
    figure.savefig(args.output, dpi=120)
    print(f"\nfigure: {args.output}")


if __name__ == "__main__":
    main()
