"""Validation during fit: groups, a separate validation set, and the tolerance."""

import copy
import functools
import pickle

import numpy as np
import pytest
import sklearn
from helpers import (
    assert_same_training,
    assert_same_weights,
    fitted_state,
    stored_states,
)
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcnn._training import _trainer
from skcnn._training._data import split_rows
from skcnn._utils._random import SPLIT, seed_sequence

# Groups


def split_by_group(y, groups, fraction, seed=0, rows=None):
    rows = np.arange(len(y)) if rows is None else rows
    sequence = seed_sequence(seed, SPLIT)
    return split_rows(rows, y, fraction, sequence, groups=groups)


GROUPS = {
    "pairs": np.arange(160) // 2,
    "tens": np.arange(160) // 10,
    "scattered": np.arange(160) % 20,
    "strings": np.array([f"patient {i % 16}" for i in range(160)]),
    "unequal": np.repeat(np.arange(18), [25, 15, *[10] * 8, *[5] * 8]),
}


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("groups", GROUPS)
def test_groups_stay_together(few, groups, fraction):
    groups = GROUPS[groups]
    train, validation = split_by_group(few.target, groups, fraction)
    assert not set(groups[train]) & set(groups[validation])
    np.testing.assert_array_equal(np.sort([*train, *validation]), np.arange(160))
    for part in (train, validation):
        assert set(few.target[part]) == {0, 1, 2, 3}
    # The tolerance is large, because a group contains up to 16% of the images, and
    # because older versions of scikit-learn balance the groups less well.
    assert len(validation) / 160 == pytest.approx(fraction, abs=0.15)


def test_split_by_groups_depends_on_the_seed_only(few):
    groups = GROUPS["tens"]
    first, again = (split_by_group(few.target, groups, 0.25) for _ in range(2))
    np.testing.assert_array_equal(first[1], again[1])
    others = [split_by_group(few.target, groups, 0.25, seed) for seed in range(1, 5)]
    assert any(not np.array_equal(first[1], other[1]) for other in others)


def test_split_of_some_rows_by_groups(few):
    rows = np.flatnonzero(few.target < 2)
    groups = GROUPS["scattered"]
    train, validation = split_by_group(few.target, groups, 0.3, rows=rows)
    np.testing.assert_array_equal(np.sort([*train, *validation]), rows)
    assert not set(groups[train]) & set(groups[validation])


@pytest.fixture
def held_out(monkeypatch):
    """Record the images of each evaluation."""
    evaluated = []
    evaluate = _trainer.Trainer.evaluate

    def recorded(trainer, data):
        evaluated.append(data.images.take(data.rows))
        return evaluate(trainer, data)

    monkeypatch.setattr(_trainer.Trainer, "evaluate", recorded)
    return evaluated


def images_of(held_out, images):
    """Return the indices of the images that were held out."""
    rows = {image.tobytes(): i for i, image in enumerate(images)}
    return [rows[image.tobytes()] for image in held_out[-1]]


def test_fit_keeps_groups_together(few, tiny_cnn, held_out):
    groups = GROUPS["scattered"]
    estimator = tiny_cnn(epochs=1, validation_fraction=0.2)
    estimator.fit(few.images, few.target, groups=groups)
    validation = images_of(held_out, few.images)
    training = np.setdiff1d(np.arange(160), validation)
    assert not set(groups[validation]) & set(groups[training])
    assert set(few.target[validation]) == {0, 1, 2, 3}
    again = copy.copy(estimator).fit(few.images, few.target, groups=list(groups))
    assert_same_training(again, estimator)


def test_groups_without_validation_have_no_effect(few, tiny_cnn, fitted_tiny):
    estimator = tiny_cnn().fit(few.images, few.target, groups=GROUPS["tens"])
    assert_same_training(estimator, fitted_tiny)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (lambda y: np.zeros(160), "there are 1 groups"),
        (lambda y: np.arange(160) // 80, "there are 2 groups, for 4 folds"),
        (lambda y: y, "a class is in too few groups"),
    ],
)
def test_impossible_split_by_groups(few, tiny_cnn, groups, reason):
    estimator = tiny_cnn(validation_fraction=0.25)
    match = rf"validation_fraction=0\.25.*groups kept together.*{reason}"
    with pytest.raises(ValueError, match=match):
        estimator.fit(few.images, few.target, groups=groups(few.target))
    assert fitted_state(estimator) == {}


def test_groups_of_another_length(few, tiny_cnn):
    estimator = tiny_cnn(validation_fraction=0.25)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.fit(few.images, few.target, groups=np.arange(159))
    assert fitted_state(estimator) == {}


def test_groups_are_routed(few, tiny_cnn, held_out):
    groups = GROUPS["scattered"]
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = tiny_cnn(epochs=1, validation_fraction=0.2)
        pipeline = make_pipeline(
            FunctionTransformer(), estimator.set_fit_request(groups=True)
        )
        cross_validate(
            pipeline,
            few.images,
            few.target,
            cv=GroupKFold(2),
            params={"groups": groups},
            error_score="raise",
        )
    for fold in (0, 1):
        validation = images_of(held_out[fold : fold + 1], few.images)
        outside = np.setdiff1d(np.arange(160), validation)
        # No image from a validation group may be in the training set or the test fold.
        assert not set(groups[validation]) & set(groups[outside])


# A validation set


@pytest.fixture(scope="module")
def halves(few):
    """Return images and labels for training and for validation."""
    X, y = few.images, few.target
    return X[:100], y[:100], {"X_val": X[100:], "y_val": y[100:]}


def test_validation_set_leaves_training_as_it_is(halves, tiny_cnn):
    X, y, validation = halves
    with_set = tiny_cnn(epochs=3).fit(X, y, **validation)
    without = tiny_cnn(epochs=3).fit(X, y)
    assert_same_weights(with_set, without)
    assert set(with_set.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert with_set.history_["loss"] == without.history_["loss"]
    score = with_set.score(validation["X_val"], validation["y_val"])
    assert with_set.history_["val_accuracy"][-1] == pytest.approx(score)


def test_validation_set_replaces_the_fraction(halves, tiny_cnn):
    X, y, validation = halves
    with_both = tiny_cnn(epochs=2, validation_fraction=0.3).fit(X, y, **validation)
    assert_same_training(with_both, tiny_cnn(epochs=2).fit(X, y, **validation))


def test_early_stopping_by_validation_set(halves, tiny_cnn):
    X, y, validation = halves
    estimator = tiny_cnn(
        learning_rate=0.1, epochs=60, early_stopping=True, patience=3, tol=0
    )
    estimator.fit(X, y, **validation)
    losses = estimator.history_["val_loss"]
    assert estimator.n_epochs_ < 60
    assert len(losses) == np.argmin(losses) + 1 + 3
    score = estimator.score(validation["X_val"], validation["y_val"])
    best = estimator.history_["val_accuracy"][int(np.argmin(losses))]
    assert score == pytest.approx(best)


def test_validation_set_as_lists_and_string_labels(halves, tiny_cnn):
    X, y, validation = halves
    names = np.array(["a", "b", "c", "d"])
    estimator = tiny_cnn(epochs=1).fit(
        X.tolist(),
        names[y].tolist(),
        X_val=validation["X_val"].astype(float).tolist(),
        y_val=names[validation["y_val"]].tolist(),
    )
    expected = tiny_cnn(epochs=1).fit(X, y, **validation)
    np.testing.assert_allclose(
        estimator.history_["val_loss"], expected.history_["val_loss"], rtol=1e-4
    )


def test_validation_set_may_lack_classes(halves, tiny_cnn):
    X, y, validation = halves
    some = validation["y_val"] == 2
    estimator = tiny_cnn(epochs=1).fit(
        X, y, X_val=validation["X_val"][some], y_val=validation["y_val"][some]
    )
    assert estimator.predict_proba(X).shape == (100, 4)


INVALID_SETS = {
    "X_val alone": (lambda X, y: (X, None), "X_val without y_val"),
    "y_val alone": (lambda X, y: (None, y), "y_val without X_val"),
    "other shape": (lambda X, y: (X[:, :7], y), r"X_val, y_val: X has .*\(7, 8, 1\)"),
    "other length": (lambda X, y: (X, y[1:]), "X_val, y_val: .*numbers of samples"),
    "NaN": (lambda X, y: (X * np.nan, y), "X_val, y_val: .*NaN"),
    "empty": (lambda X, y: (X[:0], y[:0]), "X_val, y_val: .*0 sample"),
    "unknown labels": (lambda X, y: (X, y + 1), r"y_val with labels \[4\].*of y, \[0"),
    "no labels": (lambda X, y: (X, np.eye(4)[y]), "X_val, y_val: .*argmax"),
}


@pytest.mark.parametrize("case", INVALID_SETS)
def test_invalid_validation_set(halves, tiny_cnn, case):
    X, y, validation = halves
    make, match = INVALID_SETS[case]
    X_val, y_val = make(validation["X_val"], validation["y_val"])
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=match):
        estimator.fit(X, y, X_val=X_val, y_val=y_val)
    assert fitted_state(estimator) == {}


def test_iterator_as_validation_set(halves, tiny_cnn):
    X, y, validation = halves
    with pytest.raises(TypeError, match=r"X_val, y_val: .*generator"):
        tiny_cnn().fit(X, y, X_val=iter(x for x in X), y_val=validation["y_val"])


def test_class_weight_holds_for_validation_set(halves, tiny_cnn):
    """Classes with zero weight do not count in the loss on the validation set."""
    X, y, validation = halves
    weights = {0: 1.0, 1: 1.0, 2: 0.0, 3: 2.0}
    estimator = tiny_cnn(epochs=1, class_weight=weights).fit(X, y, **validation)
    proba = estimator.predict_proba(validation["X_val"])
    y_val = validation["y_val"]
    weight = np.array([weights[label] for label in y_val])
    losses = -np.log(proba[np.arange(len(y_val)), y_val])
    assert estimator.history_["val_loss"][0] == pytest.approx(
        (losses * weight).mean(), rel=1e-4
    )


def test_sample_weight_does_not_hold_for_validation_set(halves, tiny_cnn):
    X, y, validation = halves
    weight = np.linspace(0.5, 3, len(y))
    estimator = tiny_cnn(epochs=1).fit(X, y, sample_weight=weight, **validation)
    proba = estimator.predict_proba(validation["X_val"])
    y_val = validation["y_val"]
    loss = -np.log(proba[np.arange(len(y_val)), y_val]).mean()
    assert estimator.history_["val_loss"][0] == pytest.approx(loss, rel=1e-4)


def test_memory_distinguishes_validation_sets(halves, tiny_cnn, tmp_path):
    X, y, validation = halves
    estimator = tiny_cnn(epochs=1, memory=tmp_path)
    shifted = validation | {"X_val": validation["X_val"] // 2}
    swapped = validation | {"y_val": validation["y_val"][::-1]}
    expected = []
    for n_stored, data in enumerate([{}, validation, shifted, swapped], start=1):
        expected.append(copy.copy(estimator.fit(X, y, **data).history_))
        assert len(stored_states(tmp_path)) == n_stored
    for data, history in zip([{}, validation, shifted, swapped], expected, strict=True):
        assert estimator.fit(X, y, **data).history_ == history
    assert len(stored_states(tmp_path)) == 4


def test_memory_distinguishes_groups(few, tiny_cnn, tmp_path):
    estimator = tiny_cnn(epochs=1, memory=tmp_path, validation_fraction=0.2)
    for groups in (None, GROUPS["tens"], GROUPS["scattered"], GROUPS["tens"]):
        estimator.fit(few.images, few.target, groups=groups)
    assert len(stored_states(tmp_path)) == 3


def test_validation_set_is_not_kept(halves, tiny_cnn):
    X, y, validation = halves
    with_set = tiny_cnn(epochs=1).fit(X, y, **validation)
    without = tiny_cnn(epochs=1).fit(X, y)
    difference = len(pickle.dumps(with_set)) - len(pickle.dumps(without))
    assert difference < 1000


def test_validation_set_in_a_warm_start(halves, tiny_cnn):
    X, y, validation = halves
    short = tiny_cnn(epochs=1, warm_start=True)
    short.fit(X, y, **validation).fit(X, y, **validation)
    assert_same_training(short, tiny_cnn(epochs=2).fit(X, y, **validation))


# Tolerance


@pytest.fixture(scope="module")
def stopped(halves, tiny_cnn):
    """Return a function that fits with early stopping and the given `tol`."""

    @functools.cache
    def fit(tol):
        estimator = tiny_cnn(epochs=40, early_stopping=True, patience=2, tol=tol)
        X, y, validation = halves
        return estimator.fit(X, y, **validation)

    return fit


def test_larger_tolerance_stops_earlier(stopped):
    epochs = [stopped(tol).n_epochs_ for tol in (0, 0.05, 10.0)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] > epochs[2]
    # The first epoch always counts as an improvement. No later epoch improves by 10.
    assert epochs[2] == 1 + 2


@pytest.mark.parametrize("tol", [0, 0.05, 10.0])
def test_best_epoch_is_restored_with_any_tolerance(stopped, halves, tol):
    estimator = stopped(tol)
    X_val, y_val = halves[2].values()
    proba = estimator.predict_proba(X_val)
    loss = -np.log(proba[np.arange(len(y_val)), y_val]).mean()
    assert loss == pytest.approx(min(estimator.history_["val_loss"]), rel=1e-4)


@pytest.mark.parametrize("tol", [-1e-4, np.nan, "small", None])
def test_invalid_tolerance(few, tiny_cnn, tol):
    with pytest.raises(ValueError, match=r"'tol' .* must be a float in the range"):
        tiny_cnn(tol=tol).fit(few.images, few.target)
