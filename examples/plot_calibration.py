"""
=====================================
Probabilities that mean what they say
=====================================

Of the images that a network gives 0.9, nine of ten should be right. A network that
overfits is far more certain than it is right; ``CalibratedClassifierCV`` mends that on
images that it was not trained on.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_calibration.py
    python examples/plot_calibration.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier, overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(1500, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.6, stratify=y, random_state=0
)

# %%
# Three of them: the network that overfits, the same calibrated, and the default, whose
# label smoothing and averages keep it modest.

overfits = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, epochs=30, random_state=0
)
networks = {
    "overfitting": overfits,
    "calibrated": CalibratedClassifierCV(overfits, method="sigmoid", cv=3),
    "default": CNNClassifier(filters=(16, 32, 64), epochs=20, random_state=0),
}

# %%
# Reliability: of the images whose most probable class has such a probability, how many
# are of that class. On the diagonal, as many as it says; below, fewer.

fig, ax = plt.subplots(figsize=(5, 4.6), layout="constrained")
markers = iter("os^")
for name, network in networks.items():
    network.fit(X_train, y_train)
    proba = network.predict_proba(X_test)
    right = network.classes_[proba.argmax(axis=1)] == y_test
    CalibrationDisplay.from_predictions(
        right,
        proba.max(axis=1),
        n_bins=6,
        strategy="quantile",
        name=name,
        ax=ax,
        marker=next(markers),
    )
    print(
        f"{name:>12}: accuracy {right.mean():.3f}, mean probability "
        f"{proba.max(axis=1).mean():.3f}, log loss {log_loss(y_test, proba):.3f}"
    )
ax.set(
    xlabel="Probability of the predicted class",
    ylabel="Share of right predictions",
)
ax.grid(alpha=0.3)

# %%
# The network that overfits is right far less often than it says. Calibrated, it errs a
# little to the other side, and its loss is a good deal lower; accuracy is not what
# calibration is for. The default needs none: it is right a little more often than it
# says, and its loss is the lowest.

plt.show()
