"""
================================================
Combine networks by voting, bagging and stacking
================================================

Networks trained with different seeds make different errors, and averaging their
probabilities reduces overconfidence. This example uses ``VotingClassifier``,
``BaggingClassifier`` and ``StackingClassifier`` to combine networks that overfit. All
three ensembles accept ``CNNClassifier`` as a base classifier.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------
# ``BaggingClassifier`` and ``RandomForestClassifier`` require two-dimensional data, so
# each image is flattened into a row. The parameter ``image_shape`` tells the network
# the original shape of the images.

import sys

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_ensembles.py FOLDER

if FOLDER is None:
    scenes = make_scenes(1000, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]
rows = X.reshape(len(X), -1)
X_train, X_test, y_train, y_test = train_test_split(
    rows, y, test_size=0.6, stratify=y, random_state=0
)
network = overfitting_cnn(
    filters=(16, 32, 64),
    dense_units=64,
    normalize=True,
    epochs=20,
    image_shape=X.shape[1:],
    random_state=0,
)

# %%
# Train the ensembles
# -------------------
# - Voting averages the probabilities of networks trained with different seeds.
# - Bagging trains each network on a different random sample of the images.
# - Stacking combines different kinds of classifiers. A logistic regression, trained on
#   cross-validated predictions, learns how much weight to give each classifier for each
#   class.

seeds = range(4)
members = [(f"seed {s}", clone(network).set_params(random_state=s)) for s in seeds]
ensembles = {
    "VotingClassifier": VotingClassifier(members, voting="soft"),
    "BaggingClassifier": BaggingClassifier(network, n_estimators=4, random_state=0),
    "StackingClassifier": StackingClassifier(
        [("network", network), ("forest", RandomForestClassifier(random_state=0))],
        final_estimator=LogisticRegression(),
        cv=3,
    ),
}
for ensemble in ensembles.values():
    ensemble.fit(X_train, y_train)

# %%
# Compare accuracy and log loss
# -----------------------------
# Log loss evaluates the predicted probabilities; accuracy evaluates only the predicted
# classes. The first row shows the individual scores of the four networks in the voting
# ensemble.

voting = ensembles["VotingClassifier"]
compared = {"single network": voting.estimators_}
compared |= {name: [ensemble] for name, ensemble in ensembles.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True, layout="constrained")
for name, estimators in compared.items():
    # VotingClassifier trains its members on encoded labels: indices into classes_.
    probas = [estimator.predict_proba(X_test) for estimator in estimators]
    accuracies = [accuracy_score(y_test, voting.classes_[p.argmax(1)]) for p in probas]
    losses = [log_loss(y_test, p) for p in probas]
    for ax, values in zip(axes, (accuracies, losses), strict=True):
        ax.plot(values, [name] * len(values), "o", color="#0072B2", alpha=0.7)
    print(
        f"{name:>18}: accuracy {np.mean(accuracies):.3f}, "
        f"log loss {np.mean(losses):.3f}"
    )
for ax, label in zip(axes, ("Accuracy", "Log loss"), strict=True):
    ax.set(xlabel=label)
    ax.grid(alpha=0.3)
    ax.margins(y=0.2)
axes[0].invert_yaxis()

# %%
# All three ensembles have a much lower log loss than a single network. Here, voting is
# at least as accurate as its best member, and you do not need to know in advance which
# member is best. Bagging is less accurate than voting, because each of its networks is
# trained on only about two thirds of the training images. Stacking improves the log
# loss but not the accuracy. Voting is the simplest method, but its training time grows
# with the number of networks.

plt.show()
