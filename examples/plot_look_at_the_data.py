"""
========================================
Inspect a data set with ImageGridDisplay
========================================

Look at the images before you train a network. This example displays sample images from
each class, so that you can check their labels, and counts the images in each class. It
also displays the augmented images that the network sees during training.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load the images
# ---------------
# Each loader returns images and labels in the same order, so ``y[i]`` is the label of
# the image ``X[i]``.

import sys

import matplotlib.pyplot as plt
import numpy as np

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import ImageGridDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_look_at_the_data.py FOLDER

if FOLDER is None:
    scenes = make_scenes(500, image_size=48, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]
print(f"{len(X)} images of shape {X.shape[1:]}, {X.dtype}, {X.nbytes / 1e6:.1f} MB")

# %%
# Show images of each class
# -------------------------
# Each row shows images of one class. If you find two classes hard to distinguish, a
# network usually does, too. In photographs, for example, snow-covered mountains
# resemble glaciers, and pictures of the sea often also show the coast.

ImageGridDisplay.from_data(X, y, random_state=0)

# %%
# Count the images of each class
# ------------------------------
# A classifier that always predicts the most frequent class is a useful baseline. Its
# accuracy is the share of images that belong to that class. If the classes are
# imbalanced, train with ``class_weight="balanced"`` and evaluate with
# :func:`~sklearn.metrics.balanced_accuracy_score`.

classes, counts = np.unique(y, return_counts=True)
fig, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
bars = ax.barh(classes, counts, color="#0072B2")
ax.bar_label(bars, padding=3)
ax.set(xlabel="Number of images")
ax.margins(x=0.1)
ax.invert_yaxis()
print(f"accuracy of the most frequent class: {counts.max() / counts.sum():.2f}")

# %%
# Show the augmented images
# -------------------------
# During training, the classifier rotates and zooms each image by small random amounts,
# which change in every epoch. Prediction uses the original images. Check that the
# augmented images still match their labels. The following images are augmented with the
# default settings:

ImageGridDisplay.from_estimator(CNNClassifier(), X, y, random_state=0)

# %%
# By default, images are not flipped, because flipping would change the meaning of
# digits and text. Photographs can usually be flipped horizontally:

stronger = CNNClassifier(augment={"flip": "horizontal", "rotation": 0.1, "zoom": 0.3})
ImageGridDisplay.from_estimator(stronger, X, y, random_state=0)

plt.show()
