"""
===============================================
Search hyperparameters with HalvingGridSearchCV
===============================================

This example takes you from a folder of images to a tuned classifier. It uses successive
halving to compare four parameter settings of ``CNNClassifier``, evaluates the best
setting on test images that the search has not used, and saves the trained network. The
code for splitting, searching and evaluating is plain scikit-learn code.

By default, the script uses scikit-learn's handwritten digits and takes about half a
minute. To use your own images, pass their folder, as in the second command::

    python examples/plot_grid_search.py
    python examples/plot_grid_search.py FOLDER

With ``--pretrained``, the script trains a linear classifier on the features of a
pretrained network instead. On photographs, this is faster and more accurate.
"""

FOLDER = None  # handwritten digits, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------
# ``load_image_folder`` decodes all images into one uint8 array and returns it with the
# labels. ``load_digits`` returns the digits in the same format. The script checks the
# images before it starts the search, so that it does not fail after minutes of
# training.

import argparse
import sys
import time
import warnings
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    classification_report,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    train_test_split,
)
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier, CNNFeatures
from skcnn.datasets import load_digits, load_image_folder
from skcnn.display import PredictionGridDisplay, SearchDisplay

parser = argparse.ArgumentParser(
    description="Search hyperparameters with HalvingGridSearchCV."
)
parser.add_argument(
    "folder", nargs="?", default=FOLDER, help="training images, one subfolder per class"
)
parser.add_argument("--test", help="folder of test images; default: a fifth of FOLDER")
parser.add_argument(
    "--pretrained", action="store_true", help="train on features of CNNFeatures"
)
parser.add_argument(
    "--image-size", type=int, help="in pixels; default: 64, with --pretrained 128"
)
parser.add_argument("--exclude", nargs="*", help="classes to leave out")
parser.add_argument(
    "--epochs", type=int, help="a multiple of 4; default: 48, digits 12"
)
parser.add_argument("--cv", type=int, default=2, help="number of folds; default: 2")
parser.add_argument("--output", default=".", help="folder for the results; default: .")
parser.add_argument(
    "--memory", help="folder for checkpoints; default: grid_search_memory in --output"
)
in_jupyter = "kernel_launcher" in sys.argv[0]  # sys.argv holds the kernel's arguments
args = parser.parse_args([] if in_jupyter else None)


def stop(message, status=2):
    """Print a message and exit without a traceback."""
    parser.exit(status, f"plot_grid_search.py: {message}\n")


on_digits = args.folder is None
if on_digits and (args.test or args.exclude or args.image_size):
    stop("--test, --exclude and --image-size need a FOLDER of images.")
if args.pretrained and (args.epochs is not None or args.memory is not None):
    stop("--epochs and --memory have no effect with --pretrained.")
image_size = args.image_size
if image_size is None:
    image_size = 128 if args.pretrained else 64
epochs = (12 if on_digits else 48) if args.epochs is None else args.epochs
if epochs < 4 or epochs % 4 or args.cv < 2:
    stop("--epochs must be a multiple of 4, and --cv at least 2.")

output = Path(args.output)
memory = Path(args.memory or output / "grid_search_memory")
for path in [output] if args.pretrained else [output, memory]:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"cannot create the folder '{path}': {error.strerror}.")

# Skip files that cannot be decoded. A warning lists them.
options = {"image_size": image_size, "on_error": "skip"}
test = None
try:
    if on_digits:
        data = load_digits()
    else:
        data = load_image_folder(args.folder, exclude=args.exclude, **options)
    if args.test is not None:
        in_test = [c for c in args.exclude or [] if (Path(args.test) / c).is_dir()]
        test = load_image_folder(args.test, exclude=in_test, **options)
except (OSError, ValueError) as error:
    stop(error)

if len(data.target_names) < 2:
    stop(f"found the class {data.target_names[0]} only, but needs at least two.")
counts = np.bincount(data.target)
n_required = args.cv if test is not None else max(5, 2 * args.cv)
if counts.min() < n_required:
    stop(
        f"needs at least {n_required} images per class, but found {counts.min()} of "
        f"{data.target_names[counts.argmin()]}. Add images, or pass --exclude."
    )
X, y = data.images, data.target_names[data.target]
if test is None:
    X, X_test, y, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )
else:
    if different := set(data.target_names) ^ set(test.target_names):
        stop(
            "FOLDER and --test must have the same classes, but only one of them has "
            f"{', '.join(sorted(different))}. Pass --exclude to leave classes out."
        )
    X_test, y_test = test.images, test.target_names[test.target]
print(f"search: {len(X)} images of shape {X.shape[1:]}; test: {len(X_test)} images")

# %%
# Choose the candidates
# ---------------------
# The network is ``CNNClassifier`` with its default parameters. For photographs, the
# search compares two learning rates and two kinds of augmentation, one of which
# includes horizontal flips. Digits must not be flipped, and they are so small that a
# narrow network is enough. For digits, the search therefore compares two network widths
# instead of two kinds of augmentation.
#
# With ``--pretrained``, the classifier is a logistic regression on the features of
# ``CNNFeatures``, and the search compares five strengths of its L2 penalty.

FLIP = {"flip": "horizontal", "rotation": 0.03, "zoom": 0.2}
if args.pretrained:
    candidates = {"C": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]}
elif on_digits:
    candidates = {"learning_rate": [1e-3, 3e-3], "width_factor": [0.25, 0.5]}
else:
    candidates = {"augment": ["auto", FLIP], "learning_rate": [1e-3, 3e-3]}

# %%
# Run the search
# --------------
# Successive halving trains all candidates for a quarter of the epochs, and only the
# best candidate for all epochs. Finally, the search uses the best parameters to train a
# network on all images that were passed to ``fit``.
#
# The classifier stores checkpoints in the folder ``memory``, so the best candidate
# continues from its checkpoints instead of starting again. If you stop the script, run
# it again to continue the search.
#
# With ``--pretrained``, the features are computed once, before the search. They do not
# depend on the training images, so nothing leaks between the folds.


class Folds(StratifiedKFold):
    """Stratified folds that print a line at the start of each halving iteration."""

    def split(self, X, y, groups=None):
        """Split as ``StratifiedKFold`` does."""
        if not shows_progress and not args.pretrained:
            n, n_epochs = search.n_candidates_[-1], search.n_resources_[-1]
            print(f"candidates: {n}, folds: {args.cv}, epochs: {n_epochs}", flush=True)
        return super().split(X, y, groups)


folds = Folds(args.cv, shuffle=True, random_state=0)
if args.pretrained:
    search = GridSearchCV(LogisticRegression(max_iter=1000), candidates, cv=folds)
else:
    search = HalvingGridSearchCV(
        CNNClassifier(random_state=0, memory=memory),
        candidates,
        resource="epochs",
        max_resources=epochs,
        factor=4,
        cv=folds,
        return_train_score=False,
    )

# The progress bar needs a terminal, rich, and scikit-learn 1.9 or later.
shows_progress = False
if sys.stderr.isatty():
    try:
        import rich
        from sklearn.callback import ProgressBar
    except ImportError:
        pass
    else:
        rich.reconfigure(stderr=True)
        search.set_callbacks(ProgressBar(max_propagation_depth=0))
        shows_progress = True

start = time.perf_counter()
try:
    with warnings.catch_warnings():
        # The message below replaces the classifier's warning about the interruption.
        warnings.filterwarnings("ignore", "Training was interr", ConvergenceWarning)
        if args.pretrained:
            extractor = CNNFeatures()
            search.fit(extractor.fit_transform(X), y)
            classifier = make_pipeline(extractor, search.best_estimator_)
        else:
            classifier = search.fit(X, y).best_estimator_
except ImportError as error:  # the weights are not installed
    stop(error)
except KeyboardInterrupt:
    stop("interrupted. Run the same command again to continue.", status=1)
minutes = (time.perf_counter() - start) / 60

# %%
# Compare the candidates
# ----------------------
# The table lists the best candidate first. For each candidate, the columns contain the
# mean and the standard deviation of its accuracy over the folds, its number of epochs,
# and its training time in this run. If the mean accuracies of two candidates differ by
# less than the standard deviation, the difference may be due to chance.


def shorten(text):
    """Replace the settings of the augmentation that includes flips with "FLIP"."""
    return text.replace(str(FLIP), "FLIP")


table = {}
results = search.cv_results_
for i, params in enumerate(results["params"]):
    name = ", ".join(f"{k}={v}" for k, v in params.items() if k != "epochs")
    seconds = args.cv * results["mean_fit_time"][i]
    seconds += table[name][-1] if name in table else 0  # add the previous iteration
    mean, std = results["mean_test_score"][i], results["std_test_score"][i]
    is_best = i == search.best_index_
    table[name] = (is_best, params.get("epochs", "-"), mean, std, seconds)
print(f"\n{'accuracy':>8}  {'+/-':>5}  {'epochs':>6}  {'seconds':>7}  parameters")
for name, row in sorted(table.items(), key=lambda item: item[1], reverse=True):
    _, n_epochs, mean, std, seconds = row
    print(f"{mean:8.3f}  {std:5.3f}  {n_epochs:>6}  {seconds:7.1f}  {shorten(name)}")
print(f"\nbest parameters: {search.best_params_}")
print(f"search and refit: {minutes:.1f} minutes")

# For each candidate, the plot shows one point per fold: the accuracy on that fold.
fig, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
SearchDisplay.from_search(search, ax=ax)
ax.set_title(f"Candidates in {args.cv} folds")
ax.set_yticks(
    ax.get_yticks(), [shorten(label.get_text()) for label in ax.get_yticklabels()]
)
fig.savefig(output / "grid_search_candidates.png", dpi=150)

# %%
# Evaluate the best network
# -------------------------
# The search did not use the test images, so they give an unbiased estimate of the
# accuracy.

proba = classifier.predict_proba(X_test)
y_pred = classifier.classes_[proba.argmax(axis=1)]
print(f"\ntest accuracy: {accuracy_score(y_test, y_pred):.3f}\n")
print(classification_report(y_test, y_pred, digits=3, zero_division=0))

n_classes = len(classifier.classes_)
fig, ax = plt.subplots(figsize=(5 + n_classes / 5,) * 2, layout="constrained")
confusion = ConfusionMatrixDisplay.from_predictions(
    y_test, y_pred, ax=ax, cmap="Blues", colorbar=False, xticks_rotation=45
)
ax.set_title("Test images")
fig.savefig(output / "grid_search_confusion.png", dpi=150)
print("confusion matrix (rows: true class, columns: predicted class)")
width = max(map(len, map(str, classifier.classes_)))
for name, row in zip(classifier.classes_, confusion.confusion_matrix, strict=True):
    print(f"{name!s:>{width}}  " + " ".join(f"{n:4d}" for n in row))

# %%
# Look at the most confident errors
# ---------------------------------
# The figure shows the wrong predictions with the highest probabilities. Some of these
# images may be labeled incorrectly.

errors = PredictionGridDisplay.from_predictions(
    X_test, y_test, proba, classes=classifier.classes_, which="confident_errors"
)
errors.figure_.savefig(output / "grid_search_errors.png", dpi=150)

# %%
# Save the network
# ----------------

file = output / "grid_search_network.joblib"
joblib.dump(classifier, file)
figures = sorted(path.name for path in output.glob("grid_search_*.png"))
print(f"\nfigures: {', '.join(figures)}\nnetwork: {file}\n")
if on_digits:
    print(
        "Next, search on your own images, in one subfolder per class:\n\n"
        "    python examples/plot_grid_search.py FOLDER"
    )
else:
    print(
        "Next, classify a new image in Python:\n\n"
        "    import joblib; from skcnn.datasets import load_images\n"
        f"    network = joblib.load({str(file)!r})\n"
        f"    images = load_images(['new.jpg'], image_size={image_size}).images\n"
        "    print(network.predict(images), network.predict_proba(images).max(axis=1))"
    )

plt.show()
