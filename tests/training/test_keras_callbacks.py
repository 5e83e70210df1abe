"""Keras callbacks during a fit."""

import pytest
from helpers import (
    STOCHASTIC,
    assert_same_training,
    fitted_state,
)

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras_helpers import BatchRecorder, EpochRecorder, RunAtEpoch  # noqa: E402


def test_callbacks_get_logs_of_each_epoch(few, tiny_cnn):
    calls = []
    callback = EpochRecorder(calls)
    estimator = tiny_cnn(epochs=2, validation_fraction=0.25, callbacks=[callback])
    estimator.fit(few.images, few.target).fit(few.images, few.target)
    assert [call[0] for call in calls] == [
        "train begins",
        "epoch",
        "epoch",
        "train ends",
    ] * 2
    first, second = calls[0][1], calls[4][1]
    assert len({first, second, id(callback)}) == 3  # each fit has its own copy
    assert getattr(callback, "_model", None) is None
    for epoch in range(2):
        logs = {name: v[epoch] for name, v in estimator.history_.items()}
        assert calls[5 + epoch] == ("epoch", epoch, logs)


def test_batch_hooks_are_called_for_each_batch(few, tiny_cnn, stochastic_fit):
    calls = []
    estimator = tiny_cnn(**STOCHASTIC, epochs=2, callbacks=[BatchRecorder(calls)])
    estimator.fit(few.images, few.target)
    batches = [call[:2] for call in calls if call[0] in ("begin", "end")]
    one_epoch = [(kind, i) for i in range(4) for kind in ("begin", "end")]
    assert batches == one_epoch * 2  # 128 of the 160 images, in batches of 32
    logs = [call[2] for call in calls if call[0] == "end"]
    assert {name: logs[3][name] for name in ("loss", "accuracy")} == {
        name: estimator.history_[name][0] for name in ("loss", "accuracy")
    }
    # One batch per call gives the same result as many batches per call.
    assert_same_training(estimator, stochastic_fit)


def test_batch_hooks_of_lambda_callback(few, tiny_cnn, fitted_tiny):
    """LambdaCallback sets its hooks as instance attributes."""
    steps = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch)
    )
    estimator = tiny_cnn(callbacks=[callback]).fit(few.images, few.target)
    assert steps == list(range(5)) * 5
    assert_same_training(estimator, fitted_tiny)


def test_stop_training_ends_only_one_fit(few, tiny_cnn, fitted_tiny):
    def stop(callback):
        callback.model.stop_training = True

    estimator = tiny_cnn(epochs=5, callbacks=(RunAtEpoch(1, stop),))
    estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 2
    # The next fit is not stopped.
    estimator.set_params(warm_start=True, epochs=3, callbacks=None)
    estimator.fit(few.images, few.target)
    assert_same_training(estimator, fitted_tiny)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([print], "callbacks with <built-in function print>.*keras.callbacks.Callback"),
        ([keras.callbacks.EarlyStopping], "Pass an object, not its class"),
        (["early_stopping"], "callbacks with 'early_stopping'"),
    ],
)
def test_invalid_callbacks(few, tiny_cnn, callbacks, message):
    estimator = tiny_cnn(callbacks=callbacks)
    with pytest.raises(TypeError, match=message):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}
