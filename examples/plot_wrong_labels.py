"""
========================================
Find label errors with cross_val_predict
========================================

If a network confidently predicts a class that differs from the label, the label is
often wrong. The network must not have been trained on the image in question, because it
could then have memorized the wrong label. ``cross_val_predict`` therefore predicts the
class probabilities of each image with a network that was trained only on the other
folds.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load images with label errors
# -----------------------------
# ``flip_y=0.1`` replaces a tenth of the labels with random labels, some of which are
# correct by chance. The true labels of the generated scenes are known, so you can check
# the results. If you load your own images, their labels are not changed.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import PredictionGridDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_wrong_labels.py FOLDER

if FOLDER is None:
    scenes = make_scenes(800, image_size=32, flip_y=0.1, random_state=0)
    truth = make_scenes(800, image_size=32, random_state=0).target
else:
    scenes = load_image_folder(FOLDER, image_size=64)
    truth = None
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# Predict the class probabilities by cross-validation
# ---------------------------------------------------

network = CNNClassifier(filters=(16, 32, 64), epochs=25, random_state=0)
cv = StratifiedKFold(5, shuffle=True, random_state=0)
proba = cross_val_predict(network, X, y, cv=cv, method="predict_proba")

# %%
# Show the most suspicious labels
# -------------------------------
# The plot shows the images for which the network most confidently predicts a class that
# differs from the label. The first line of each title shows the predicted class and its
# probability. The second line shows the label and its probability.

PredictionGridDisplay.from_predictions(
    X, y, proba, classes=scenes.target_names, which="confident_errors"
)

# %%
# Compare with the true labels
# ----------------------------
# The lower the predicted probability of an image's label, the more suspicious the
# label. The ROC curve plots the share of wrong labels that are found against the share
# of correct labels that are mistakenly reported as wrong.

label_proba = proba[np.arange(len(X)), scenes.target]
if truth is not None:
    wrong = truth != scenes.target
    print(f"{wrong.sum()} of {len(y)} labels are wrong")
    for n in (20, 40, 80):
        suspects = np.argsort(label_proba)[:n]
        print(f"{wrong[suspects].sum()} of the {n} most suspicious labels are wrong")
    fig, ax = plt.subplots(figsize=(4.2, 4), layout="constrained")
    RocCurveDisplay.from_predictions(
        wrong, 1 - label_proba, ax=ax, name="1 - probability"
    )
    ax.plot([0, 1], [0, 1], ":", color="black")
    ax.set_title("Detection of label errors")

# %%
# Find label errors with cleanlab
# -------------------------------
# `cleanlab <https://docs.cleanlab.ai>`_ uses the same probabilities to find label
# errors. It computes a threshold for each class to determine how many labels to report.
# Install cleanlab with ``python -m pip install ".[cleanlab]"``.

try:
    from cleanlab.filter import find_label_issues
except ImportError:
    print("cleanlab is not installed")
else:
    issues = find_label_issues(
        scenes.target, proba, return_indices_ranked_by="self_confidence"
    )
    print(f"cleanlab reports {len(issues)} labels", end="")
    print("" if truth is None else f"; {wrong[issues].sum()} of them are wrong")

plt.show()
