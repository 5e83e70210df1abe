"""
=================
Find wrong labels
=================

Where a network that has not seen an image is certain that its label is wrong, it often
is. ``cross_val_predict`` has every image judged by a network that was not trained on
it.

Here a tenth of the labels are drawn anew, at random, some as they were, so that it is
known what there is to find. With a folder that has one subfolder of images for each
class, the same on your photographs as they are labelled::

    python examples/plot_wrong_labels.py
    python examples/plot_wrong_labels.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import PredictionGridDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
    truth = None
else:
    scenes = make_scenes(800, image_size=32, flip_y=0.1, random_state=0)
    truth = make_scenes(800, image_size=32, random_state=0).target
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# A probability for each image, by a network that has not seen it.

network = CNNClassifier(filters=(16, 32, 64), epochs=25, random_state=0)
cv = StratifiedKFold(5, shuffle=True, random_state=0)
proba = cross_val_predict(network, X, y, cv=cv, method="predict_proba")
own = proba[np.arange(len(X)), scenes.target]  # of the label that it has

# %%
# Where the network is surest of another class than the label. Each title gives its
# answer, and below it the label with the probability that it has.

PredictionGridDisplay.from_predictions(
    X, y, proba, classes=scenes.target_names, which="confident_errors"
)

# %%
# Is it right? Here, that can be told. The curve shows how many of the wrong labels are
# found (up) for how many false alarms (right), as one goes down the list.

if truth is not None:
    wrong = truth != scenes.target
    for n in (20, 40, 80):
        suspects = np.argsort(own)[:n]
        print(
            f"of the {n} least believed labels {wrong[suspects].sum()} are wrong; "
            f"{wrong.sum()} of {len(y)} are"
        )
    fig, ax = plt.subplots(figsize=(4.2, 4), layout="constrained")
    RocCurveDisplay.from_predictions(wrong, 1 - own, ax=ax, name="1 - probability")
    ax.plot([0, 1], [0, 1], ":", color="black")
    ax.set_title("Wrong labels among all")

# %%
# `cleanlab <https://docs.cleanlab.ai>`_ goes further from the same probabilities, with
# thresholds for each class, and says where to stop (extra ``cleanlab``: ``python
# -m pip install ".[cleanlab]"``).

try:
    from cleanlab.filter import find_label_issues
except ImportError:
    print("cleanlab is not installed")
else:
    issues = find_label_issues(
        scenes.target, proba, return_indices_ranked_by="self_confidence"
    )
    print(f"cleanlab suspects {len(issues)} labels", end="")
    print("" if truth is None else f"; {wrong[issues].sum()} of them are wrong")

plt.show()
