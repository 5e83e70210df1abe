"""
============================
Tune a CNN with GridSearchCV
============================

This example loads and splits images, tunes the L2 penalty, the dropout rate and the
batch size by cross-validation, and evaluates the best network on test images that the
search has not seen. The split, the search and the evaluation are plain scikit-learn
code.

The network is the regularized preset ``optimized_cnn``. ``CNNClassifier()`` with its
default parameters is faster and more accurate.

On the handwritten digits of scikit-learn, the script takes a minute or two. You can run
it on your own images, too::

    python examples/plot_grid_search.py
    python examples/plot_grid_search.py FOLDER --image-size 64
"""

FOLDER = None  # handwritten digits, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------
# ``load_image_folder`` decodes all images into one uint8 array and returns it with the
# labels. ``load_digits`` returns the digits in the same format.

import argparse
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import GridSearchCV, train_test_split

from skcnn import optimized_cnn
from skcnn.datasets import load_digits, load_image_folder
from skcnn.display import SearchDisplay

parser = argparse.ArgumentParser(description="Tune a CNN with GridSearchCV.")
parser.add_argument(
    "folder", nargs="?", default=FOLDER, help="training images, one subfolder per class"
)
parser.add_argument("--test", help="folder of test images; default: a fifth of FOLDER")
parser.add_argument("--image-size", type=int, default=64, help="in pixels; default: 64")
parser.add_argument("--exclude", nargs="*", help="classes to leave out")
parser.add_argument("--epochs", type=int, default=15, help="default: 15")
parser.add_argument("--cv", type=int, default=3, help="number of folds; default: 3")
parser.add_argument("--n-jobs", type=int, help="number of processes; default: 1")
parser.add_argument("--output", default=".", help="folder for the figures; default: .")
in_jupyter = "kernel_launcher" in sys.argv[0]  # sys.argv holds the kernel's arguments
args = parser.parse_args([] if in_jupyter else None)

if args.folder is None:
    data = load_digits()
    network = optimized_cnn(filters=(16, 32), dense_units=64)
else:
    data = load_image_folder(
        args.folder, image_size=args.image_size, exclude=args.exclude
    )
    network = optimized_cnn()
network.set_params(augment=False, epochs=args.epochs, random_state=0)

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
print(f"search: {len(X)} images of shape {X.shape[1:]}; test: {len(X_test)} images")

# %%
# Run the search
# --------------
# The folds are stratified, because scikit-learn recognizes the network as a classifier.
# All fits use the same ``random_state``, so candidates differ only in their parameters.

search = GridSearchCV(
    network,
    {"l2": [1e-2, 1e-4], "dropout": [0.1, 0.3], "batch_size": [16, 32]},
    cv=args.cv,
    n_jobs=args.n_jobs,
)
start = time.perf_counter()
search.fit(X, y)
minutes = (time.perf_counter() - start) / 60
n_fits = len(search.cv_results_["params"]) * args.cv
print(
    f"\n{n_fits} fits and one refit of {args.epochs} epochs each: "
    f"{minutes:.1f} minutes\n"
)

print(f"{'accuracy':>8}  {'+/-':>5}  parameters")
results = search.cv_results_
for i in results["mean_test_score"].argsort()[::-1]:
    mean, std = results["mean_test_score"][i], results["std_test_score"][i]
    names = ", ".join(f"{k}={v:g}" for k, v in results["params"][i].items())
    print(f"{mean:8.3f}  {std:5.3f}  {names}")
print(f"\nbest parameters: {search.best_params_}")

# %%
# Compare the candidates
# ----------------------
# The plot shows the score of each fold and one box per candidate. If two candidates
# differ by less than the spread of their folds, the difference may be due to chance. If
# the best value lies at the edge of the grid, extend the grid.

output = Path(args.output)
output.mkdir(parents=True, exist_ok=True)
candidates = SearchDisplay.from_search(search)
candidates.axes_[0, 0].set_title(f"Candidates in {args.cv} folds")
candidates.figure_.savefig(output / "grid_search_candidates.png", dpi=150)

# %%
# Evaluate the best network
# -------------------------
# The search has refitted the best candidate on all images that it received. The test
# images give an unbiased estimate of its accuracy.

y_pred = search.predict(X_test)
print(f"\ntest accuracy: {search.score(X_test, y_test):.3f}\n")
print(classification_report(y_test, y_pred, digits=3))

n_classes = len(search.classes_)
fig, ax = plt.subplots(figsize=(5 + n_classes / 5,) * 2, layout="constrained")
confusion = ConfusionMatrixDisplay.from_predictions(
    y_test, y_pred, ax=ax, cmap="Blues", colorbar=False, xticks_rotation=45
)
ax.set_title("Test images")
fig.savefig(output / "grid_search_confusion.png", dpi=150)
print("confusion matrix (rows: true class, columns: predicted class)")
width = max(map(len, map(str, search.classes_)))
for name, row in zip(search.classes_, confusion.confusion_matrix, strict=True):
    print(f"{name!s:>{width}}  " + " ".join(f"{n:4d}" for n in row))
print(
    f"\nfigures: {', '.join(sorted(p.name for p in output.glob('grid_search_*.png')))}"
)

plt.show()
