"""All accepted forms of optimizers and learning rates."""

import functools
import pickle

import numpy as np
import pytest
from helpers import assert_same_training, fitted_state

from skcnn._utils._tensorflow import import_tensorflow

import_tensorflow()
import keras  # noqa: E402


def test_optimizer_object_is_copied_for_each_fit(few, tiny_cnn):
    sgd = keras.optimizers.SGD
    user = sgd(learning_rate=0.02, momentum=0.5, nesterov=True)
    with_object = tiny_cnn(optimizer=user, learning_rate=3e-3, epochs=2)
    partial = functools.partial(sgd, momentum=0.5, nesterov=True)
    with_partial = tiny_cnn(optimizer=partial, learning_rate=0.02, epochs=2)
    for estimator in (with_object, with_partial):
        estimator.fit(few.images, few.target)
    assert_same_training(with_object, with_partial)
    # Each fit copies the object, so a fit affects neither the object nor other fits.
    assert with_object.model_.optimizer is not user
    assert not user.built
    assert int(user.iterations) == 0
    again = tiny_cnn(optimizer=user, learning_rate=3e-3, epochs=2)
    assert_same_training(again.fit(few.images, few.target), with_object)


@pytest.mark.parametrize("optimizer", ["AdamW", "adamw", keras.optimizers.AdamW])
def test_optimizer_by_name_or_class(few, tiny_cnn, optimizer):
    estimator = tiny_cnn(optimizer=optimizer, learning_rate=0.003, epochs=1)
    estimator.fit(few.images[:64], few.target[:64])
    made = estimator.model_.optimizer
    assert type(made) is keras.optimizers.AdamW
    assert float(made.learning_rate) == pytest.approx(0.003)


def test_weight_decay_exclusions_are_copied(few, tiny_cnn):
    """A fit copies the exclusions, and a pickled classifier keeps them."""

    def fit_excluding(*names):
        adam = keras.optimizers.AdamW(1e-2, weight_decay=0.5)
        if names:
            adam.exclude_from_weight_decay(var_names=list(names))
        estimator = tiny_cnn(optimizer=adam, learning_rate=3e-3, warm_start=True)
        return estimator.fit(few.images, few.target)

    decayed, excluded = fit_excluding(), fit_excluding("bias", "no such name")
    norm_decayed, norm_excluded = (
        np.linalg.norm(e.model_.layers[-1].bias.numpy()) for e in (decayed, excluded)
    )
    assert norm_decayed < norm_excluded
    copied = pickle.loads(pickle.dumps(excluded))
    for estimator in (copied, excluded):
        estimator.fit(few.images, few.target)
    assert_same_training(copied, excluded)


def test_optimizer_function_must_take_learning_rate(few, tiny_cnn):
    estimator = tiny_cnn(optimizer=lambda: keras.optimizers.SGD())
    with pytest.raises(TypeError, match="cannot be called with learning_rate alone"):
        estimator.fit(few.images, few.target)


def test_unknown_optimizer_gets_a_suggestion(few, tiny_cnn):
    estimator = tiny_cnn(optimizer="adamm")
    with pytest.raises(
        ValueError, match=r"optimizer='adamm', but expected one of .*'sgd'.* 'adam'\?"
    ):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_integer_learning_rate(few, tiny_cnn):
    one = tiny_cnn(learning_rate=1, epochs=1).fit(few.images, few.target)
    assert_same_training(
        one, tiny_cnn(learning_rate=1.0, epochs=1).fit(few.images, few.target)
    )


def test_learning_rate_schedule_starts_again_with_each_fit(few, tiny_cnn):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.01, 10, 0.001)
    estimator = tiny_cnn(
        optimizer="sgd", learning_rate=schedule, epochs=2, batch_size=32
    )
    estimator.fit(few.images, few.target)
    optimizer = estimator.model_.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert int(optimizer.iterations) == 2 * 5
    assert float(optimizer.learning_rate) == pytest.approx(0.001)
    estimator.set_params(epochs=1).fit(few.images, few.target)
    # The next fit starts at the beginning of the schedule.
    assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(0.0055)
