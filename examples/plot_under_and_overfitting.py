"""
====================================================
Compare underfitting, overfitting and regularization
====================================================

This example trains three networks on the same images: a small network, a large network,
and a large network with dropout, an L2 penalty and augmentation. Their learning curves
show that the first network underfits, the second overfits and the third generalizes.

By default, the script uses generated scenes and takes a few minutes. To use your own
images, pass their folder, as in the second command. The run time then depends on the
number and the size of the images::

    python examples/plot_under_and_overfitting.py
    python examples/plot_under_and_overfitting.py FOLDER --image-size 64
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------

import argparse
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import optimized_cnn, overfitting_cnn, underfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import HistoryDisplay

parser = argparse.ArgumentParser(
    description="Compare underfitting, overfitting and regularization."
)
parser.add_argument(
    "folder", nargs="?", default=FOLDER, help="training images, one subfolder per class"
)
parser.add_argument("--test", help="folder of test images; default: a fifth of FOLDER")
parser.add_argument("--image-size", type=int, default=64, help="in pixels; default: 64")
parser.add_argument("--exclude", nargs="*", help="classes to leave out")
parser.add_argument("--epochs", type=int, help="default: 40; with FOLDER 30, 50, 50")
parser.add_argument("--output", default=".", help="folder for the figure; default: .")
in_jupyter = "kernel_launcher" in sys.argv[0]  # sys.argv holds the kernel's arguments
args = parser.parse_args([] if in_jupyter else None)

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
print(f"training: {len(X)} images of shape {X.shape[1:]}; test: {len(X_test)} images\n")

# %%
# Train three networks
# --------------------
# Each preset is a function that returns a ``CNNClassifier`` with specific parameters.
# For each network, ``fit`` holds out a tenth of the training images and records the
# loss on these held-out images after each epoch.

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
# Plot the learning curves
# ------------------------
# The first network underfits, so its two loss curves stay close together at a high
# loss. The second network overfits, so its loss curves diverge: the loss on held-out
# images rises while the training loss falls toward zero. The third network learns more
# slowly, and both of its curves improve together. This network can score better on
# held-out images than on training images, because dropout and augmentation are active
# only during training.

fig, axes = plt.subplots(
    2, 3, figsize=(10, 5.5), sharex="col", sharey="row", layout="constrained"
)
for (name, network), column in zip(networks.items(), axes.T, strict=True):
    HistoryDisplay.from_estimator(
        network, ax=column, best_kw={"label": "lowest held-out loss"}
    )
    column[0].set_title(name)
    column[0].get_legend().remove()
for ax in axes.flat:
    ax.label_outer()
# Draw a single legend below all axes, so that it does not cover any curve.
handles, labels = axes[0, 0].get_legend_handles_labels()
fig.legend(handles, labels, loc="outside lower center", ncols=3)
# Cut off very high losses, which would flatten the other curves.
axes[0, 0].set_ylim(0, 3)
output = Path(args.output)
output.mkdir(parents=True, exist_ok=True)
fig.savefig(output / "under_and_overfitting.png", dpi=150)
print(f"\nfigure: {output / 'under_and_overfitting.png'}")

plt.show()
