"""
===================================
Diagnose overfitting and stop early
===================================

A network overfits if it memorizes the training images and does not generalize to other
images. This example trains a network with hundreds of times as many parameters as the
network in the underfitting example. ``HistoryDisplay`` shows that the learning curves
diverge. A second fit with ``early_stopping=True`` limits the overfitting.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------

import sys

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import HistoryDisplay, PredictionGridDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_overfitting.py FOLDER

if FOLDER is None:
    scenes = make_scenes(500, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)

# %%
# Train a large network without regularization
# --------------------------------------------
# This example uses fewer images than the underfitting example. ``overfitting_cnn`` uses
# no dropout, no L2 penalty and no augmentation.

network = overfitting_cnn(
    filters=(16, 32, 64, 128),
    dense_units=128,
    epochs=40,
    validation_fraction=0.2,
    random_state=0,
)
network.fit(X_train, y_train)
print(f"{network.model_.count_params():,} parameters, {len(X_train)} images")

# %%
# Plot the learning curves
# ------------------------
# The training loss falls to zero, and the training accuracy rises to one. The loss on
# held-out images falls for a few epochs and then rises, because the network becomes
# more and more confident in its wrong predictions. The accuracy does not show this
# effect, because it counts errors no matter how confident the network is. The first
# score below is computed on all of ``X_train``, including the images that ``fit`` held
# out.

HistoryDisplay.from_estimator(network)
print(f"training images {network.score(X_train, y_train):.3f}")
print(f"     test images {network.score(X_test, y_test):.3f}")
print(f"       test loss {log_loss(y_test, network.predict_proba(X_test)):.3f}")

# %%
# Show the most confident errors
# ------------------------------
# For each of these test images, the network predicts a wrong class with a probability
# close to one.

PredictionGridDisplay.from_estimator(network, X_test, y_test, which="confident_errors")

# %%
# Stop early
# ----------
# Early stopping is the simplest remedy. It ends training when the loss on held-out
# images stops improving, and restores the weights of the best epoch. The test loss is
# then lower, because the network is less overconfident. However, early stopping does
# not make the network better at separating the classes. The accuracy can even be lower
# than without early stopping, because the loss may start to rise while the accuracy is
# still improving.

stopped = clone(network).set_params(early_stopping=True, patience=5)
stopped.fit(X_train, y_train)
print(f"stopped after epoch {stopped.n_epochs_}")
print(f"     test images {stopped.score(X_test, y_test):.3f}")
print(f"       test loss {log_loss(y_test, stopped.predict_proba(X_test)):.3f}")

plt.show()
