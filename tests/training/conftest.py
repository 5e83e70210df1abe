"""Fits that several test modules in this folder use as references."""

import pytest
from helpers import STOCHASTIC


@pytest.fixture(scope="session")
def stochastic_fit(few, tiny_cnn):
    """Return a fit that uses all sources of randomness. Copy it before changing it."""
    return tiny_cnn(**STOCHASTIC, epochs=2).fit(few.images, few.target)


@pytest.fixture(scope="session")
def four_epochs_fit(few, tiny_cnn):
    """Return a fit like `stochastic_fit`, but with four epochs."""
    return tiny_cnn(**STOCHASTIC, epochs=4).fit(few.images, few.target)


@pytest.fixture(scope="session")
def early_stopped_fit(few, tiny_cnn):
    """Return a fit that ended by early stopping. Copy it before changing it."""
    return tiny_cnn(
        learning_rate=0.1,
        epochs=60,
        early_stopping=True,
        validation_fraction=0.25,
        patience=3,
    ).fit(few.images, few.target)
