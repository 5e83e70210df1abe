"""
========================================
Detect data leakage with shuffled labels
========================================

Shuffled labels carry no information about the images, so a valid estimate of the
accuracy is at chance level. A higher score reveals data leakage, which means that the
network was trained on some of the validation images. This example uses shuffled labels
to test two validation methods.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load the images and shuffle the labels
# --------------------------------------

import sys

import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score

from skcnn import overfitting_cnn
from skcnn.datasets import from_dataset, load_image_folder, make_scenes

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_random_labels.py FOLDER

if FOLDER is None:
    scenes = make_scenes(250, image_size=16, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=16)
X = scenes.images
y = np.random.default_rng(0).permutation(scenes.target)
network = overfitting_cnn(filters=(32, 64), dense_units=128, epochs=60, random_state=0)

# %%
# Validate with a tf.data.Dataset that leaks
# ------------------------------------------
# ``image_dataset_from_directory`` returns a ``tf.data.Dataset`` that reshuffles the
# images each time you iterate over it. If you split this dataset with ``take`` and
# ``skip``, each iteration assigns different images to the two parts. A validation image
# in one epoch may be a training image in another epoch, so the network sees all images
# during training.

dataset = tf.data.Dataset.from_tensor_slices((X, y)).shuffle(len(X))
leaking = []
for fold in range(3):
    size = len(X) // 3
    held_out = dataset.skip(fold * size).take(size)
    rest = dataset.take(fold * size).concatenate(dataset.skip((fold + 1) * size))
    model = clone(network).set_params(warm_start=True, epochs=1)
    for _ in range(network.epochs):  # each epoch iterates over the dataset again
        images, labels = (np.array(part) for part in zip(*rest, strict=True))
        model.fit(images, labels)
    images, labels = (np.array(part) for part in zip(*held_out, strict=True))
    leaking.append(model.score(images, labels))

# %%
# Validate without leakage
# ------------------------
# ``from_dataset`` iterates over the dataset only once and returns arrays.
# ``StratifiedKFold`` splits these arrays by index, so each fold contains the same
# images in every epoch.

data = from_dataset(dataset)
cv = StratifiedKFold(3, shuffle=True, random_state=0)
correct = cross_val_score(network, data.images, data.target, cv=cv)

# %%
# Compare the scores with chance
# ------------------------------
# With five balanced classes, the accuracy expected by chance is 0.20 for any network.

fig, ax = plt.subplots(figsize=(5.5, 2.4), layout="constrained")
methods = ["tf.data, shuffled each epoch", "arrays, split by index"]
for method, scores in zip(methods, (leaking, correct), strict=True):
    ax.plot(scores, [method] * len(scores), "o", color="#0072B2", alpha=0.7)
    print(f"{method:>28}: {np.mean(scores):.2f}")
chance = np.bincount(y).max() / len(y)  # share of the most frequent class
ax.axvline(chance, color="#D55E00", linestyle="--", label="chance")
ax.set(xlabel="Accuracy on shuffled labels", xlim=(0, 1.02))
ax.margins(y=0.5)
ax.legend(loc="center")

plt.show()
