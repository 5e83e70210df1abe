"""
===================================================
Calibrate probabilities with CalibratedClassifierCV
===================================================

If a classifier is well calibrated, about 90% of its predictions with probability 0.9
are correct. A network that overfits is overconfident. ``CalibratedClassifierCV``
corrects the probabilities of such a network, using images that the network was not
trained on.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------

import sys

import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier, overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_calibration.py FOLDER

if FOLDER is None:
    scenes = make_scenes(1500, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.6, stratify=y, random_state=0
)

# %%
# Define three classifiers
# ------------------------
# This example compares a network that overfits, the same network with calibration, and
# the default network. The default network uses label smoothing and weight averaging,
# which reduce overconfidence.

overfits = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, epochs=30, random_state=0
)
networks = {
    "overfitting": overfits,
    "calibrated": CalibratedClassifierCV(overfits, method="sigmoid", cv=3),
    "default": CNNClassifier(filters=(16, 32, 64), epochs=20, random_state=0),
}

# %%
# Plot the calibration curves
# ---------------------------
# The plot shows the share of correct predictions against the probability of the
# predicted class. The curve of a well-calibrated classifier follows the diagonal.
# Points below the diagonal indicate overconfidence; points above it indicate
# underconfidence.

fig, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
markers = iter("os^")
for name, network in networks.items():
    network.fit(X_train, y_train)
    proba = network.predict_proba(X_test)
    correct = network.classes_[proba.argmax(axis=1)] == y_test
    CalibrationDisplay.from_predictions(
        correct,
        proba.max(axis=1),
        n_bins=6,
        strategy="quantile",
        name=name,
        ax=ax,
        marker=next(markers),
    )
    print(
        f"{name:>12}: accuracy {correct.mean():.3f}, mean probability "
        f"{proba.max(axis=1).mean():.3f}, log loss {log_loss(y_test, proba):.3f}"
    )
ax.set(
    xlabel="Probability of the predicted class",
    ylabel="Share of correct predictions",
)
ax.grid(alpha=0.3)

# %%
# The overfitting network's predictions are correct far less often than their
# probabilities suggest. After calibration, the network is somewhat underconfident, and
# its log loss is much lower. Calibration does not aim to improve the accuracy. The
# default network is only slightly underconfident and has the lowest log loss, so it
# needs no calibration.

plt.show()
