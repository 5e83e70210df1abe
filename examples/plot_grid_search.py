"""
=================================
Tune a CNN with ``GridSearchCV``
=================================

From images to a tuned and judged network: load, split, search the strength of the L2
penalty, the dropout rate and the batch size by cross-validation, then judge the best
network on images that the search has not seen.

The network is the regularized one of the three presets, as in the notebook that skcnn
grew out of; ``CNNClassifier()`` itself is faster and more accurate. Everything after
the import of skcnn is scikit-learn as its own documentation teaches it.

Without an argument the script takes the handwritten digits that come with scikit-learn
and is done in a minute or two; with a folder that has one subfolder of images for each
class it does the same with your photographs::

    python examples/plot_grid_search.py
    python examples/plot_grid_search.py FOLDER --image-size 64
"""

# %%
# What to train on
# ----------------
# ``load_image_folder`` decodes every image of every class folder to one array of
# uint8, with the labels beside it. The digits come in the same form.

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import GridSearchCV, train_test_split

from skcnn import optimized_cnn
from skcnn.datasets import load_digits, load_image_folder
from skcnn.display import SearchDisplay

parser = argparse.ArgumentParser(description="Tune a CNN with GridSearchCV.")
parser.add_argument("folder", nargs="?", help="one subfolder of images per class")
parser.add_argument("--test", help="such a folder to judge on; default: a fifth")
parser.add_argument("--image-size", type=int, default=64, help="in pixels; default 64")
parser.add_argument("--exclude", nargs="*", help="classes to leave out")
parser.add_argument("--epochs", type=int, default=15, help="default 15")
parser.add_argument("--cv", type=int, default=3, help="folds; default 3")
parser.add_argument("--n-jobs", type=int, help="processes; default 1")
parser.add_argument("--output", default=".", help="where the figures go; default here")
args = parser.parse_args()

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
print(f"{len(X)} images of {X.shape[1:]} to search on, {len(X_test)} to judge by")

# %%
# The search
# ----------
# Folds are stratified, since the network is a classifier for scikit-learn, and every
# fit starts from the same ``random_state``: what differs is the parameters.

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
print(f"\n{n_fits} fits of {args.epochs} epochs and one more: {minutes:.1f} minutes\n")

print(f"{'accuracy':>8}  {'+/-':>5}  parameters")
results = search.cv_results_
for i in results["mean_test_score"].argsort()[::-1]:
    mean, std = results["mean_test_score"][i], results["std_test_score"][i]
    names = ", ".join(f"{k}={v:g}" for k, v in results["params"][i].items())
    print(f"{mean:8.3f}  {std:5.3f}  {names}")
print(f"\nbest parameters: {search.best_params_}")

# %%
# The score of each fold, and boxes over them: a difference between two candidates that
# is smaller than the spread of their folds is no difference. Where the best values lie
# at the edge of the grid, widen it.

folder = Path(args.output)
folder.mkdir(parents=True, exist_ok=True)
candidates = SearchDisplay.from_search(search)
candidates.axes_[0, 0].set_title(f"Candidates in {args.cv} folds")
candidates.figure_.savefig(folder / "grid_search_candidates.png", dpi=150)

# %%
# The verdict
# -----------
# The search has refitted the best candidate on all of its images. How good it is, the
# images that were put aside tell.

y_pred = search.predict(X_test)
print(f"\ntest accuracy: {search.score(X_test, y_test):.3f}\n")
print(classification_report(y_test, y_pred, digits=3))

n_classes = len(search.classes_)
fig, ax = plt.subplots(figsize=(5 + n_classes / 5,) * 2, layout="constrained")
confusion = ConfusionMatrixDisplay.from_predictions(
    y_test, y_pred, ax=ax, cmap="Blues", colorbar=False, xticks_rotation=45
)
ax.set_title("Test images")
fig.savefig(folder / "grid_search_confusion.png", dpi=150)
print("confusion matrix (rows: true class, columns: predicted)")
width = max(map(len, map(str, search.classes_)))
for name, row in zip(search.classes_, confusion.confusion_matrix, strict=True):
    print(f"{name!s:>{width}}  " + " ".join(f"{n:4d}" for n in row))
print(
    f"\nfigures: {', '.join(sorted(p.name for p in folder.glob('grid_search_*.png')))}"
)

plt.show()
