"""
==========================
Several networks, combined
==========================

Networks that differ make different errors, and their mean is less certain of them. A
network that overfits, and is too certain, has much to gain. A ``CNNClassifier`` goes
into scikit-learn's ensembles like any classifier.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_ensembles.py
    python examples/plot_ensembles.py FOLDER
"""

# %%
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

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(1000, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
# Bagging and the forest take rows of numbers: image_shape tells what they are.
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
# Voting takes the mean of the probabilities of networks with other seeds; bagging gives
# each another sample of the images; stacking learns, by cross-validation, whom to
# believe in which class, and takes classifiers of all kinds.

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
# Judged on images that none has seen, by accuracy, and by the loss, which tells more of
# probabilities. The networks that vote are judged one by one as well.

voting = ensembles["VotingClassifier"]
judged = {"one network": voting.estimators_}
judged |= {name: [ensemble] for name, ensemble in ensembles.items()}
fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True, layout="constrained")
for name, estimators in judged.items():
    # Voting numbers the classes for its members; columns are in the same order.
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
# All three have a loss far below that of one network. In accuracy, voting is as good
# as the best of its members, which one cannot know before. Bagging pays for its
# samples, as each of its networks sees about two thirds of the images. To vote is the
# simplest way, for as many times the time.

plt.show()
