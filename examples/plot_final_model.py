"""
===============================================
Evaluate the final model and inspect its errors
===============================================

After tuning, train the network on all training images and evaluate it once, on test
images that did not influence any choice. Then look beyond the scores: this example
shows which images the network confuses, where it is uncertain, and which parts of an
image it uses.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load and split the images
# -------------------------

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

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_final_model.py FOLDER

if FOLDER is None:
    scenes = make_scenes(1000, image_size=48, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.3, stratify=y, random_state=0
)

# %%
# Train the network
# -----------------

network = CNNClassifier(filters=(24, 48, 96), epochs=30, random_state=0)
network.fit(X_train, y_train)

# %%
# Compute the scores of each class
# --------------------------------
# For the class "sea", precision is the share of "sea" predictions that are correct.
# Recall is the share of sea images that the network finds. The displays of scikit-learn
# accept the network like any other classifier.

print(classification_report(y_test, network.predict(X_test), digits=3))
ConfusionMatrixDisplay.from_estimator(
    network, X_test, y_test, cmap="Blues", colorbar=False
)

# %%
# Show the confused images
# ------------------------
# Each row shows one pair of classes that the network confuses, with the number of
# errors in parentheses. It shows up to six of the most confident errors, with the
# probabilities of both classes. Some images may have a wrong label, and some may show
# both classes. The others show what the network has not learned.

ConfusionGalleryDisplay.from_estimator(network, X_test, y_test)

# %%
# Show the least certain predictions
# ----------------------------------
# For these images, the probabilities of the two most probable classes are closest to
# each other. Review such images by hand.

PredictionGridDisplay.from_estimator(
    network, X_test, y_test, which="least_certain", n_images=6
)

# %%
# Explain predictions with Grad-CAM and occlusion
# -----------------------------------------------
# Grad-CAM weights the feature maps of the last convolution by their effect on the
# predicted class. Occlusion covers one patch of the image at a time and measures how
# much the probability drops. Bright areas matter most for the predicted class, which is
# shown above each image. A network that relies on the lawn to recognize buildings has
# not learned what a building is.

AttributionDisplay.from_estimator(network, X_test[:3])

# %%
# Save and load the network
# -------------------------
# ``joblib`` saves and loads the network like any other scikit-learn estimator, even as
# a step of a pipeline.

with tempfile.TemporaryDirectory() as directory:
    file = Path(directory) / "network.joblib"
    joblib.dump(network, file)
    loaded = joblib.load(file)
    print(f"file size: {file.stat().st_size / 1e6:.1f} MB")
same = (loaded.predict_proba(X_test) == network.predict_proba(X_test)).all()
print(f"same probabilities after loading: {same}")

plt.show()
