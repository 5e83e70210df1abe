"""
=========================================
Reduce overfitting with data augmentation
=========================================

A flipped, slightly rotated or zoomed scene still shows the same class. Data
augmentation applies such random changes in every epoch, which makes the training images
harder to memorize. It takes little time and stores no additional images.
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
# ``augment=True`` flips images horizontally, rotates them by up to a tenth of a full
# turn (36 degrees) and zooms them by up to 10%. Pixels outside the original image are
# filled by reflection.

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, epochs=40, random_state=0
)
network.set_params(augment=True)
ImageGridDisplay.from_estimator(network, X, y, random_state=0)

# %%
# Compare training with and without augmentation
# ----------------------------------------------
# ``augment`` is a parameter like any other, so you can compare its values or search
# over them. Augmentation applies only during training. All scores use the original
# images, including the scores on the training folds (dashed).

EpochCurveDisplay.from_estimator(
    network, X, y, param_grid={"augment": [False, True]}, cv=3, score_type="both"
)

# %%
# Without augmentation, the network memorizes its training images after some epochs, and
# the validation loss rises. With augmentation, the gap grows much more slowly, and the
# validation loss stays low for longer.

plt.show()
