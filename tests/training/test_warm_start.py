"""Training that continues from fit to fit with warm_start=True."""

import copy
import pickle

import numpy as np
import pytest
from helpers import (
    assert_same_training,
    fitted_state,
)

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras_helpers import RunAtEpoch  # noqa: E402


@pytest.mark.parametrize("pickled", [False, True])
def test_warm_start_equals_one_longer_fit(
    few, tiny_cnn, stochastic_fit, four_epochs_fit, pickled
):
    estimator = copy.deepcopy(stochastic_fit).set_params(warm_start=True)
    if pickled:
        estimator = pickle.loads(pickle.dumps(estimator))
    first_two = {name: list(v) for name, v in estimator.history_.items()}
    estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 4
    assert {name: v[:2] for name, v in estimator.history_.items()} == first_two
    assert_same_training(estimator, four_epochs_fit)
    assert stochastic_fit.n_epochs_ == 2


SHIFT_AND_FLIP = keras.Sequential(
    [
        keras.Input((None, None, 1)),
        keras.layers.RandomFlip(),
        keras.layers.RandomTranslation(0.2, 0.2),
    ]
)


def test_warm_start_continues_random_sequence_of_augmentation_layer(few, tiny_cnn):
    X, y = few.images, few.target
    four = tiny_cnn(augment=SHIFT_AND_FLIP, epochs=4).fit(X, y)
    two = tiny_cnn(augment=SHIFT_AND_FLIP, epochs=2, warm_start=True).fit(X, y)
    assert two.history_["loss"] != tiny_cnn(epochs=2).fit(X, y).history_["loss"]
    assert_same_training(two.partial_fit(X, y).partial_fit(X, y), four)


def test_fit_without_warm_start_trains_a_new_network(few, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny)
    estimator.fit(few.images, few.target)
    assert_same_training(estimator, fitted_tiny)


def test_warm_start_applies_new_learning_rate(few, fitted_tiny):
    X, y = few.images, few.target
    # The cases include the default, an integer and a NumPy scalar.
    for rate in (3e-3, 0.5, 1e-2, 1, np.float32(0.25)):
        estimator = copy.deepcopy(fitted_tiny)
        estimator.set_params(warm_start=True, learning_rate=rate, epochs=1).fit(X, y)
        assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(rate)


def test_warm_start_keeps_learning_rate_set_by_callback(few, tiny_cnn):
    def lower(callback):
        callback.model.optimizer.learning_rate = 1e-5

    estimator = tiny_cnn(warm_start=True, epochs=2, callbacks=[RunAtEpoch(1, lower)])
    for _ in range(2):
        estimator.fit(few.images, few.target)
        rate = float(estimator.model_.optimizer.learning_rate)
        assert rate == pytest.approx(1e-5)


def test_warm_start_rejects_new_learning_rate_of_schedule(few, tiny_cnn):
    def annealed(learning_rate):
        decay = keras.optimizers.schedules.CosineDecay(learning_rate, 100)
        return keras.optimizers.SGD(decay)

    estimator = tiny_cnn(optimizer=annealed, warm_start=True, epochs=1)
    estimator.fit(few.images, few.target).set_params(learning_rate=0.5)
    with pytest.raises(ValueError, match="parameters learning_rate have changed"):
        estimator.fit(few.images, few.target)


@pytest.mark.parametrize("filters", [[8], np.array([8])])
def test_warm_start_accepts_equal_value_of_other_type(few, fitted_tiny, filters):
    estimator = copy.deepcopy(fitted_tiny)
    estimator.set_params(warm_start=True, filters=filters, epochs=1)
    assert estimator.fit(few.images, few.target).n_epochs_ == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filters", (9,)),
        ("filters", np.array([8, 8])),
        ("filters", np.array([8, 8, 8])),
        ("dense_units", 5),
        ("dropout", 0.5),
        ("l2", 0.5),
        ("normalize", True),
        ("optimizer", "sgd"),
        ("precision", "bfloat16"),
        ("learning_rate", keras.optimizers.schedules.CosineDecay(0.1, 10)),
    ],
)
def test_warm_start_rejects_changed_network_parameter(few, fitted_tiny, name, value):
    estimator = copy.deepcopy(fitted_tiny)
    before = fitted_state(estimator)
    estimator.set_params(**{name: value}, warm_start=True)
    with pytest.raises(
        ValueError, match=f"parameters {name} have changed .* warm_start=False"
    ):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == before
    estimator.set_params(warm_start=False, epochs=1).fit(few.images, few.target)
    assert estimator.n_epochs_ == 1


def test_warm_start_rejects_unknown_classes(few, digits, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny).set_params(warm_start=True)
    before = fitted_state(estimator)
    with pytest.raises(
        ValueError, match=r"labels \[4, 5, 6, 7, 8, 9\] that are not among the classes"
    ):
        estimator.fit(digits.images, digits.target)
    assert fitted_state(estimator) == before


def test_warm_start_rejects_other_image_shape(few, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny).set_params(warm_start=True)
    with pytest.raises(ValueError, match=r"fitted with images of shape \(8, 8, 1\)"):
        estimator.fit(few.images[:, :7], few.target)
