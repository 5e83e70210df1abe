"""
===========================================
Compare hyperparameters by cross-validation
===========================================

A single split is not enough to compare two networks, because another split may rank
them differently. Cross-validation shows how much the scores vary from split to split.
This example uses 5-fold cross-validation to compare three strengths of the L2 penalty.
``EpochCurveDisplay`` plots the scores during training, and ``SearchDisplay`` plots the
results of a grid search.
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
# ``StratifiedKFold`` splits the images by index. Each image belongs to exactly one
# validation fold, so no network is validated on an image that it was trained on. With a
# fixed ``random_state``, the folds are the same for all candidates.

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, normalize=True, epochs=20, random_state=0
)
grid = {"l2": [1.0, 1e-1, 1e-3]}
cv = StratifiedKFold(5, shuffle=True, random_state=0)

# %%
# Plot each fold over epochs
# --------------------------
# ``EpochCurveDisplay`` fits each candidate once per fold and scores it after every
# epoch. The spread across the folds shows how far the score on a single fold can be
# from the mean.

display = EpochCurveDisplay.from_estimator(
    network, X, y, param_grid=grid, cv=cv, kind="folds"
)

# %%
# Plot each candidate over epochs
# -------------------------------
# For the same fits, this plot shows the mean over the folds and a band of one standard
# deviation above and below the mean. If the bands of two candidates overlap, you need
# more images to tell which candidate is better. Accuracy and loss may rank the
# candidates differently. Here, the weakest penalty gives the highest accuracy, but the
# network makes overconfident errors, which increase the loss.

display.plot(kind="candidates")

# %%
# Plot the results of a grid search
# ---------------------------------
# ``SearchDisplay`` plots the results of any scikit-learn search. For each metric, it
# draws one box per candidate, which summarizes the candidate's scores across the folds.
# The candidates are ordered by the first metric. To select the best candidate, the
# search uses the metric passed as ``refit``.

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
# Pass one parameter as ``by`` to group the results by that parameter's values:

SearchDisplay.from_search(search, by="l2")

# %%
# Pass two parameters to draw a heat map for each metric. For both metrics, brighter
# cells indicate better scores:

SearchDisplay.from_search(search, by=("l2", "dropout"))
print(search.best_params_)

# %%
# If the boxes of two candidates overlap, the scores do not show which candidate is
# better, so choose the candidate that is cheaper to train. If the best value of a
# parameter lies at the edge of the grid, extend the grid.

plt.show()
