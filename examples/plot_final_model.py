"""
======================================
The final model, and where it is wrong
======================================

Once parameters are chosen, the network is trained on all training images, and judged,
once, on images that nothing was chosen by. Then the work begins that no number does: to
look at its errors, and at what it looks at.

With a folder that has one subfolder of images for each class, the same on your
photographs::

    python examples/plot_final_model.py
    python examples/plot_final_model.py FOLDER
"""

# %%
import sys
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import train_test_split

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import (
    AttributionDisplay,
    ConfusionGalleryDisplay,
    PredictionGridDisplay,
)

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(1000, image_size=48, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)

network = CNNClassifier(filters=(24, 48, 96), epochs=30, random_state=0)
network.fit(X_train, y_train)

# %%
# In numbers
# ----------
# Precision is how many of those called a sea are one; recall, how many seas are found.
# scikit-learn's own displays take the classifier as any other.

print(classification_report(y_test, network.predict(X_test), digits=3))
ConfusionMatrixDisplay.from_estimator(
    network, X_test, y_test, cmap="Blues", colorbar=False
)

# %%
# What is confused
# ----------------
# The pairs of classes that are confused most, with how often in brackets, and of each
# the six images that the network is surest of, with the probabilities of both. Some may
# be labelled wrong, some are of both classes; others show what the network lacks.

ConfusionGalleryDisplay.from_estimator(network, X_test, y_test)

# %%
# How certain it is
# -----------------
# The images that it can decide least, by the distance between the two most probable
# classes: where a person should look, too.

PredictionGridDisplay.from_estimator(
    network, X_test, y_test, which="least_certain", n_images=6
)

# %%
# Where it looks
# --------------
# Grad-CAM weights the maps of the last convolution by what they do for the class;
# occlusion covers one place after the other, and sees what probability it costs. Above
# the image is what the network takes it for; what is bright counts most. A network that
# looks at the lawn to find a building has learned something else than buildings.

AttributionDisplay.from_estimator(network, X_test[:3])

# %%
# To keep
# -------
# It is saved and loaded like any estimator of scikit-learn, in a pipeline too.

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "network.joblib"
    joblib.dump(network, file)
    loaded = joblib.load(file)
    print(f"{file.stat().st_size / 1e6:.1f} MB")
print((loaded.predict_proba(X_test) == network.predict_proba(X_test)).all())

plt.show()
