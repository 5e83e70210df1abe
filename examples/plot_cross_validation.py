"""
==============================
Cross-validation: fold by fold
==============================

One split tells little: with another one the better network may be the worse. Folds tell
how much of a difference is chance. Here the strength of the L2 penalty is compared by
epoch for each fold, by epoch for each candidate, and at the end.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_cross_validation.py
    python examples/plot_cross_validation.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay, SearchDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(400, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]

network = overfitting_cnn(
    filters=(16, 32, 64), dense_units=64, normalize=True, epochs=20, random_state=0
)
grid = {"l2": [1.0, 1e-1, 1e-3]}

# %%
# Folds are cut by index, stratified and shuffled with a seed, and are the same for all
# candidates: no image is in two folds, and none of a validation fold was trained on.

cv = StratifiedKFold(5, shuffle=True, random_state=0)

# %%
# Each fold, by epoch
# -------------------
# One fit for each fold and candidate, scored after every epoch. The spread between the
# folds shows how far a single test score may be off.

display = EpochCurveDisplay.from_estimator(
    network, X, y, param_grid=grid, cv=cv, kind="folds"
)

# %%
# Each candidate, by epoch
# ------------------------
# The same fits: their mean over the folds, with one standard deviation to both sides.
# Where the bands lie over each other, more images would have to decide. Accuracy and
# loss need not agree: here the weakest penalty is right most often, and yet punished by
# the loss for errors that it is too certain of.

display.plot(kind="candidates")

# %%
# At the end
# ----------
# What any of scikit-learn's searches has found, as boxes over the folds, for as many
# scores as it was given, sorted by the first of them. With two scores, ``refit`` says
# which one decides.

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
# By one parameter, over all values of the others.

SearchDisplay.from_search(search, by="l2")

# %%
# And by two: the brighter the better, in both.

SearchDisplay.from_search(search, by=("l2", "dropout"))
print(search.best_params_)

# %%
# Of two candidates whose boxes lie over each other, none is better for all that can be
# told: take the one that is cheaper. Where the best value is at the edge of the grid,
# widen the grid.

plt.show()
