"""
================
Look at the data
================

Before any network: what are the images, do they look like their labels, are there as
many of each class, and what would a network see of them in training?

Without an argument the script draws its own scenes; with a folder that has one
subfolder of images for each class it shows your photographs::

    python examples/plot_look_at_the_data.py
    python examples/plot_look_at_the_data.py FOLDER
"""

# %%
# Images and labels come together
# -------------------------------
# Loading is one pass over the files, and gives one array of images and one of labels.
# There is no second pass for them to come apart in: image ``i`` has label ``i``.

import sys

import matplotlib.pyplot as plt
import numpy as np

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import ImageGridDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(500, image_size=48, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
print(f"{len(X)} images of {X.shape[1:]}, {X.dtype}, {X.nbytes / 1e6:.1f} MB")

# %%
# Some of every class
# -------------------
# Rows of one class each. What is hard for you will be hard for a network: mountains
# with snow on them and glaciers between mountains, the sea before a coast.

ImageGridDisplay.from_data(X, y, random_state=0)

# %%
# As many of each class
# ---------------------
# A network that says nothing but the largest class is right as often as that class is
# large: accuracy has to be compared with that number. Where classes are far from equal,
# ``class_weight="balanced"`` weights them, and
# :func:`~sklearn.metrics.balanced_accuracy_score` judges them.

classes, counts = np.unique(y, return_counts=True)
fig, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
bars = ax.barh(classes, counts, color="#0072B2")
ax.bar_label(bars, padding=3)
ax.set(xlabel="Images")
ax.margins(x=0.1)
ax.invert_yaxis()
print(f"the largest class alone: an accuracy of {counts.max() / counts.sum():.2f}")

# %%
# As the network sees them
# ------------------------
# In training, and only there, each image is turned and zoomed a little, in another way
# in each epoch. Of few images it makes many; it must leave them what they are. This is
# the default.

ImageGridDisplay.from_estimator(CNNClassifier(), X, y, random_state=0)

# %%
# A photograph that is mirrored is still a photograph, which cannot be said of a digit
# or of text: mirroring is yours to switch on.

stronger = CNNClassifier(augment={"flip": "horizontal", "rotation": 0.1, "zoom": 0.3})
ImageGridDisplay.from_estimator(stronger, X, y, random_state=0)

plt.show()
