"""Fits that end with Ctrl-C or an error."""

import contextlib
import copy
import warnings

import numpy as np
import pytest
from helpers import (
    STOCHASTIC,
    assert_same_training,
    fitted_state,
    same_arrays,
)
from sklearn.exceptions import ConvergenceWarning

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras_helpers import BatchRecorder, RunAtEpoch, fail, interrupt  # noqa: E402


def test_interruption_in_first_epoch_leaves_estimator_unfitted(few, tiny_cnn):
    estimator = tiny_cnn(callbacks=[RunAtEpoch(0, interrupt)])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_interruption_keeps_completed_epochs(few, tiny_cnn):
    estimator = tiny_cnn(callbacks=[RunAtEpoch(2, interrupt)])
    with (
        pytest.warns(
            ConvergenceWarning, match="interrupted after 2 of 5 epochs.* kept"
        ),
        pytest.raises(KeyboardInterrupt),
    ):
        estimator.fit(few.images, few.target)
    two = tiny_cnn(epochs=2).fit(few.images, few.target)
    assert_same_training(estimator, two)
    np.testing.assert_array_equal(
        estimator.predict_proba(few.images), two.predict_proba(few.images)
    )
    # Training can be continued.
    estimator.set_params(warm_start=True, epochs=1, callbacks=None)
    assert estimator.fit(few.images, few.target).n_epochs_ == 3


class InterruptInThirdEpoch(keras.callbacks.Callback):
    """Simulate Ctrl-C after the second step of the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            raise KeyboardInterrupt


@pytest.mark.parametrize("warnings_are_errors", [False, True])
def test_interruption_within_epoch_restores_end_of_last_epoch(
    few, tiny_cnn, stochastic_fit, four_epochs_fit, warnings_are_errors
):
    estimator = tiny_cnn(**STOCHASTIC, epochs=4, callbacks=[InterruptInThirdEpoch()])
    # Even if warnings are errors, the fit must raise KeyboardInterrupt.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            contextlib.nullcontext()
            if warnings_are_errors
            else pytest.warns(ConvergenceWarning, match="interrupted after 2 of 4"),
            pytest.raises(KeyboardInterrupt),
        ):
            estimator.fit(few.images, few.target)
    assert_same_training(estimator, stochastic_fit)
    estimator.set_params(warm_start=True, epochs=2, callbacks=None)
    assert_same_training(estimator.fit(few.images, few.target), four_epochs_fit)


def test_interruption_keeps_learning_rate_set_by_callback(few, tiny_cnn):
    class LowerLearningRate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.01 / (epoch + 2)

    estimator = tiny_cnn(callbacks=[LowerLearningRate(), RunAtEpoch(3, interrupt)])
    with (
        pytest.warns(ConvergenceWarning, match="interrupted after 3 of 5 epochs"),
        pytest.raises(KeyboardInterrupt),
    ):
        estimator.fit(few.images, few.target)
    three = tiny_cnn(callbacks=[LowerLearningRate()], epochs=3).fit(
        few.images, few.target
    )
    assert_same_training(estimator, three)
    assert float(three.model_.optimizer.learning_rate) == pytest.approx(0.0025)


def test_interruption_with_early_stopping_restores_best_epoch(few, early_stopped_fit):
    best = int(np.argmin(early_stopped_fit.history_["val_loss"])) + 1
    estimator = copy.deepcopy(early_stopped_fit)
    estimator.set_params(callbacks=[RunAtEpoch(best + 1, interrupt)])
    with (
        pytest.warns(ConvergenceWarning, match=f"after {best + 1} of 60"),
        pytest.raises(KeyboardInterrupt),
    ):
        estimator.fit(few.images, few.target)
    assert same_arrays(
        estimator.model_.get_weights(), early_stopped_fit.model_.get_weights()
    )


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("action", "error"), [(fail, RuntimeError), (interrupt, KeyboardInterrupt)]
)
def test_failed_refit_restores_estimator(few, fitted_tiny, warm_start, action, error):
    """The fit fails in the third batch, after it has changed the network weights."""

    class ActInThirdBatch(BatchRecorder):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                action(self)

    estimator = copy.deepcopy(fitted_tiny)
    proba = estimator.predict_proba(few.images)
    before = fitted_state(estimator)
    estimator.set_params(warm_start=warm_start, callbacks=[ActInThirdBatch([])])
    with pytest.raises(error):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == before
    np.testing.assert_array_equal(estimator.predict_proba(few.images), proba)
    estimator.set_params(callbacks=None, epochs=1).fit(few.images, few.target)
    assert estimator.n_epochs_ == (6 if warm_start else 1)


def test_failed_refit_on_other_image_shape_restores_estimator(few, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny).set_params(callbacks=[RunAtEpoch(1, fail)])
    before = fitted_state(estimator)
    with pytest.raises(RuntimeError, match="the callback has failed"):
        estimator.fit(few.images[:, :6], few.target.astype(str))
    assert fitted_state(estimator) == before
    assert estimator.score(few.images, few.target) > 0.8
