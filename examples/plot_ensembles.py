"""
==========================
Several networks, combined
==========================

Networks that differ make different errors, and their mean makes fewer. A
``CNNClassifier`` goes into scikit-learn's ensembles like any classifier.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_ensembles.py
    python examples/plot_ensembles.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(600, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
# Bagging and the forest take rows of numbers: image_shape tells what they are.
rows = X.reshape(len(X), -1)
X_train, X_test, y_train, y_test = train_test_split(
    rows, y, test_size=0.4, stratify=y, random_state=0
)
network = CNNClassifier(
    filters=(16, 32, 64), epochs=20, image_shape=X.shape[1:], random_state=0
)

# %%
# Voting takes the mean of the probabilities of networks with other seeds; bagging gives
# each another sample of the images; stacking learns, by cross-validation, whom to
# believe in which class, and takes classifiers of all kinds.

seeds = [(f"seed {s}", CNNClassifier(**network.get_params())) for s in range(4)]
for s, (_, member) in enumerate(seeds):
    member.set_params(random_state=s)
ensembles = {
    "one network": network,
    "VotingClassifier": VotingClassifier(seeds, voting="soft"),
    "BaggingClassifier": BaggingClassifier(network, n_estimators=4, random_state=0),
    "StackingClassifier": StackingClassifier(
        [("network", network), ("forest", RandomForestClassifier(random_state=0))],
        final_estimator=LogisticRegression(),
        cv=3,
    ),
}

# %%
# Judged on images that none has seen, by accuracy, and by the loss, which tells more of
# probabilities.

scores = {}
for name, ensemble in ensembles.items():
    ensemble.fit(X_train, y_train)
    accuracy = ensemble.score(X_test, y_test)
    loss = log_loss(y_test, ensemble.predict_proba(X_test))
    scores[name] = accuracy, loss
    print(f"{name:>18}: accuracy {accuracy:.3f}, log loss {loss:.3f}")

fig, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True, layout="constrained")
for ax, values, label in zip(
    axes, zip(*scores.values(), strict=True), ("Accuracy", "Log loss"), strict=True
):
    ax.plot(values, list(scores), "o", color="#0072B2")
    ax.set(xlabel=label)
    ax.grid(alpha=0.3)
    ax.margins(y=0.2)
axes[0].invert_yaxis()

plt.show()
