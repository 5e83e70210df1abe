"""Fits whose loss or weights become infinite or NaN."""

import numpy as np
import pytest
from helpers import fitted_state, same_arrays
from sklearn.exceptions import ConvergenceWarning

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402
from keras_helpers import InfiniteAtStep  # noqa: E402


def diverge_after(n_steps):
    """Return a learning rate that becomes too large after `n_steps` steps."""
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [n_steps - 1], [1e-2, 1e30]
    )


def test_divergence_is_an_error(few, tiny_cnn):
    estimator = tiny_cnn(learning_rate=1e30)
    with pytest.raises(
        ValueError, match=r"diverged: the loss of epoch \d is (nan|inf).* learning_rate"
    ):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_divergence_after_two_epochs_is_an_error_without_early_stopping(few, tiny_cnn):
    estimator = tiny_cnn(learning_rate=diverge_after(n_steps=10), epochs=5)
    with pytest.raises(ValueError, match="diverged: the loss of epoch 3"):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


@pytest.mark.parametrize(
    ("validation_fraction", "message"),
    [
        (None, "diverged: '.*' is not finite after epoch 2"),
        (0.2, "diverged: the val_loss of epoch 2 is nan"),
    ],
)
def test_divergence_in_last_step_is_an_error(
    few, tiny_cnn, validation_fraction, message
):
    """The training loss is finite, because it is computed before the last step."""
    n_steps = 5 if validation_fraction is None else 4
    estimator = tiny_cnn(
        learning_rate=InfiniteAtStep(2 * n_steps - 1),
        epochs=2,
        validation_fraction=validation_fraction,
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_divergence_without_normalization_is_an_error(few):
    estimator = CNNClassifier(
        filters=(4,),
        dense_units=8,
        pooling=None,
        batch_norm=False,
        optimizer="sgd",
        learning_rate=1e6,
        epochs=2,
        validation_fraction=0.2,
        random_state=0,
    )
    with pytest.raises(ValueError, match="diverged: the loss of epoch 1 is nan"):
        estimator.fit(few.images, few.target)


def test_weights_that_are_not_finite_are_an_error_with_finite_loss(few, tiny_cnn):
    """The relu activation hides a bias of -inf."""

    class BreakBias(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                bias = self.model.get_layer("conv_1").bias
                bias.assign(np.full(bias.shape, -np.inf))

    estimator = tiny_cnn(epochs=2, validation_fraction=0.2, callbacks=[BreakBias()])
    with pytest.raises(ValueError, match="'conv_1/bias' is not finite after epoch 2"):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_divergence_with_early_stopping_restores_best_epoch(few, tiny_cnn):
    settings = {"early_stopping": True, "validation_fraction": 0.2}
    estimator = tiny_cnn(learning_rate=diverge_after(n_steps=8), epochs=5, **settings)
    with pytest.warns(
        ConvergenceWarning, match="epoch 3 .* best epoch before are kept"
    ):
        estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 2
    two = tiny_cnn(epochs=2, **settings).fit(few.images, few.target)
    assert estimator.history_ == two.history_
    assert same_arrays(estimator.model_.get_weights(), two.model_.get_weights())


def test_divergence_in_first_epoch_of_warm_start_is_an_error(few, tiny_cnn):
    """Early stopping can only restore epochs of the same fit."""
    estimator = tiny_cnn(
        epochs=2, early_stopping=True, validation_fraction=0.2, warm_start=True
    )
    estimator.fit(few.images, few.target)
    before = fitted_state(estimator)
    estimator.set_params(learning_rate=1e30)
    with pytest.raises(ValueError, match="diverged"):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == before
    assert np.all(np.isfinite(estimator.predict_proba(few.images)))
