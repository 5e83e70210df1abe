import functools
import os
import sys

import numpy as np
import pytest
from helpers import PLAIN
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

# Draw figures without a display. joblib's worker processes inherit this setting.
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def close_figures():
    """Close all figures after each test. Matplotlib warns if more than 20 are open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def digits():
    """Return 600 real images (8 x 8, uint8) in a read-only array."""
    X, y = load_digits(return_X_y=True)
    images = X[:600].astype("uint8").reshape(-1, 8, 8, 1)
    images.flags.writeable = y.flags.writeable = False
    return Bunch(images=images, target=y[:600], rows=images.reshape(600, -1))


@pytest.fixture(scope="session")
def fast_cnn():
    """Return a classifier that reaches an accuracy of 0.9 on `digits` in one second."""
    from skcnn import CNNClassifier

    return functools.partial(
        CNNClassifier,
        **PLAIN,
        filters=(8, 16),
        dense_units=32,
        dropout=0.0,
        last_dropout=0.0,
        learning_rate=1e-2,
        batch_size=64,
        epochs=5,
        random_state=0,
    )


@pytest.fixture(scope="session")
def fitted(digits, fast_cnn):
    """Return a fitted `fast_cnn`. Copy it before changing it."""
    return fast_cnn().fit(digits.images, digits.target)


@pytest.fixture(scope="session")
def few(digits):
    """Return 160 real images of four classes in random order, in a read-only array."""
    rows = np.flatnonzero(digits.target < 4)[:160]
    images, target, rows = digits.images[rows], digits.target[rows], digits.rows[rows]
    images.flags.writeable = target.flags.writeable = rows.flags.writeable = False
    return Bunch(images=images, target=target, rows=rows)


@pytest.fixture(scope="session")
def tiny_cnn():
    """Return a classifier that reaches an accuracy of 0.95 on `few` in 0.5 seconds."""
    from skcnn import CNNClassifier

    return functools.partial(
        CNNClassifier,
        **PLAIN,
        filters=(8,),
        dense_units=None,
        dropout=0.0,
        last_dropout=0.0,
        l2=0.0,
        normalize=False,
        learning_rate=1e-2,
        batch_size=32,
        epochs=5,
        random_state=0,
    )


@pytest.fixture(scope="session")
def fitted_tiny(few, tiny_cnn):
    """Return a fitted `tiny_cnn`. Copy it before changing it."""
    return tiny_cnn().fit(few.images, few.target)
