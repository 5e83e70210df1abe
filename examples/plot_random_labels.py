"""
===========================
What random labels find out
===========================

If labels are shuffled there is nothing to learn, and an honest score is chance. A score
above it is a leak: images of the validation part were trained on. So a way of
validating is tested by running it on shuffled labels; here two of them are.

The images are generated; nothing about them matters::

    python examples/plot_random_labels.py
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score

from skcnn import overfitting_cnn
from skcnn.datasets import from_dataset, make_scenes

X, y = make_scenes(250, image_size=16, random_state=0, return_X_y=True)
y = np.random.default_rng(0).permutation(y)
network = overfitting_cnn(filters=(32, 64), dense_units=128, epochs=60, random_state=0)
chance = 1 / len(np.unique(y))

# %%
# The way that leaks
# ------------------
# A ``tf.data.Dataset`` that shuffles, as ``image_dataset_from_directory`` returns it,
# is shuffled anew each time that it is read. Folds cut from it by ``take`` and ``skip``
# are other images each time: what was validation in one pass is training in the next.
# Epoch by epoch, all images are trained on.

dataset = tf.data.Dataset.from_tensor_slices((X, y)).shuffle(len(X))
leaking = []
for fold in range(3):
    size = len(X) // 3
    held_out = dataset.skip(fold * size).take(size)
    rest = dataset.take(fold * size).concatenate(dataset.skip((fold + 1) * size))
    model = clone(network).set_params(warm_start=True, epochs=1)
    for _ in range(network.epochs):  # each epoch reads the dataset again
        images, labels = (np.array(part) for part in zip(*rest, strict=True))
        model.fit(images, labels)
    images, labels = (np.array(part) for part in zip(*held_out, strict=True))
    leaking.append(model.score(images, labels))

# %%
# The way that does not
# ---------------------
# ``from_dataset`` reads the dataset once, into arrays; folds are cut by index.

data = from_dataset(dataset)
cv = StratifiedKFold(3, shuffle=True, random_state=0)
honest = cross_val_score(network, data.images, data.target, cv=cv)

# %%
# Chance is 0.20, whatever the network.

fig, ax = plt.subplots(figsize=(5.5, 2.4), layout="constrained")
ways = ["read again for each epoch", "arrays, by index"]
for way, scores in zip(ways, (leaking, honest), strict=True):
    ax.plot(scores, [way] * len(scores), "o", color="#0072B2", alpha=0.7)
    print(f"{way:>26}: {np.mean(scores):.2f}")
ax.axvline(chance, color="#D55E00", linestyle="--", label="chance")
ax.set(xlabel="Accuracy on labels that were shuffled", xlim=(0, 1.02))
ax.margins(y=0.5)
ax.legend(loc="center")

plt.show()
