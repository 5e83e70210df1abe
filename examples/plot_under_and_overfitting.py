"""
===========================================
Too small, too large, and large but bridled
===========================================

Three networks on the same images: one with too few filters to see much, one that
learns its training images by heart, and one of the same size that dropout, an L2
penalty and augmentation hold back. What tells them apart is the distance between the
curves, and their level: loss and accuracy on the images they are trained on, and on
images held out.

Without an argument the script draws its own scenes and takes a minute or two; with a
folder that has one subfolder of images for each class it does the same with your
photographs, which takes as long as they are many::

    python examples/plot_under_and_overfitting.py
    python examples/plot_under_and_overfitting.py FOLDER --image-size 64
"""

# %%
# What to train on
# ----------------

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import optimized_cnn, overfitting_cnn, underfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import HistoryDisplay

parser = argparse.ArgumentParser(description="Underfitting, overfitting, neither.")
parser.add_argument("folder", nargs="?", help="one subfolder of images per class")
parser.add_argument("--test", help="such a folder to judge on; default: a fifth")
parser.add_argument("--image-size", type=int, default=64, help="in pixels; default 64")
parser.add_argument("--exclude", nargs="*", help="classes to leave out")
parser.add_argument("--epochs", type=int, help="for all three; default 30, 50 and 50")
parser.add_argument("--output", default=".", help="where the figure goes; default here")
args = parser.parse_args()

if args.folder is None:
    data = make_scenes(1000, image_size=32, random_state=0)
    args.epochs = args.epochs or 40
else:
    data = load_image_folder(
        args.folder, image_size=args.image_size, exclude=args.exclude
    )
X, y = data.images, data.target_names[data.target]
if args.test is None:
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )
else:
    test = load_image_folder(
        args.test, image_size=args.image_size, include=list(data.target_names)
    )
    X_test, y_test = test.images, test.target_names[test.target]
print(f"{len(X)} images of {X.shape[1:]} to train on, {len(X_test)} to judge by\n")

# %%
# Three networks
# --------------
# Each is a ``CNNClassifier``, and what differs is its parameters. A tenth of the
# training images is held out in each fit, to see how the loss on unseen images moves
# from epoch to epoch.

networks = {
    "underfitting": underfitting_cnn(),
    "overfitting": overfitting_cnn(),
    "optimized": optimized_cnn(),
}
print(
    f"{'network':>13} {'parameters':>11} {'epochs':>7} {'minutes':>8} "
    f"{'train acc.':>11} {'test acc.':>10} {'test loss':>10}"
)
for name, network in networks.items():
    network.set_params(random_state=0, validation_fraction=0.1)
    if args.epochs:
        network.set_params(epochs=args.epochs)
    start = time.perf_counter()
    network.fit(X, y)
    minutes = (time.perf_counter() - start) / 60
    print(
        f"{name:>13} {network.model_.count_params():>11,} {network.n_epochs_:>7} "
        f"{minutes:>8.1f} {network.score(X, y):>11.3f} "
        f"{network.score(X_test, y_test):>10.3f} "
        f"{log_loss(y_test, network.predict_proba(X_test)):>10.3f}"
    )

# %%
# Their curves
# ------------
# The curves of the first network stay together, and high: it lacks the means. Those of
# the second part: loss on held-out images rises while that in training goes to zero.
# The third learns more slowly, and both curves improve together. That held-out images
# may look better than those in training is no error: in training, dropout and
# augmentation are on.

fig, axes = plt.subplots(
    2, 3, figsize=(10, 5.5), sharex="col", sharey="row", layout="constrained"
)
for (name, network), column in zip(networks.items(), axes.T, strict=True):
    HistoryDisplay.from_estimator(network, ax=column)
    column[0].set_title(name)
for ax in axes.flat:
    ax.label_outer()
# The loss of the overfitting network on held-out images runs away.
axes[0, 0].set_ylim(0, 3)
folder = Path(args.output)
folder.mkdir(parents=True, exist_ok=True)
fig.savefig(folder / "under_and_overfitting.png", dpi=150)
print(f"\nfigure: {folder / 'under_and_overfitting.png'}")

plt.show()
