"""
===============================================
Evaluate the final model and inspect its errors
===============================================

After tuning the hyperparameters, train the network on all training images. Evaluate it
only once, on test images that did not influence any choice. In addition to the scores,
this example shows misclassified images, uncertain predictions, and the parts of an
image that the network relies on.
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
# Compute the scores for each class
# ---------------------------------
# For the class "sea", precision is the share of "sea" predictions that are correct, and
# recall is the share of sea images that are predicted as "sea". Displays from
# scikit-learn, such as ``ConfusionMatrixDisplay``, work with ``CNNClassifier``.

print(classification_report(y_test, network.predict(X_test), digits=3))
ConfusionMatrixDisplay.from_estimator(
    network, X_test, y_test, cmap="Blues", colorbar=False
)

# %%
# Show the misclassified images
# -----------------------------
# Each row shows up to six of the most confident errors for one pair of classes, with
# the probabilities of both classes. The total number of errors for this pair is given
# in parentheses. Some of the images may be labeled incorrectly, and some may show
# objects of both classes. The others have features that the network has not learned to
# recognize.

ConfusionGalleryDisplay.from_estimator(network, X_test, y_test)

# %%
# Show the least certain predictions
# ----------------------------------
# For these images, the difference between the probabilities of the two most probable
# classes is smallest. Review such images by hand.

PredictionGridDisplay.from_estimator(
    network, X_test, y_test, which="least_certain", n_images=6
)

# %%
# Explain predictions with Grad-CAM and occlusion
# -----------------------------------------------
# Grad-CAM weights the feature maps of the last convolutional layer by their effect on
# the score of the predicted class. Occlusion covers one patch of the image at a time
# and measures how much the probability of the predicted class drops. Bright areas
# contribute most to the prediction of the class that is shown above the image. A
# network that recognizes buildings by the lawn in front of them, for example, has not
# learned what a building looks like.

AttributionDisplay.from_estimator(network, X_test[:3])

# %%
# Save and load the network
# -------------------------
# As with any other scikit-learn estimator, you can save and load the network with
# ``joblib``. You can also save a pipeline that contains the network.

with tempfile.TemporaryDirectory() as directory:
    file = Path(directory) / "network.joblib"
    joblib.dump(network, file)
    loaded = joblib.load(file)
    print(f"file size: {file.stat().st_size / 1e6:.1f} MB")
same = (loaded.predict_proba(X_test) == network.predict_proba(X_test)).all()
print(f"same probabilities after loading: {same}")

plt.show()
