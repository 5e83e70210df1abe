"""
=========================================
Diagnose underfitting with HistoryDisplay
=========================================

A network underfits if it is too small for the task. Its accuracy is then low on both
the training images and the test images. This example trains ``underfitting_cnn``, which
has two convolutional layers with six filters each, and plots its learning curves.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------
# The test images are set aside for the final evaluation.

import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skcnn import underfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import HistoryDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_underfitting.py FOLDER

if FOLDER is None:
    scenes = make_scenes(2000, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)

# %%
# Train the network
# -----------------
# ``validation_fraction=0.2`` holds out a fifth of the training images. ``fit`` records
# the loss and the accuracy on these images after each epoch.

network = underfitting_cnn(epochs=40, validation_fraction=0.2, random_state=0)
network.fit(X_train, y_train)
network.model_.summary()

# %%
# Plot the learning curves
# ------------------------
# The curves for the training images and the held-out images stay close together, and
# both accuracies are low. More data or stronger regularization would not help, because
# the network needs more capacity. Training for more epochs improves the accuracy only
# slowly.

HistoryDisplay.from_estimator(network)
print(f"training images {network.score(X_train, y_train):.3f}")
print(f"     test images {network.score(X_test, y_test):.3f}")
print(f"          chance {1 / len(network.classes_):.3f}")

plt.show()
