"""
==========================================
Compare batch sizes with EpochCurveDisplay
==========================================

The optimizer updates the weights after each batch, using the mean gradient over the
images in the batch. With small batches, each epoch consists of many noisy updates; with
large batches, it consists of a few precise updates. For three batch sizes, this example
compares the accuracy after each epoch and the training time per epoch.
"""

FOLDER = None  # generated scenes, or "path/to/images" with one subfolder per class

# %%
# Load the images
# ---------------

import sys
import time

import matplotlib.pyplot as plt

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay

if len(sys.argv) > 1 and "kernel_launcher" not in sys.argv[0]:  # not in Jupyter
    FOLDER = sys.argv[1]  # python plot_batch_size.py FOLDER

if FOLDER is None:
    scenes = make_scenes(400, image_size=32, random_state=0)
else:
    scenes = load_image_folder(FOLDER, image_size=64)
X, y = scenes.images, scenes.target_names[scenes.target]

# %%
# Compare accuracy per epoch
# --------------------------
# An epoch with smaller batches contains more updates, so the accuracy rises faster at
# first. The network with the largest batches still has the lowest accuracy after the
# last epoch. Larger batches allow a larger learning rate, so tune the batch size and
# the learning rate together.

network = CNNClassifier(filters=(16, 32, 64), epochs=20, random_state=0)
sizes = [8, 32, 128]
EpochCurveDisplay.from_estimator(network, X, y, param_grid={"batch_size": sizes}, cv=3)

# %%
# Compare time per epoch
# ----------------------
# The amount of arithmetic per epoch is the same for every batch size, but each update
# adds a fixed overhead. This overhead matters most for small networks. Start with a
# medium batch size. The network then learns almost as much per epoch as with a small
# batch size, and an epoch takes only slightly longer than with a large batch size.

print(f"{'batch size':>10} {'updates':>8} {'ms per epoch':>13}")
for size in sizes:
    network.set_params(batch_size=size, epochs=1).fit(X, y)  # warm up before timing
    network.set_params(epochs=10)
    start = time.perf_counter()
    network.fit(X, y)
    milliseconds = (time.perf_counter() - start) / 10 * 1000
    print(f"{size:>10} {-(-len(X) // size):>8} {milliseconds:>13.0f}")

plt.show()
