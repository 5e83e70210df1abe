"""
===================
A network too small
===================

Two convolutions of six filters, and no more: the network that the story begins with. It
learns little, of the images it is trained on as of others. That is underfitting.

With a folder that has one subfolder of images for each class, the same on your
photographs::

    python examples/plot_underfitting.py
    python examples/plot_underfitting.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import train_test_split

from skcnn import underfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import HistoryDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(2000, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)

# %%
# Images that are put aside before all else are the judges at the end. Of the others,
# the network holds out a fifth itself, to report loss and accuracy on after each epoch.

network = underfitting_cnn(epochs=40, validation_fraction=0.2, random_state=0)
network.fit(X_train, y_train)
network.model_.summary()

# %%
# The curves stay close to each other, and accuracy is low in both. There is no gap to
# close: what is missing is not data, nor regularization, but means. More epochs gain
# little by little.

HistoryDisplay.from_estimator(network)
print(f"training images {network.score(X_train, y_train):.3f}")
print(f"     test images {network.score(X_test, y_test):.3f}")
print(f"          chance {1 / len(network.classes_):.3f}")

plt.show()
