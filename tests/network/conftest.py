import functools

import numpy as np
import pytest

from skcnn import CNNClassifier


@pytest.fixture(scope="session")
def classifier():
    """Return a function that takes a builder and returns a classifier."""
    return functools.partial(CNNClassifier, batch_size=32, epochs=6, random_state=0)


@pytest.fixture(scope="session")
def two_classes(few):
    """Return images of two classes and their labels, which are strings."""
    rows = few.target < 2
    return few.images[rows], np.array(["no", "yes"])[few.target[rows]]
