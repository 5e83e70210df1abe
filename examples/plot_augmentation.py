"""
=========================================
Reduce overfitting with data augmentation
=========================================

A scene that is flipped, slightly rotated or zoomed still belongs to the same class.
In every epoch, data augmentation applies such changes to the training images at random,
so the network cannot easily memorize the images. Augmentation takes little time and
stores no additional images.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load the images
# ---------------

import sys

import matplotlib.pyplot as plt

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay, ImageGridDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_augmentation.py FOLDER

if FOLDER is None:
    scenes = make_scenes(400, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# Show the augmented images
# -------------------------
# ``augment=True`` randomly flips images horizontally, rotates them by up to a tenth of
# a full turn (36 degrees) and zooms them by up to 10%. Pixels outside the original
# image are filled by reflection.

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, epochs=40, random_state=0
)
network.set_params(augment=True)
ImageGridDisplay.from_estimator(network, X, y, random_state=0)

# %%
# Compare training with and without augmentation
# ----------------------------------------------
# You can compare values of ``augment`` or search over them, as for any other parameter.
# Augmentation applies only during training. All scores, including those on the training
# folds (dashed lines), are computed on the original images.

EpochCurveDisplay.from_estimator(
    network, X, y, param_grid={"augment": [False, True]}, cv=3, score_type="both"
)

# %%
# Without augmentation, the network eventually memorizes the training images, and the
# validation loss rises. With augmentation, the gap between the training and validation
# losses grows much more slowly, and the validation loss stays low for longer.

plt.show()
