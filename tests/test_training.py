"""What happens between fit and weights: the steps, what stops them, what goes on."""

import copy
import functools
import logging
import os
import pickle
import re
import signal
import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from skcnn import CNNClassifier, _data, _saving
from skcnn._builder import build_cnn
from skcnn._classifier import _NETWORK
from skcnn._seeding import SHUFFLE, SPLIT, WEIGHTS, draw_seed, stream
from skcnn._tensorflow import import_tensorflow

tf = import_tensorflow()
import keras  # noqa: E402

# All that a fit draws random numbers for.
STOCHASTIC = {
    "filters": (4, 6),
    "dense_units": 8,
    "normalize": True,
    "dropout": 0.2,
    "last_dropout": 0.3,
    "l2": 1e-3,
    "augment": True,
    "validation_fraction": 0.2,
    "class_weight": "balanced",
    # And what the default network has beside it.
    "batch_norm": True,
    "pooling": "avg",
    "label_smoothing": 0.1,
    "average": True,
}


def values(estimator):
    """All that training changes: weights, states of dropout, of the optimizer."""
    return _saving.values(estimator.model_)


def same_arrays(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def assert_identical(a, b):
    """Bit for bit the same training."""
    assert a.history_ == b.history_
    assert same_arrays(values(a), values(b))


def state_of(estimator):
    """The fitted attributes, and copies of what they hold."""
    state = {
        name: np.asarray(value).tolist()
        for name, value in vars(estimator).items()
        if name.endswith("_") and name not in ("model_", "history_")
    }
    if hasattr(estimator, "model_"):
        state["model_"] = id(estimator.model_)
        state["values"] = [value.tobytes() for value in values(estimator)]
        state["history_"] = {k: list(v) for k, v in estimator.history_.items()}
    return state


class At(keras.callbacks.Callback):
    """Does something at the beginning of an epoch, counted from 0."""

    def __init__(self, epoch, action):
        super().__init__()
        self.epoch = epoch
        self.action = action

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            self.action(self)

    def __deepcopy__(self, memo):
        return type(self)(self.epoch, self.action)


class Recorder(keras.callbacks.Callback):
    """Records what happens; shared by its copies."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def __deepcopy__(self, memo):
        return type(self)(self.calls)


def interrupt(callback):
    raise KeyboardInterrupt


def fail(callback):
    raise RuntimeError("the callback has failed")


# The steps are those of Keras


BATCH_NORM = {"batch_norm": True, "pooling": "avg", "label_smoothing": 0.1}


@pytest.mark.parametrize(
    ("weighted", "changed"),
    [(False, {}), (True, {}), (False, BATCH_NORM)],
    ids=["plain", "weighted", "batch normalization"],
)
def test_same_batches_as_in_keras_give_the_same_weights(
    few, tiny_cnn, weighted, changed
):
    X, y = few.images, few.target
    weight = np.linspace(0.5, 2, len(X)) if weighted else None
    settings = {"filters": (4, 6), "dense_units": 8, "l2": 1e-2, "normalize": True}
    settings |= changed
    estimator = tiny_cnn(**settings, epochs=3, batch_size=24)
    estimator.fit(X, y, sample_weight=weight)

    seed = draw_seed(0)
    network = build_cnn(
        {"image_shape_": (8, 8, 1), "n_classes_": 4},
        **{name: getattr(estimator, name) for name in _NETWORK},
        dtype="float32",
        seed=stream(seed, WEIGHTS),
    )
    network.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss="sparse_categorical_crossentropy"
        if not changed
        else keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy"],
    )
    target = y if not changed else np.eye(4)[y]
    history = {"loss": [], "accuracy": []}
    for epoch in range(3):
        rng = np.random.default_rng(stream(seed, SHUFFLE, epoch))
        order = rng.permutation(len(X))
        logs = network.fit(
            X[order].astype(np.float32),
            target[order],
            sample_weight=weight[order] if weighted else None,
            batch_size=24,
            shuffle=False,
            verbose=0,
        ).history
        for name, (value,) in logs.items():
            history[name].append(value)
    assert list(estimator.history_) == list(history)
    for name in history:
        np.testing.assert_allclose(estimator.history_[name], history[name], rtol=1e-5)
    for ours, theirs in zip(
        estimator.model_.get_weights(), network.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_epochs_are_shuffled_differently_and_hold_each_image_once(
    few, tiny_cnn, monkeypatch
):
    orders = []
    original = _train_module().Batches.chunks

    def recorded(self, order, chunk_size):
        orders.append(tuple(order))
        return original(self, order, chunk_size)

    monkeypatch.setattr(_train_module().Batches, "chunks", recorded)
    tiny_cnn(epochs=3).fit(few.images, few.target)
    assert all(sorted(order) == list(range(len(few.images))) for order in orders)
    assert len(set(orders)) == 3


def _train_module():
    from skcnn import _train

    return _train


@pytest.fixture(scope="module")
def stochastic(few, tiny_cnn):
    """Two epochs of everything that is random, with callbacks for batches later."""
    return tiny_cnn(**STOCHASTIC, epochs=2).fit(few.images, few.target)


def test_size_of_the_pieces_is_of_no_consequence(
    few, tiny_cnn, stochastic, monkeypatch
):
    monkeypatch.setattr(_train_module(), "_CHUNK_BYTES", 2 * 32 * 64)
    pieces = tiny_cnn(**STOCHASTIC, epochs=2).fit(few.images, few.target)
    assert_identical(pieces, stochastic)


def test_history(few, tiny_cnn, fitted_tiny, stochastic):
    assert set(fitted_tiny.history_) == {"loss", "accuracy"}
    assert set(stochastic.history_) == {
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
    }
    for estimator, n_epochs in ((fitted_tiny, 5), (stochastic, 2)):
        assert estimator.n_epochs_ == n_epochs
        for series in estimator.history_.values():
            assert len(series) == n_epochs
            assert all(type(value) is float for value in series)
    assert fitted_tiny.history_["loss"][-1] < fitted_tiny.history_["loss"][0]


def test_validation_scores_are_those_of_the_held_out_images(few, stochastic):
    """Neither augmented nor with dropout; weighted like the training images."""
    codes = np.searchsorted(stochastic.classes_, few.target)
    seed = stochastic._seed
    _, rows = _data.split_rows(np.arange(160), codes, 0.2, stream(seed, SPLIT))
    proba = stochastic.predict_proba(few.images[rows])
    weight = compute_sample_weight("balanced", few.target)[rows]
    smoothed = 0.9 * np.eye(4)[codes[rows]] + 0.1 / 4
    losses = -np.sum(smoothed * np.log(proba), axis=1) * weight
    penalty = sum(float(loss) for loss in stochastic.model_.losses)
    expected = losses.mean() + penalty
    assert stochastic.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-4)
    accuracy = np.mean(proba.argmax(axis=1) == codes[rows])
    assert stochastic.history_["val_accuracy"][-1] == pytest.approx(accuracy)


def test_bfloat16(few, tiny_cnn):
    estimators = [
        tiny_cnn(precision="bfloat16", epochs=8).fit(few.images, few.target)
        for _ in range(2)
    ]
    assert_identical(*estimators)
    policies = {layer.dtype_policy.name for layer in estimators[0].model_.layers[1:]}
    assert policies == {"mixed_bfloat16", "float32"}
    proba = estimators[0].predict_proba(few.images)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert estimators[0].score(few.images, few.target) > 0.8


# random_state


def test_other_seeds_other_weights(few, tiny_cnn, stochastic):
    X, y = few.images, few.target
    other = tiny_cnn(**STOCHASTIC, epochs=2, random_state=1).fit(X, y)
    assert not same_arrays(other.model_.get_weights(), stochastic.model_.get_weights())
    assert other.history_ != stochastic.history_


def test_dropout_layers_get_different_masks(stochastic):
    seeds = [
        int(np.asarray(layer.seed_generator.state)[0])
        for layer in stochastic.model_.layers
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert len(seeds) == len(set(seeds)) == 2


def test_random_state_none_draws_from_numpy(few, tiny_cnn):
    X, y = few.images[:64], few.target[:64]
    estimator = tiny_cnn(epochs=1, random_state=None)
    state = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(7)  # noqa: NPY002
        first = values(estimator.fit(X, y))
        second = values(estimator.fit(X, y))
        np.random.seed(7)  # noqa: NPY002
        again = values(estimator.fit(X, y))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    assert same_arrays(first, again)
    assert not same_arrays(first, second)


def test_random_state_instance_advances(few, tiny_cnn):
    X, y = few.images[:64], few.target[:64]
    rng = np.random.RandomState(0)
    estimator = tiny_cnn(epochs=1, random_state=rng)
    first = values(estimator.fit(X, y))
    second = values(estimator.fit(X, y))
    assert not same_arrays(first, second)
    assert estimator.random_state is rng
    again = tiny_cnn(epochs=1, random_state=np.random.RandomState(0)).fit(X, y)
    assert same_arrays(first, values(again))
    # An int decides the same as a generator started from it.
    assert same_arrays(first, values(tiny_cnn(epochs=1, random_state=0).fit(X, y)))


# Averages of weights


class Weights(Recorder):
    """The weights after each step."""

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append([v.numpy() for v in self.model.trainable_variables])


@pytest.mark.parametrize("own_step", [False, True])
def test_average_is_that_of_the_last_steps(few, tiny_cnn, own_step):
    seen = []
    layer = keras.layers.RandomFlip(seed=0) if own_step else False
    plain = tiny_cnn(augment=layer, epochs=4, callbacks=[Weights(seen)])
    plain.fit(few.images, few.target)
    averaged = tiny_cnn(augment=layer, epochs=4, average=True)
    averaged.fit(few.images, few.target)
    assert averaged.history_ == plain.history_  # of the weights that are trained
    expected = [np.zeros_like(weights) for weights in seen[0]]
    for step, weights in enumerate(seen):
        share = 9 / (step + 9)
        expected = [e + (w - e) * share for e, w in zip(expected, weights, strict=True)]
    for variable, value in zip(
        averaged.model_.trainable_variables, expected, strict=True
    ):
        np.testing.assert_allclose(variable.numpy(), value, rtol=1e-4, atol=1e-6)
    assert not same_arrays(averaged.model_.get_weights(), plain.model_.get_weights())


def test_validation_and_callbacks_see_the_averages(few, tiny_cnn):
    settings = {"average": True, "validation_fraction": 0.2, "normalize": True}
    weights = []

    class AtEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

        def __deepcopy__(self, memo):
            return AtEnd()

    tiny_cnn(**settings, epochs=2, callbacks=[AtEnd()]).fit(few.images, few.target)
    for n_epochs, seen in enumerate(weights, start=1):
        fitted = tiny_cnn(**settings, epochs=n_epochs).fit(few.images, few.target)
        assert same_arrays(fitted.model_.get_weights(), seen)


def test_interrupted_after_the_best_epoch_goes_on_as_if_it_was_not(few, tiny_cnn):
    """The weights that training goes on with stay beside their averages."""
    settings = {
        **{"average": True, "warm_start": True, "learning_rate": 1e-3},
        **{"early_stopping": True, "validation_fraction": 0.2},
    }
    estimator = tiny_cnn(**settings, epochs=5, callbacks=[At(2, interrupt)])
    with pytest.warns(ConvergenceWarning), pytest.raises(KeyboardInterrupt):
        estimator.fit(few.images, few.target)
    two = tiny_cnn(**settings, epochs=2).fit(few.images, few.target)
    assert np.argmin(two.history_["val_loss"]) == 1
    assert_identical(estimator, two)


def test_diverged_with_averages_can_go_on_from_the_best_epoch(few, tiny_cnn):
    settings = {"early_stopping": True, "validation_fraction": 0.2, "average": True}
    estimator = tiny_cnn(learning_rate=InfiniteAt(9), epochs=5, **settings)
    with pytest.warns(ConvergenceWarning, match="best epoch before are kept"):
        estimator.fit(few.images, few.target)
    assert all(np.all(np.isfinite(value)) for value in values(estimator))


def test_training_goes_on_from_the_best_epoch_of_averages(few, tiny_cnn):
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
    averages = estimator.model_.optimizer._model_variables_moving_average
    for variable, kept in zip(
        estimator.model_.trainable_variables, averages, strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), kept.numpy())


def test_an_optimizer_that_averages_itself_is_left_alone(few, tiny_cnn):
    own = functools.partial(keras.optimizers.Adam, use_ema=True, ema_momentum=0.9)
    by_default = tiny_cnn(optimizer=own, average=True).fit(few.images, few.target)
    alone = tiny_cnn(optimizer=own, average=False).fit(few.images, few.target)
    assert_identical(by_default, alone)
    without = tiny_cnn(average=False).fit(few.images, few.target)
    assert not same_arrays(alone.model_.get_weights(), without.model_.get_weights())


def test_an_optimizer_object_averages_as_it_says_itself(few, tiny_cnn):
    sgd = keras.optimizers.SGD(0.1)
    settings = {"optimizer": sgd, "learning_rate": 3e-3, "epochs": 2}
    by_default = tiny_cnn(**settings, average=True).fit(few.images, few.target)
    assert_identical(by_default, tiny_cnn(**settings).fit(few.images, few.target))


# warm_start and partial_fit


@pytest.fixture(scope="module")
def four_epochs(few, tiny_cnn):
    return tiny_cnn(**STOCHASTIC, epochs=4).fit(few.images, few.target)


@pytest.mark.parametrize("saved", [False, True])
def test_warm_start_in_two_parts_is_one_fit(
    few, tiny_cnn, stochastic, four_epochs, saved
):
    estimator = copy.deepcopy(stochastic).set_params(warm_start=True)
    if saved:
        estimator = pickle.loads(pickle.dumps(estimator))
    first_two = {name: list(v) for name, v in estimator.history_.items()}
    estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 4
    assert {name: v[:2] for name, v in estimator.history_.items()} == first_two
    assert_identical(estimator, four_epochs)
    assert stochastic.n_epochs_ == 2


LAYER = keras.Sequential(
    [
        keras.Input((None, None, 1)),
        keras.layers.RandomFlip(),
        keras.layers.RandomTranslation(0.2, 0.2),
    ]
)


def test_warm_start_goes_on_in_the_sequence_of_an_augmenting_layer(few, tiny_cnn):
    X, y = few.images, few.target
    four = tiny_cnn(augment=LAYER, epochs=4).fit(X, y)
    two = tiny_cnn(augment=LAYER, epochs=2, warm_start=True).fit(X, y)
    assert two.history_["loss"] != tiny_cnn(epochs=2).fit(X, y).history_["loss"]
    assert_identical(two.partial_fit(X, y).partial_fit(X, y), four)


def test_a_layer_that_changes_the_size_of_images_is_refused(few, tiny_cnn):
    estimator = tiny_cnn(augment=keras.layers.RandomCrop(4, 4))
    message = (
        r"augment=<RandomCrop.* of shape \(4, 4, 1\) of those of shape \(8, 8, 1\)"
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


def test_history_has_an_entry_for_each_epoch(few, tiny_cnn):
    X, y = few.images, few.target
    estimator = tiny_cnn(epochs=1, warm_start=True).fit(X, y)
    estimator.set_params(validation_fraction=0.2).fit(X, y).partial_fit(X, y)
    assert {len(values) for values in estimator.history_.values()} == {3}
    seen = np.isfinite(estimator.history_["val_loss"]).tolist()
    assert seen == [False, True, False]


def test_fit_without_warm_start_starts_afresh(few, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny)
    estimator.fit(few.images, few.target)
    assert_identical(estimator, fitted_tiny)


def test_warm_start_follows_the_learning_rate(few, fitted_tiny):
    X, y = few.images, few.target
    # The default among them, and numbers that are no floats of Python.
    for rate in (3e-3, 0.5, 1e-2, 1, np.float32(0.25)):
        estimator = copy.deepcopy(fitted_tiny)
        estimator.set_params(warm_start=True, learning_rate=rate, epochs=1).fit(X, y)
        assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(rate)


def test_warm_start_keeps_a_learning_rate_that_a_callback_has_lowered(few, tiny_cnn):
    def lower(callback):
        callback.model.optimizer.learning_rate = 1e-5

    estimator = tiny_cnn(warm_start=True, epochs=2, callbacks=[At(1, lower)])
    for _ in range(2):
        estimator.fit(few.images, few.target)
        rate = float(estimator.model_.optimizer.learning_rate)
        assert rate == pytest.approx(1e-5)


def test_learning_rate_may_be_any_number(few, tiny_cnn):
    one = tiny_cnn(learning_rate=1, epochs=1).fit(few.images, few.target)
    assert_identical(
        one, tiny_cnn(learning_rate=1.0, epochs=1).fit(few.images, few.target)
    )


def test_warm_start_cannot_change_a_learning_rate_that_became_a_schedule(few, tiny_cnn):
    def annealed(learning_rate):
        decay = keras.optimizers.schedules.CosineDecay(learning_rate, 100)
        return keras.optimizers.SGD(decay)

    estimator = tiny_cnn(optimizer=annealed, warm_start=True, epochs=1)
    estimator.fit(few.images, few.target).set_params(learning_rate=0.5)
    with pytest.raises(ValueError, match="parameters learning_rate have changed"):
        estimator.fit(few.images, few.target)


@pytest.mark.parametrize("filters", [[8], np.array([8])])
def test_warm_start_knows_the_same_value_in_another_form(few, fitted_tiny, filters):
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
def test_warm_start_refuses_another_network(few, fitted_tiny, name, value):
    estimator = copy.deepcopy(fitted_tiny)
    before = state_of(estimator)
    estimator.set_params(**{name: value}, warm_start=True)
    with pytest.raises(
        ValueError, match=f"parameters {name} have changed .* warm_start=False"
    ):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == before
    estimator.set_params(warm_start=False, epochs=1).fit(few.images, few.target)


def test_warm_start_refuses_other_classes(few, digits, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny).set_params(warm_start=True)
    before = state_of(estimator)
    with pytest.raises(
        ValueError, match=r"labels \[4, 5, 6, 7, 8, 9\] that are not among the classes"
    ):
        estimator.fit(digits.images, digits.target)
    assert state_of(estimator) == before


def test_warm_start_refuses_other_images(few, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny).set_params(warm_start=True)
    with pytest.raises(ValueError, match=r"fitted with images of shape \(8, 8, 1\)"):
        estimator.fit(few.images[:, :7], few.target)


def test_partial_fit_goes_on(few, tiny_cnn):
    estimator = tiny_cnn(batch_size=16)
    classes = np.arange(4)
    for call in range(1, 9):
        estimator.partial_fit(few.images, few.target, classes=classes)
        assert estimator.n_epochs_ == call
        assert len(estimator.history_["loss"]) == call
    assert estimator.history_["loss"][-1] < 0.5 * estimator.history_["loss"][0]
    assert estimator.score(few.images, few.target) > 0.8


def test_partial_fit_of_one_epoch_is_a_fit_of_one_epoch(few, tiny_cnn):
    partial = tiny_cnn().partial_fit(few.images, few.target, classes=np.arange(4))
    full = tiny_cnn(epochs=1).fit(few.images, few.target)
    assert_identical(partial, full)


def test_partial_fit_takes_a_batch_of_one_class(few, tiny_cnn):
    estimator = tiny_cnn()
    classes = ["a", "b", "c", "d"]
    labels = np.array(classes)[few.target]
    only = labels == "c"
    estimator.partial_fit(few.images[only], labels[only], classes=classes)
    estimator.partial_fit(few.images[~only], labels[~only])
    np.testing.assert_array_equal(estimator.classes_, classes)
    assert estimator.predict_proba(few.images[:3]).shape == (3, 4)


def test_partial_fit_refuses_a_single_class(few, tiny_cnn):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=r"classes=\[3\], but expected two or more"):
        estimator.partial_fit(few.images, np.full(160, 3), classes=[3])
    assert state_of(estimator) == {}


def test_partial_fit_without_a_positive_weight(few, tiny_cnn):
    estimator = tiny_cnn(class_weight={0: 0, 1: 1, 2: 1, 3: 1})
    only = few.target == 0
    with pytest.raises(ValueError, match="No sample has a positive weight"):
        estimator.partial_fit(few.images[only], few.target[only], classes=range(4))
    assert state_of(estimator) == {}


def test_partial_fit_asks_for_the_classes_first(few, tiny_cnn):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        estimator.partial_fit(few.images, few.target)
    assert state_of(estimator) == {}


def test_partial_fit_refuses_unknown_labels(few, tiny_cnn, fitted_tiny):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=r"labels \[3\] that are not among"):
        estimator.partial_fit(few.images, few.target, classes=[0, 1, 2])
    assert state_of(estimator) == {}

    estimator = copy.deepcopy(fitted_tiny)
    before = state_of(estimator)
    with pytest.raises(ValueError, match=r"labels \[7\] that are not among"):
        estimator.partial_fit(few.images[:3], [7, 0, 1])
    with pytest.raises(ValueError, match=r"classes=.* is not the same"):
        estimator.partial_fit(few.images, few.target, classes=[0, 1])
    assert state_of(estimator) == before


def test_partial_fit_refuses_early_stopping(few, tiny_cnn):
    estimator = tiny_cnn(early_stopping=True, validation_fraction=0.2)
    with pytest.raises(ValueError, match="early_stopping=True, but partial_fit"):
        estimator.partial_fit(few.images, few.target, classes=np.arange(4))
    assert state_of(estimator) == {}


# Early stopping


@pytest.fixture(scope="module")
def stopped_early(few, tiny_cnn):
    return tiny_cnn(
        learning_rate=0.1,
        epochs=60,
        early_stopping=True,
        validation_fraction=0.25,
        patience=3,
    ).fit(few.images, few.target)


def test_early_stopping_stops_after_patience(stopped_early):
    losses = stopped_early.history_["val_loss"]
    assert stopped_early.n_epochs_ == len(losses) < 60
    assert np.argmin(losses) == len(losses) - 1 - 3


def test_early_stopping_restores_the_best_epoch(few, stopped_early):
    codes = few.target
    split = stream(stopped_early._seed, SPLIT)
    _, rows = _data.split_rows(np.arange(160), codes, 0.25, split)
    proba = stopped_early.predict_proba(few.images[rows]).astype(np.float64)
    loss = log_loss(codes[rows], proba / proba.sum(axis=1, keepdims=True))
    losses = stopped_early.history_["val_loss"]
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert loss != pytest.approx(losses[-1], rel=1e-3)


def test_early_stopping_is_the_fit_of_that_many_epochs(few, tiny_cnn, stopped_early):
    best = int(np.argmin(stopped_early.history_["val_loss"])) + 1
    plain = tiny_cnn(learning_rate=0.1, epochs=best, validation_fraction=0.25)
    plain.fit(few.images, few.target)
    assert same_arrays(plain.model_.get_weights(), stopped_early.model_.get_weights())


# Weights of samples and classes


def test_weight_of_zero_is_not_being_there(few, tiny_cnn):
    X, y = few.images, few.target
    weight = np.random.default_rng(0).choice([0.0, 0.5, 2.0], len(X))
    there = weight > 0
    settings = STOCHASTIC | {"class_weight": None}
    with_zeros = tiny_cnn(**settings, epochs=2).fit(X, y, sample_weight=weight)
    without = tiny_cnn(**settings, epochs=2)
    without.fit(X[there], y[there], sample_weight=weight[there])
    assert_identical(with_zeros, without)


def test_weights_of_one_are_no_weights(few, tiny_cnn, fitted_tiny):
    weighted = tiny_cnn().fit(few.images, few.target, sample_weight=np.ones(160))
    for a, b in zip(values(weighted), values(fitted_tiny), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_sample_weight_counts(few, tiny_cnn):
    """Wrong labels of little weight are not learned, those of much weight are."""
    wrong = (few.target + 1) % 4
    X = np.concatenate([few.images, few.images])
    y = np.concatenate([few.target, wrong])
    for weight, labels in ((0.01, few.target), (100.0, wrong)):
        sample_weight = np.repeat([1.0, weight], 160)
        estimator = tiny_cnn(epochs=8).fit(X, y, sample_weight=sample_weight)
        assert estimator.score(few.images, labels) > 0.8


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5, 2: 1, 3: 2}])
def test_class_weight_is_the_sample_weight(few, tiny_cnn, class_weight):
    X, y = few.images[20:], few.target[20:]
    settings = {"epochs": 2, "validation_fraction": 0.2}
    by_class = tiny_cnn(**settings, class_weight=class_weight).fit(X, y)
    weight = compute_sample_weight(class_weight, y)
    by_sample = tiny_cnn(**settings).fit(X, y, sample_weight=weight)
    assert len(np.unique(weight)) > 1
    assert_identical(by_class, by_sample)


def test_class_weight_times_sample_weight(few, tiny_cnn):
    X, y = few.images, few.target
    classes, samples = {0: 3.0, 2: 0.5}, np.linspace(0, 1, len(y))
    both = tiny_cnn(epochs=1, class_weight=classes).fit(X, y, sample_weight=samples)
    product = compute_sample_weight(classes, y) * samples
    assert_identical(both, tiny_cnn(epochs=1).fit(X, y, sample_weight=product))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.r_[-0.5, np.ones(159)], "sample_weight with -0.5.* no negative weights"),
        (np.zeros(160), "at least one (positive weight|non-zero)"),
        (np.ones(159), r"sample_weight.shape == \(159,\), expected \(160,\)"),
        (np.r_[np.nan, np.ones(159)], "sample_weight contains NaN"),
        (np.ones((160, 2)), "Sample weights must be 1D array or scalar"),
        (np.array(["a"] * 160), "could not convert string to float"),
    ],
)
def test_bad_sample_weight(few, tiny_cnn, weight, message):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.images, few.target, sample_weight=weight)
    assert state_of(estimator) == {}


def test_sample_weight_that_leaves_one_class(few, tiny_cnn):
    weight = (few.target == 2).astype(float)
    with pytest.raises(ValueError, match="positive weight are of one class"):
        tiny_cnn().fit(few.images, few.target, sample_weight=weight)


@pytest.mark.parametrize(
    "class_weight",
    [{0: -1.0, 1: 1.0}, {0: np.nan}, {0: np.inf}, {0: "much"}, {7: 1.0}],
    ids=["negative", "nan", "inf", "text", "unknown label"],
)
def test_bad_class_weight(few, tiny_cnn, class_weight):
    estimator = tiny_cnn(class_weight=class_weight)
    with pytest.raises(ValueError, match=r"class_weight=.* expected"):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


def test_class_weight_of_a_class_that_a_fold_lacks(few, tiny_cnn):
    """Where every class has a weight: scikit-learn's rule."""
    weights = {0: 1, 1: 2, 2: 3, 3: 4, 99: 5}
    with_more = tiny_cnn(epochs=1, class_weight=weights).fit(few.images, few.target)
    del weights[99]
    assert_identical(
        with_more, tiny_cnn(epochs=1, class_weight=weights).fit(few.images, few.target)
    )


def test_class_weight_of_a_class_that_a_batch_lacks(few, tiny_cnn):
    estimator = tiny_cnn(class_weight={0: 3.0, 3: 0.5})
    batch = np.isin(few.target, [0, 1])
    X, y = few.images[batch], few.target[batch]
    estimator.partial_fit(X, y, classes=np.arange(4))
    weighted = tiny_cnn().partial_fit(
        X, y, classes=np.arange(4), sample_weight=np.where(y == 0, 3.0, 1.0)
    )
    assert_identical(estimator, weighted)


# Optimizers


def test_learning_rate_is_annealed(few, tiny_cnn):
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
    # A fit starts at the beginning of the schedule again.
    assert float(estimator.model_.optimizer.learning_rate) == pytest.approx(0.0055)


def test_optimizers_in_every_form(few, tiny_cnn):
    sgd = keras.optimizers.SGD
    user = sgd(learning_rate=0.02, momentum=0.5, nesterov=True)
    with_object = tiny_cnn(optimizer=user, learning_rate=3e-3, epochs=2)
    partial = functools.partial(sgd, momentum=0.5, nesterov=True)
    with_partial = tiny_cnn(optimizer=partial, learning_rate=0.02, epochs=2)
    for estimator in (with_object, with_partial):
        estimator.fit(few.images, few.target)
    assert_identical(with_object, with_partial)
    # The object was copied: no fit has an effect on it, or on another fit.
    assert with_object.model_.optimizer is not user
    assert not user.built
    assert int(user.iterations) == 0
    again = tiny_cnn(optimizer=user, learning_rate=3e-3, epochs=2)
    assert_identical(again.fit(few.images, few.target), with_object)


@pytest.mark.parametrize("optimizer", ["AdamW", "adamw", keras.optimizers.AdamW])
def test_optimizer_by_name_or_class(few, tiny_cnn, optimizer):
    estimator = tiny_cnn(optimizer=optimizer, learning_rate=0.003, epochs=1)
    estimator.fit(few.images[:64], few.target[:64])
    made = estimator.model_.optimizer
    assert type(made) is keras.optimizers.AdamW
    assert float(made.learning_rate) == pytest.approx(0.003)


def test_averages_of_weights_take_their_place_at_the_end(few, tiny_cnn):
    """As in ``Model.fit``."""
    adam = keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9)
    estimator = tiny_cnn(optimizer=adam, learning_rate=3e-3)
    estimator.fit(few.images, few.target)
    averages = estimator.model_.optimizer._model_variables_moving_average
    for variable, average in zip(
        estimator.model_.trainable_variables, averages, strict=True
    ):
        np.testing.assert_array_equal(variable.numpy(), average.numpy())


def test_exclusions_from_weight_decay_are_copied(few, tiny_cnn):
    """With the optimizer, and with the classifier."""

    def fitted(*names):
        adam = keras.optimizers.AdamW(1e-2, weight_decay=0.5)
        if names:
            adam.exclude_from_weight_decay(var_names=list(names))
        estimator = tiny_cnn(optimizer=adam, learning_rate=3e-3, warm_start=True)
        return estimator.fit(few.images, few.target)

    all_decay, some = fitted(), fitted("bias", "nothing")
    norms = [
        np.linalg.norm(e.model_.layers[-1].bias.numpy()) for e in (all_decay, some)
    ]
    assert norms[0] < norms[1]
    twin = pickle.loads(pickle.dumps(some))
    assert_identical(twin.fit(few.images, few.target), some.fit(few.images, few.target))


def test_optimizer_function_without_a_learning_rate(few, tiny_cnn):
    estimator = tiny_cnn(optimizer=lambda: keras.optimizers.SGD())
    with pytest.raises(TypeError, match="cannot be called with learning_rate alone"):
        estimator.fit(few.images, few.target)


def test_unknown_optimizer(few, tiny_cnn):
    estimator = tiny_cnn(optimizer="adamm")
    with pytest.raises(
        ValueError, match=r"optimizer='adamm', but expected one of .*'sgd'.* 'adam'\?"
    ):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


# Keras callbacks


class EpochRecorder(Recorder):
    def on_train_begin(self, logs=None):
        self.calls.append(("train begins", id(self)))

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(("epoch", epoch, dict(logs)))

    def on_train_end(self, logs=None):
        self.calls.append(("train ends", id(self)))


class BatchRecorder(EpochRecorder):
    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append(("end", batch, dict(logs)))


def test_callbacks_get_what_keras_gives_them(few, tiny_cnn):
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
    assert len({first, second, id(callback)}) == 3  # a fresh copy for each fit
    assert getattr(callback, "_model", None) is None
    for epoch in range(2):
        logs = {name: v[epoch] for name, v in estimator.history_.items()}
        assert calls[5 + epoch] == ("epoch", epoch, logs)


def test_batch_hooks_are_called_for_each_batch(few, tiny_cnn, stochastic):
    calls = []
    estimator = tiny_cnn(**STOCHASTIC, epochs=2, callbacks=[BatchRecorder(calls)])
    estimator.fit(few.images, few.target)
    batches = [call[:2] for call in calls if call[0] in ("begin", "end")]
    one_epoch = [(kind, i) for i in range(4) for kind in ("begin", "end")]
    assert batches == one_epoch * 2  # 128 of 160 images, 32 in a batch
    logs = [call[2] for call in calls if call[0] == "end"]
    assert {name: logs[3][name] for name in ("loss", "accuracy")} == {
        name: estimator.history_[name][0] for name in ("loss", "accuracy")
    }
    # Each batch by itself or many in one call: the same training.
    assert_identical(estimator, stochastic)


def test_batch_hooks_of_an_object(few, tiny_cnn, fitted_tiny):
    """LambdaCallback has them, its class has not."""
    steps = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch)
    )
    estimator = tiny_cnn(callbacks=[callback]).fit(few.images, few.target)
    assert steps == list(range(5)) * 5
    assert_identical(estimator, fitted_tiny)


def test_callback_stops_training(few, tiny_cnn, fitted_tiny):
    def stop(callback):
        callback.model.stop_training = True

    estimator = tiny_cnn(epochs=5, callbacks=(At(1, stop),))
    estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 2
    # Not for ever: a fit that goes on is not stopped by the one before.
    estimator.set_params(warm_start=True, epochs=3, callbacks=None)
    estimator.fit(few.images, few.target)
    assert_identical(estimator, fitted_tiny)


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ([print], "callbacks with <built-in function print>.*keras.callbacks.Callback"),
        ([keras.callbacks.EarlyStopping], "Pass an object, not its class"),
        (["early_stopping"], "callbacks with 'early_stopping'"),
    ],
)
def test_what_is_no_callback_is_refused(few, tiny_cnn, callbacks, message):
    estimator = tiny_cnn(callbacks=callbacks)
    with pytest.raises(TypeError, match=message):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


# A loss that is not finite, Ctrl-C, errors


def diverging(after):
    """A learning rate that is fine for so many steps, and then much too large."""
    return keras.optimizers.schedules.PiecewiseConstantDecay([after - 1], [1e-2, 1e30])


class InfiniteAt(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, step):
        self.step = step

    def __call__(self, step):
        return keras.ops.where(step == self.step, float("inf"), 1e-2)

    def get_config(self):
        return {"step": self.step}


def test_diverged_fit_is_an_error(few, tiny_cnn):
    estimator = tiny_cnn(learning_rate=1e30)
    with pytest.raises(
        ValueError, match=r"diverged: the loss of epoch \d is (nan|inf).* learning_rate"
    ):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


def test_diverged_after_some_epochs_without_early_stopping_is_an_error(few, tiny_cnn):
    estimator = tiny_cnn(learning_rate=diverging(after=10), epochs=5)
    with pytest.raises(ValueError, match="diverged: the loss of epoch 3"):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


@pytest.mark.parametrize("validation_fraction", [None, 0.2])
def test_diverged_in_the_last_step_is_an_error(few, tiny_cnn, validation_fraction):
    """Which no loss of training shows."""
    n_steps = 5 if validation_fraction is None else 4
    estimator = tiny_cnn(
        learning_rate=InfiniteAt(2 * n_steps - 1),
        epochs=2,
        validation_fraction=validation_fraction,
    )
    message = "diverged: .*(is not finite after epoch 2|val_loss of epoch 2 is nan)"
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


def test_diverged_weights_are_an_error_even_if_no_loss_shows_it(few):
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
    with pytest.raises(ValueError, match="diverged"):
        estimator.fit(few.images, few.target)


def test_diverged_with_early_stopping_keeps_the_best_epoch(few, tiny_cnn):
    settings = {"early_stopping": True, "validation_fraction": 0.2}
    estimator = tiny_cnn(learning_rate=diverging(after=8), epochs=5, **settings)
    with pytest.warns(
        ConvergenceWarning, match="epoch 3 .* best epoch before are kept"
    ):
        estimator.fit(few.images, few.target)
    assert estimator.n_epochs_ == 2
    two = tiny_cnn(epochs=2, **settings).fit(few.images, few.target)
    assert estimator.history_ == two.history_
    assert same_arrays(estimator.model_.get_weights(), two.model_.get_weights())


def test_diverged_warm_start_is_an_error_without_an_epoch_to_restore(few, tiny_cnn):
    """Epochs of an earlier fit are not what this one could go back to."""
    estimator = tiny_cnn(
        epochs=2, early_stopping=True, validation_fraction=0.2, warm_start=True
    )
    estimator.fit(few.images, few.target)
    before = state_of(estimator)
    estimator.set_params(learning_rate=1e30)
    with pytest.raises(ValueError, match="diverged"):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == before
    assert np.all(np.isfinite(estimator.predict_proba(few.images)))


def test_interrupted_in_the_first_epoch(few, tiny_cnn):
    estimator = tiny_cnn(callbacks=[At(0, interrupt)])
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == {}


def test_interrupted_after_two_epochs_keeps_what_was_learned(few, tiny_cnn):
    estimator = tiny_cnn(callbacks=[At(2, interrupt)])
    with (
        pytest.warns(
            ConvergenceWarning, match="interrupted after 2 of 5 epochs.* kept"
        ),
        pytest.raises(KeyboardInterrupt),
    ):
        estimator.fit(few.images, few.target)
    two = tiny_cnn(epochs=2).fit(few.images, few.target)
    assert_identical(estimator, two)
    np.testing.assert_array_equal(
        estimator.predict_proba(few.images), two.predict_proba(few.images)
    )
    # And training can go on from there.
    estimator.set_params(warm_start=True, epochs=1, callbacks=None)
    assert estimator.fit(few.images, few.target).n_epochs_ == 3


class InterruptedBatch(keras.callbacks.Callback):
    """Ctrl-C after the second step of the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (2, 1):
            raise KeyboardInterrupt


@pytest.mark.parametrize("action", ["always", "error"])
def test_interrupted_within_an_epoch_is_as_at_the_end_of_the_last_one(
    few, tiny_cnn, stochastic, four_epochs, action
):
    estimator = tiny_cnn(**STOCHASTIC, epochs=4, callbacks=[InterruptedBatch()])
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(few.images, few.target)
    assert_identical(estimator, stochastic)
    estimator.set_params(warm_start=True, epochs=2, callbacks=None)
    assert_identical(estimator.fit(few.images, few.target), four_epochs)


def test_interrupted_keeps_what_callbacks_have_changed(few, tiny_cnn):
    class Lowering(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.01 / (epoch + 2)

    estimator = tiny_cnn(callbacks=[Lowering(), At(3, interrupt)])
    with pytest.warns(ConvergenceWarning), pytest.raises(KeyboardInterrupt):
        estimator.fit(few.images, few.target)
    three = tiny_cnn(callbacks=[Lowering()], epochs=3).fit(few.images, few.target)
    assert_identical(estimator, three)
    assert float(three.model_.optimizer.learning_rate) == pytest.approx(0.0025)


def test_interrupted_with_early_stopping_keeps_the_best_epoch(few, stopped_early):
    best = int(np.argmin(stopped_early.history_["val_loss"])) + 1
    estimator = copy.deepcopy(stopped_early)
    estimator.set_params(callbacks=[At(best + 1, interrupt)])
    with (
        pytest.warns(ConvergenceWarning, match=f"after {best + 1} of 60"),
        pytest.raises(KeyboardInterrupt),
    ):
        estimator.fit(few.images, few.target)
    assert same_arrays(
        estimator.model_.get_weights(), stopped_early.model_.get_weights()
    )


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("action", "error"), [(fail, RuntimeError), (interrupt, KeyboardInterrupt)]
)
def test_failed_refit_leaves_the_estimator_as_it_was(
    few, fitted_tiny, warm_start, action, error
):
    """With weights that are half an epoch on, in a network that goes on training."""

    class Late(BatchRecorder):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                action(self)

    estimator = copy.deepcopy(fitted_tiny)
    proba = estimator.predict_proba(few.images)
    before = state_of(estimator)
    estimator.set_params(warm_start=warm_start, callbacks=[Late([])])
    with pytest.raises(error):
        estimator.fit(few.images, few.target)
    assert state_of(estimator) == before
    np.testing.assert_array_equal(estimator.predict_proba(few.images), proba)
    estimator.set_params(callbacks=None, epochs=1).fit(few.images, few.target)
    assert estimator.n_epochs_ == (6 if warm_start else 1)


def test_failed_refit_on_other_images_leaves_the_estimator_as_it_was(few, fitted_tiny):
    estimator = copy.deepcopy(fitted_tiny).set_params(callbacks=[At(1, fail)])
    before = state_of(estimator)
    with pytest.raises(RuntimeError, match="the callback has failed"):
        estimator.fit(few.images[:, :6], few.target.astype(str))
    assert state_of(estimator) == before
    assert estimator.score(few.images, few.target) > 0.8


# Memory, tracing, noise


def test_data_are_read_in_pieces(tmp_path, tiny_cnn, monkeypatch):
    """Neither a memory map nor an array of uint8 is ever copied whole."""
    monkeypatch.setattr(_train_module(), "_CHUNK_BYTES", 2**20)
    shape, size = (3000, 64, 64, 3), 3000 * 64 * 64 * 3
    X = np.memmap(tmp_path / "images", dtype=np.uint8, mode="w+", shape=shape)
    y = np.arange(3000) % 2
    X[y == 1] = 200
    X.flush()
    estimator = tiny_cnn(stem_strides=16, epochs=2, batch_size=64)
    estimator.fit(X[:200], y[:200])  # what Python holds once is not counted
    for images in (
        np.memmap(tmp_path / "images", np.uint8, "r", 0, shape),
        np.array(X),
    ):
        tracemalloc.start()
        try:
            estimator.fit(images, y)
            proba = estimator.predict_proba(images)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < size / 3
        assert np.mean(proba.argmax(axis=1) == y) == 1


def test_many_fits_are_not_warned_of(few, tiny_cnn):
    """Each fit has graphs of its own, which is not tracing one again and again."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [tf.get_logger(), logging.getLogger("absl"), logging.getLogger()]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for n in range(12):
                estimator = tiny_cnn(epochs=1, batch_size=16 + n)
                estimator.fit(few.images[: 40 + n], few.target[: 40 + n])
                for rows in (1, 3, 10 + n):
                    estimator.predict(few.images[:rows])
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == []


def test_silent_unless_asked(few, tiny_cnn, capfd):
    estimator = tiny_cnn(epochs=1).fit(few.images, few.target)
    estimator.predict(few.images)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2, True])
def test_verbose(few, tiny_cnn, capfd, verbose):
    estimator = tiny_cnn(epochs=2, verbose=verbose).fit(few.images, few.target)
    printed = capfd.readouterr().out
    assert re.search(r"Epoch 1/2[\s\S]*5/5[\s\S]*Epoch 2/2[\s\S]*5/5", printed)
    assert f"{estimator.history_['loss'][-1]:.4f}" in printed


def test_forked_process_says_why_it_cannot_predict(few, fitted_tiny):
    """It would wait for TensorFlow's threads for ever."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            fitted_tiny.predict(few.images)
        except RuntimeError as error:
            os._exit("was forked" in str(error) and "loky" in str(error))
        os._exit(2)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1


# The network that CNNClassifier() is


@pytest.mark.parametrize(
    ("n_samples", "image_shape", "n_classes", "changed"),
    [
        (30, (8, 8, 1), 2, {}),
        (400, (8, 8), 200, {}),
        (33, (40, 48, 3), 3, {}),  # a last batch of one image
        (12, (1, 70, 1), 2, {}),
        (5, (9, 33, 4), 2, {}),
        (30, (8, 8, 1), 2, {"precision": "bfloat16"}),
    ],
)
def test_default_network_is_trained_on_anything(
    n_samples, image_shape, n_classes, changed
):
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % n_classes
    images = rng.integers(0, 256, (n_samples, *image_shape), dtype=np.uint8)
    images[y == 0] = 0
    estimator = CNNClassifier(width_factor=0.25, epochs=3, random_state=0, **changed)
    proba = estimator.fit(images, y).predict_proba(images)
    assert np.all(np.isfinite(estimator.history_["loss"]))
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-4)


def test_default_network_learns_few_images(few):
    estimator = CNNClassifier(filters=(16, 32), epochs=15, random_state=0)
    assert (
        estimator.fit(few.images[:80], few.target[:80]).score(
            few.images[80:], few.target[80:]
        )
        > 0.9
    )
