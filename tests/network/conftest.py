import functools

import numpy as np
import pytest

from skcnn import CNNClassifier


@pytest.fixture(scope="session")
def classifier():
    """A classifier to pass builders to."""
    return functools.partial(CNNClassifier, batch_size=32, epochs=6, random_state=0)


@pytest.fixture(scope="session")
def two_classes(few):
    """Images of two classes, and their labels as strings."""
    rows = few.target < 2
    return few.images[rows], np.array(["no", "yes"])[few.target[rows]]
