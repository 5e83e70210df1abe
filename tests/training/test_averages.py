"""Averages of the weights over training steps."""

import functools

import numpy as np
import pytest
from helpers import assert_same_training, network_values, same_arrays, same_weights
from sklearn.exceptions import ConvergenceWarning

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras_helpers import InfiniteAtStep, RunAtEpoch, SharedRecorder, interrupt  # noqa: E402


class WeightRecorder(SharedRecorder):
    """Record the weights after each step."""

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append([v.numpy() for v in self.model.trainable_variables])


@pytest.mark.parametrize("augment_with_layer", [False, True])
def test_averages_follow_power_function_profile(few, tiny_cnn, augment_with_layer):
    recorded = []
    layer = keras.layers.RandomFlip(seed=0) if augment_with_layer else False
    plain = tiny_cnn(augment=layer, epochs=4, callbacks=[WeightRecorder(recorded)])
    plain.fit(few.images, few.target)
    averaged = tiny_cnn(augment=layer, epochs=4, average=True)
    averaged.fit(few.images, few.target)
    assert averaged.history_ == plain.history_  # the loss after each step
    expected = [np.zeros_like(weights) for weights in recorded[0]]
    for step, weights in enumerate(recorded):
        share = 9 / (step + 9)
        expected = [e + (w - e) * share for e, w in zip(expected, weights, strict=True)]
    for variable, value in zip(
        averaged.model_.trainable_variables, expected, strict=True
    ):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-4, atol=1e-6)
    assert not same_weights(averaged, plain)


def test_callbacks_see_averages(few, tiny_cnn):
    settings = {"average": True, "validation_fraction": 0.2, "normalize": True}
    recorded = []

    class RecordWeights(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            recorded.append(self.model.get_weights())

        def __deepcopy__(self, memo):
            return RecordWeights()

    tiny_cnn(**settings, epochs=2, callbacks=[RecordWeights()]).fit(
        few.images, few.target
    )
    assert len(recorded) == 2
    for n_epochs, weights in enumerate(recorded, start=1):
        fitted = tiny_cnn(**settings, epochs=n_epochs).fit(few.images, few.target)
        assert same_arrays(fitted.model_.get_weights(), weights)


def test_interruption_after_best_epoch_keeps_weights_of_last_step(few, tiny_cnn):
    """Early stopping must not replace the weights with averages of the best epoch."""
    settings = {
        **{"average": True, "warm_start": True, "learning_rate": 1e-3},
        **{"early_stopping": True, "validation_fraction": 0.2},
    }
    estimator = tiny_cnn(**settings, epochs=5, callbacks=[RunAtEpoch(2, interrupt)])
    with (
        pytest.warns(ConvergenceWarning, match="interrupted after 2 of 5 epochs"),
        pytest.raises(KeyboardInterrupt),
    ):
        estimator.fit(few.images, few.target)
    two = tiny_cnn(**settings, epochs=2).fit(few.images, few.target)
    assert np.argmin(two.history_["val_loss"]) == 1
    assert_same_training(estimator, two)


def test_divergence_resets_averages_to_finite_weights(few, tiny_cnn):
    settings = {"early_stopping": True, "validation_fraction": 0.2, "average": True}
    estimator = tiny_cnn(learning_rate=InfiniteAtStep(9), epochs=5, **settings)
    with pytest.warns(ConvergenceWarning, match="best epoch before are kept"):
        estimator.fit(few.images, few.target)
    assert all(np.all(np.isfinite(value)) for value in network_values(estimator))


def test_early_stopping_resets_averages_to_best_weights(few, tiny_cnn):
    estimator = tiny_cnn(
        average=True,
        learning_rate=0.05,
        epochs=40,
        patience=1,
        early_stopping=True,
        validation_fraction=0.2,
    )
    estimator.fit(few.images, few.target)
    assert np.argmin(estimator.history_["val_loss"]) < estimator.n_epochs_ - 1
    _, *of_last_step = estimator._network.averages.variables
    for variable, value in zip(
        estimator.model_.trainable_variables, of_last_step, strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), value.numpy())


def test_optimizer_with_ema_is_not_averaged_again(few, tiny_cnn):
    adam = functools.partial(keras.optimizers.Adam, use_ema=True, ema_momentum=0.9)
    by_default = tiny_cnn(optimizer=adam, average=True).fit(few.images, few.target)
    with_ema = tiny_cnn(optimizer=adam, average=False).fit(few.images, few.target)
    assert_same_training(by_default, with_ema)
    without = tiny_cnn(average=False).fit(few.images, few.target)
    assert not same_weights(with_ema, without)


def test_optimizer_object_is_not_averaged(few, tiny_cnn):
    sgd = keras.optimizers.SGD(0.1)
    settings = {"optimizer": sgd, "learning_rate": 3e-3, "epochs": 2}
    by_default = tiny_cnn(**settings, average=True).fit(few.images, few.target)
    assert_same_training(by_default, tiny_cnn(**settings).fit(few.images, few.target))


def test_ema_of_optimizer_replaces_weights_after_training(few, tiny_cnn):
    """`Model.fit` replaces the weights in the same way."""
    adam = keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9)
    estimator = tiny_cnn(optimizer=adam, learning_rate=3e-3)
    estimator.fit(few.images, few.target)
    averages = estimator.model_.optimizer._model_variables_moving_average
    for variable, average in zip(
        estimator.model_.trainable_variables, averages, strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())
