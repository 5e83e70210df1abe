"""
===============================================
Tune dropout and L2 with ValidationCurveDisplay
===============================================

Dropout and an L2 penalty reduce overfitting in a large network. If the regularization
is too weak, the network overfits; if it is too strong, the network underfits. A
validation curve shows both cases. This example plots the log loss instead of the
accuracy, because the log loss also penalizes overconfident errors.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load the images
# ---------------

import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import ValidationCurveDisplay

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_regularization.py FOLDER

if FOLDER is None:
    scenes = make_scenes(400, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# Define the network
# ------------------
# The network is a smaller version of ``overfitting_cnn`` that trains in seconds. It
# normalizes its input to learn faster.

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, normalize=True, epochs=25, random_state=0
)

# %%
# Tune dropout
# ------------
# During training, dropout switches off each unit with the given probability, so that
# units cannot rely on each other. On the left of the plot, the gap between the two
# curves is large, because the network overfits. On the right, both losses rise, because
# the network underfits. The best dropout rate is the one with the lowest test loss.

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
# Tune the L2 penalty
# -------------------
# The L2 penalty adds ``l2`` times the sum of the squared weights to the loss, which
# keeps the weights small. The test loss is again lowest between the two extremes.

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
# Plot the effect of dropout over epochs
# --------------------------------------
# Without dropout, the validation loss starts to rise while the training loss (dashed)
# falls to zero. With dropout, both losses fall more slowly, and the gap between them
# grows more slowly. After the last epoch, the network with dropout predicts better
# probabilities, but it is not more accurate.

EpochCurveDisplay.from_estimator(
    network, X, y, param_grid={"dropout": [0.0, 0.4]}, cv=3, score_type="both"
)

plt.show()
