"""
===================
A network too large
===================

What if it is given all the means there are? With hundreds of times as many parameters
it learns every training image by heart, and little of that is true of others. That is
overfitting: two curves that part.

With a folder that has one subfolder of images for each class, the same on your
photographs::

    python examples/plot_overfitting.py
    python examples/plot_overfitting.py FOLDER
"""

# %%
import sys

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcnn import overfitting_cnn
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import HistoryDisplay, PredictionGridDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(500, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)

# %%
# Images of the same kind, fewer, and split in the same way; the network has no
# regularization of any kind.

network = overfitting_cnn(
    filters=(16, 32, 64, 128),
    dense_units=128,
    epochs=40,
    validation_fraction=0.2,
    random_state=0,
)
network.fit(X_train, y_train)
print(f"{network.model_.count_params():,} parameters, {len(X_train)} images")

# %%
# In training, loss goes to zero and accuracy to one. On images held out, loss falls for
# a few epochs, and then rises: the network grows more and more certain of what is
# wrong. Accuracy alone would not tell, as it does not count how certain an error was.
# (Below, the fifth that was held out is among the training images.)

HistoryDisplay.from_estimator(network)
print(f"training images {network.score(X_train, y_train):.3f}")
print(f"     test images {network.score(X_test, y_test):.3f}")
print(f"       test loss {log_loss(y_test, network.predict_proba(X_test)):.3f}")

# %%
# Its errors, the most confident first: probabilities near one, for what is not there.

PredictionGridDisplay.from_estimator(network, X_test, y_test, which="confident_errors")

# %%
# To stop where the loss on held-out images is lowest is the simplest remedy, and the
# first to try. It keeps probabilities from getting worse, which the loss tells. It does
# not make a better network: right and wrong are no better told apart, and accuracy may
# be lower, as some is still learned while certainty runs away.

stopped = clone(network).set_params(early_stopping=True, patience=5)
stopped.fit(X_train, y_train)
print(f"stopped after epoch {stopped.n_epochs_}")
print(f"     test images {stopped.score(X_test, y_test):.3f}")
print(f"       test loss {log_loss(y_test, stopped.predict_proba(X_test)):.3f}")

plt.show()
