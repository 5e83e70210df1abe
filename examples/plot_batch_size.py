"""
==============
Batch by batch
==============

The weights are changed after each batch of images, by the mean gradient of it. Small
batches change them often and noisily, large ones seldom and surely. What is better is
seen by epochs, and by time.

With a folder that has one subfolder of images for each class, the same on your
photographs, in as much more time as they are larger::

    python examples/plot_batch_size.py
    python examples/plot_batch_size.py FOLDER
"""

# %%
import sys
import time

import matplotlib.pyplot as plt

from skcnn import CNNClassifier
from skcnn.datasets import load_image_folder, make_scenes
from skcnn.display import EpochCurveDisplay

if len(sys.argv) > 1:
    scenes = load_image_folder(sys.argv[1], image_size=64)
else:
    scenes = make_scenes(400, image_size=32, random_state=0)
X, y = scenes.images, scenes.target_names[scenes.target]
network = CNNClassifier(filters=(16, 32, 64), epochs=20, random_state=0)

# %%
# By epochs
# ---------
# After as many epochs, small batches have taken more steps, and are ahead at first; the
# largest is behind to the end. A larger batch bears a larger learning rate: search the
# two together.

sizes = [8, 32, 128]
EpochCurveDisplay.from_estimator(network, X, y, param_grid={"batch_size": sizes}, cv=3)

# %%
# By time
# -------
# The arithmetic of an epoch is the same, but each step has a cost of its own, which
# shows where the network is small. A size in the middle is a good start: most of the
# gain of small steps, at little more than the time of large ones.

print(f"{'batch size':>10} {'steps':>6} {'ms an epoch':>12}")
for size in sizes:
    network.set_params(batch_size=size, epochs=1).fit(X, y)  # warm-up, not timed
    network.set_params(epochs=10)
    start = time.perf_counter()
    network.fit(X, y)
    milliseconds = (time.perf_counter() - start) / 10 * 1000
    print(f"{size:>10} {-(-len(X) // size):>6} {milliseconds:>12.0f}")

plt.show()
