"""
===================================
More images than there are: augment
===================================

A scene that is mirrored, turned a little or seen from nearer is the same scene. Changed
anew in each epoch, images are harder to learn by heart. It costs little time, and
nothing is stored.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_augmentation.py
    python examples/plot_augmentation.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay, ImageGridDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(400, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, epochs=40, random_state=0
)

# %%
# ``augment=True`` mirrors, turns by up to a tenth of a full turn (36 degrees), and
# zooms by up to a tenth. What comes from beyond the border is reflected.

network.set_params(augment=True)
ImageGridDisplay.from_estimator(network, X, y, random_state=0)

# %%
# It is a parameter like all others, and can be compared, or searched, like them. It is
# in force in training alone: scores are always of images as they are, those of the
# training folds (dashed) too.

EpochCurveDisplay.from_estimator(
    network, X, y, param_grid={"augment": [False, True]}, cv=3, score_type="both"
)

# %%
# Without it, the network knows its training images by heart after some epochs, and the
# loss on others rises. With it, the distance grows much more slowly, and the loss on
# others stays low for longer.

plt.show()
