"""The parameter random_state: its effects and its accepted types."""

import numpy as np
from helpers import (
    STOCHASTIC,
    network_values,
    same_arrays,
)

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402


def test_random_state_changes_weights(few, tiny_cnn, stochastic_fit):
    X, y = few.images, few.target
    other = tiny_cnn(**STOCHASTIC, epochs=2, random_state=1).fit(X, y)
    assert not same_arrays(
        other.model_.get_weights(), stochastic_fit.model_.get_weights()
    )
    assert other.history_ != stochastic_fit.history_


def test_dropout_layers_have_different_seeds(stochastic_fit):
    seeds = [
        int(np.asarray(layer.seed_generator.state)[0])
        for layer in stochastic_fit.model_.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert len(seeds) == len(set(seeds)) == 2


def test_random_state_none_uses_numpy_global_generator(few, tiny_cnn):
    X, y = few.images[:64], few.target[:64]
    estimator = tiny_cnn(epochs=1, random_state=None)
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(7)  # noqa: NPY002
        first = network_values(estimator.fit(X, y))
        second = network_values(estimator.fit(X, y))
        np.random.seed(7)  # noqa: NPY002
        again = network_values(estimator.fit(X, y))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert same_arrays(first, again)
    assert not same_arrays(first, second)


def test_random_state_instance_advances(few, tiny_cnn):
    X, y = few.images[:64], few.target[:64]
    rng = np.random.RandomState(0)
    estimator = tiny_cnn(epochs=1, random_state=rng)
    first = network_values(estimator.fit(X, y))
    second = network_values(estimator.fit(X, y))
    assert not same_arrays(first, second)
    assert estimator.random_state is rng
    again = tiny_cnn(epochs=1, random_state=np.random.RandomState(0)).fit(X, y)
    assert same_arrays(first, network_values(again))
    # An integer gives the same fit as a generator seeded with that integer.
    assert same_arrays(
        first, network_values(tiny_cnn(epochs=1, random_state=0).fit(X, y))
    )
