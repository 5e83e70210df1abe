"""Early stopping based on the validation loss."""

import numpy as np
import pytest
from helpers import same_arrays
from sklearn.metrics import log_loss

from skcnn._training._data import split_rows
from skcnn._training._early_stopping import EarlyStopping
from skcnn._utils._random import SPLIT, seed_sequence
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402


@pytest.mark.parametrize(
    "losses",
    [
        [3.0, 2.0, 2.5, 1.0, 1.5, 1.2, 0.5],
        [1.0, 1.0, 1.0, 0.5],
        [1.0, 2.0, 0.9, 2.0, 0.8, 0.7],
        [3.0, 2.0, 1.0],
    ],
    ids=["two-minima", "equal-losses", "never-two-in-a-row", "always-better"],
)
def test_early_stopping_matches_keras_callback(losses):
    def run(update, model):
        """Set the weights to the index of each epoch, and stop as `update` decides."""
        for epoch, loss in enumerate(losses):
            model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
            if update(epoch, loss):
                return epoch + 1
        return None

    def update_stopping(epoch, loss):
        stopping.update(epoch, loss, model)
        return stopping.has_stopped

    def update_callback(epoch, loss):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        return reference.stop_training

    model, reference = (
        keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]) for _ in range(2)
    )
    stopping = EarlyStopping(patience=2, tol=0.0)
    callback = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    callback.set_model(reference)
    callback.on_train_begin()
    reference.stop_training = False
    assert run(update_stopping, model) == run(update_callback, reference)
    stopping.restore_best_weights(model)
    callback.on_train_end()
    assert stopping.best_epoch == callback.best_epoch
    assert same_arrays(model.get_weights(), reference.get_weights())


def test_early_stopping_stops_after_patience(early_stopped_fit):
    losses = early_stopped_fit.history_["val_loss"]
    assert early_stopped_fit.n_epochs_ == len(losses) < 60
    assert np.argmin(losses) == len(losses) - 1 - 3


def test_early_stopping_restores_weights_of_best_epoch(few, early_stopped_fit):
    y_encoded = few.target
    split = seed_sequence(early_stopped_fit._seed, SPLIT)
    _, rows = split_rows(np.arange(160), y_encoded, 0.25, split)
    proba = early_stopped_fit.predict_proba(few.images[rows]).astype(np.float64)
    loss = log_loss(y_encoded[rows], proba / proba.sum(axis=1, keepdims=True))
    losses = early_stopped_fit.history_["val_loss"]
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert loss != pytest.approx(losses[-1], rel=1e-3)


def test_early_stopping_equals_fit_of_best_number_of_epochs(
    few, tiny_cnn, early_stopped_fit
):
    best = int(np.argmin(early_stopped_fit.history_["val_loss"])) + 1
    plain = tiny_cnn(learning_rate=0.1, epochs=best, validation_fraction=0.25)
    plain.fit(few.images, few.target)
    assert same_arrays(
        plain.model_.get_weights(), early_stopped_fit.model_.get_weights()
    )
