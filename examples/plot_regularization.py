"""
===================
A network held back
===================

Dropout and an L2 penalty keep a large network from learning by heart. How strong may
they be? Too weak, and it overfits; too strong, and it underfits. Both ends are on one
curve, and scikit-learn draws it. It is drawn by the loss here: where a network is too
certain of what is wrong, the loss tells first.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_regularization.py
    python examples/plot_regularization.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import ValidationCurveDisplay

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(400, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]

# The network that overfits, at a size that is trained in seconds, and with its input
# normalized, so that it learns sooner.
network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, normalize=True, epochs=25, random_state=0
)

# %%
# Dropout
# -------
# In training, each unit is switched off with this probability, so that none can rely on
# one other. To the left the distance between the curves is large: what is learned is
# true of the training images alone. To the right both rise, the one with the other:
# there the network is held back too much. Best is the lowest loss of test images.

fig, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
settings = {
    "cv": 3,
    "scoring": "neg_log_loss",
    "negate_score": True,
    "score_name": "Log loss",
}
ValidationCurveDisplay.from_estimator(
    network,
    X,
    y,
    param_name="dropout",
    param_range=[0.0, 0.2, 0.4, 0.6, 0.8],
    ax=ax,
    **settings,
)

# %%
# The L2 penalty
# --------------
# The sum of squared weights is added to the loss, times ``l2``: weights have to be
# worth their size. The same curve again, with its lowest point between both ends.

fig, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
ValidationCurveDisplay.from_estimator(
    network,
    X,
    y,
    param_name="l2",
    param_range=[1e-4, 1e-3, 1e-2, 1e-1, 1.0],
    ax=ax,
    **settings,
)

# %%
# From epoch to epoch
# -------------------
# Curves over epochs tell why: without dropout the loss on images held out turns round
# while that in training (dashed) goes on to zero. With it both take longer, and the
# distance grows more slowly. Accuracy is no better with it after as many epochs: what
# is gained are probabilities.

EpochCurveDisplay.from_estimator(
    network, X, y, param_grid={"dropout": [0.0, 0.4]}, cv=3, score_type="both"
)

plt.show()
