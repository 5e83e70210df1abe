"""
===========================================
Compare hyperparameters by cross-validation
===========================================

A single split is not enough to compare two networks: another split may reverse their
order. Cross-validation shows how much the scores vary by chance. This example compares
three strengths of the L2 penalty in five folds, using ``EpochCurveDisplay`` for the
scores during training and ``SearchDisplay`` for a grid search.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load the images
# ---------------

import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay, SearchDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_cross_validation.py FOLDER

if FOLDER is None:
    scenes = make_scenes(400, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# Define the candidates and the folds
# -----------------------------------
# ``StratifiedKFold`` splits the images by index. Every image is in exactly one
# validation fold, and no network is validated on an image that it was trained on. With
# a fixed ``random_state``, the folds are the same for all candidates.

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, normalize=True, epochs=20, random_state=0
)
grid = {"l2": [1.0, 1e-1, 1e-3]}
cv = StratifiedKFold(5, shuffle=True, random_state=0)

# %%
# Plot each fold over epochs
# --------------------------
# ``EpochCurveDisplay`` fits each candidate once per fold and scores it after every
# epoch. The spread between the folds shows how far off a single test score can be.

display = EpochCurveDisplay.from_estimator(
    network, X, y, param_grid=grid, cv=cv, kind="folds"
)

# %%
# Plot each candidate over epochs
# -------------------------------
# This plot shows the same fits as the mean over the folds, plus or minus one standard
# deviation. Where the bands overlap, you need more images to choose a candidate.
# Accuracy and loss can disagree: here, the weakest penalty has the highest accuracy,
# but its overconfident errors increase its loss.

display.plot(kind="candidates")

# %%
# Plot the results of a grid search
# ---------------------------------
# ``SearchDisplay`` plots the results of any scikit-learn search. For each metric of the
# search, it draws a box plot of the fold scores of each candidate. The first
# metric determines the order of the candidates. ``refit`` names the metric that selects
# the best candidate.

search = GridSearchCV(
    network,
    grid | {"dropout": [0.0, 0.3]},
    cv=cv,
    scoring=["accuracy", "neg_log_loss"],
    refit="neg_log_loss",
)
search.fit(X, y)
SearchDisplay.from_search(search)

# %%
# Pass one parameter to group the results by its values:

SearchDisplay.from_search(search, by="l2")

# %%
# Pass two parameters to draw a heat map. Brighter is better for both metrics:

SearchDisplay.from_search(search, by=("l2", "dropout"))
print(search.best_params_)

# %%
# If the boxes of two candidates overlap, the data do not show which one is better, so
# choose the cheaper one. If the best value lies at the edge of the grid, extend the
# grid.

plt.show()
