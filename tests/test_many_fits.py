"""The memory use of many fits in one process."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, os
import numpy as np
from sklearn.datasets import load_digits
from skcnn import CNNClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:200].reshape(-1, 8, 8, 1).astype(np.uint8), y[:200]

def megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

def build(meta, units=4):
    import keras
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )

estimators = [
    CNNClassifier(filters=(6, 8), epochs=1, random_state=0),
    CNNClassifier(build, epochs=1, random_state=0),
]
used = {}
for n in range(1, 101):
    # Only two batch sizes: oneDNN keeps kernels for each size, up to a limit.
    settings = {"batch_size": 16 * (1 + n // 2 % 2), "learning_rate": 1e-3 * n}
    estimator = estimators[n % 2].set_params(**settings)
    estimator.fit(X, y).predict(X)
    if n in (10, 100):
        used[n] = megabytes()
print(json.dumps(used))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_use_after_100_fits_equals_that_after_10():
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout
    after_10, after_100 = json.loads(out).values()
    assert after_100 - after_10 <= max(50, 0.05 * after_10)
