"""The images in the folds and in the inner validation split, and tests for leaks."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import is_classifier
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    check_cv,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from skcnn import CNNClassifier
from skcnn._training._loop import TrainingLoop


def test_tags():
    network = CNNClassifier()
    assert is_classifier(network)
    assert is_classifier(make_pipeline(network))
    assert is_classifier(GridSearchCV(network, {}))
    tags = get_tags(network)
    assert tags.estimator_type == "classifier"
    assert tags.classifier_tags.multi_class
    assert not tags.classifier_tags.multi_label
    assert tags.target_tags.required
    assert not tags.target_tags.multi_output
    assert not tags.input_tags.sparse
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.allow_nan


@pytest.fixture(scope="module")
def class_ordered(digits):
    """Return 50 images of each of ten classes, sorted by class as in a folder."""
    rows = np.concatenate([np.flatnonzero(digits.target == k)[:50] for k in range(10)])
    return digits.images[rows], digits.target[rows]


def test_folds_of_class_ordered_data_have_every_class(class_ordered, tiny_cnn):
    X, y = class_ordered
    cv = check_cv(5, y, classifier=is_classifier(tiny_cnn()))
    assert isinstance(cv, StratifiedKFold)

    results = cross_validate(tiny_cnn(), X, y, cv=5, return_indices=True)
    assert len(results["indices"]["test"]) == 5
    for train, test in zip(*results["indices"].values(), strict=True):
        assert_array_equal(np.bincount(y[test]), np.full(10, 10))
        assert_array_equal(np.bincount(y[train]), np.full(10, 40))
        assert np.intersect1d(train, test).size == 0
    # Without stratification, a network would be tested only on classes that it has not
    # seen in training, and its accuracy would be 0.
    assert results["test_score"].min() > 0.6


N_CLASSES = 5


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (600, 8, 8, 1), dtype=np.uint8)
    return X, rng.integers(0, N_CLASSES, 600)


@pytest.fixture
def memorizing_cnn(tiny_cnn):
    """Return a network that memorizes noise."""
    return tiny_cnn(filters=(24,), dense_units=96, normalize=True, epochs=20)


def four_standard_errors(n):
    """Return a bound on the deviation from chance on n images (p = 6e-5)."""
    chance = 1 / N_CLASSES
    return 4 * np.sqrt(chance * (1 - chance) / n)


def test_cross_validation_on_random_labels_is_at_chance(noise, memorizing_cnn):
    X, y = noise
    results = cross_validate(memorizing_cnn, X, y, cv=5, return_train_score=True)
    # The network has memorized its training images, so a leak would raise the score.
    assert results["train_score"].min() > 0.9
    accuracy = results["test_score"].mean()
    assert abs(accuracy - 1 / N_CLASSES) < four_standard_errors(len(y))


def test_bound_on_chance_detects_a_leak(noise, memorizing_cnn):
    """The bound is exceeded if a third of the test images are also training images."""
    X, y = noise
    train, test = train_test_split(np.arange(600), test_size=0.4, random_state=0)
    network = memorizing_cnn.fit(X[train], y[train])
    accuracy = network.score(X[test], y[test])
    assert abs(accuracy - 1 / N_CLASSES) < four_standard_errors(len(test))
    with_leak = np.concatenate([test, train[: len(test) // 2]])
    leaked = network.score(X[with_leak], y[with_leak])
    assert leaked - 1 / N_CLASSES > four_standard_errors(len(with_leak))


@pytest.fixture
def fit_rows(monkeypatch):
    """Record the training rows and the validation rows of each fit."""
    rows = []
    run = TrainingLoop.run

    def recorded(loop, n_epochs):
        (stage,) = loop.stages
        validation = stage.validation
        rows.append((stage.data.rows, None if validation is None else validation.rows))
        return run(loop, n_epochs)

    monkeypatch.setattr(TrainingLoop, "run", recorded)
    return rows


def test_inner_split_is_stratified_and_disjoint(class_ordered, tiny_cnn, fit_rows):
    X, y = class_ordered
    uneven = np.r_[:100, 100:150:2, 150:500]  # only 25 images of class 2
    X, y = X[uneven], y[uneven]
    tiny_cnn(epochs=1, validation_fraction=0.2).fit(X, y)
    ((train, validation),) = fit_rows
    assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(y)))
    expected = np.where(np.arange(10) == 2, 5, 10)
    assert_array_equal(np.bincount(y[validation]), expected)


def test_inner_split_is_seeded(few, tiny_cnn, fit_rows):
    for random_state in (0, 0, 1):
        network = tiny_cnn(
            epochs=1, validation_fraction=0.25, random_state=random_state
        )
        np.random.seed(len(fit_rows))  # noqa: NPY002, must have no effect
        network.fit(few.images, few.target)
    first, again, other = fit_rows
    assert_array_equal(first[1], again[1])
    assert len(first[1]) == len(other[1]) == 40
    assert not np.array_equal(first[1], other[1])


def test_no_inner_split_by_default(few, tiny_cnn, fit_rows):
    network = tiny_cnn(epochs=1).fit(few.images, few.target)
    ((train, validation),) = fit_rows
    assert_array_equal(train, np.arange(160))
    assert validation is None
    assert set(network.history_) == {"loss", "accuracy"}


def test_samples_of_zero_weight_are_in_neither_part(few, tiny_cnn, fit_rows):
    weight = np.ones(160)
    weight[::4] = 0
    network = tiny_cnn(epochs=1, validation_fraction=0.25)
    network.fit(few.images, few.target, sample_weight=weight)
    ((train, validation),) = fit_rows
    used = np.sort(np.concatenate([train, validation]))
    assert_array_equal(used, np.flatnonzero(weight))


def test_inner_split_of_a_fold_uses_its_training_images(few, tiny_cnn, fit_rows):
    network = tiny_cnn(epochs=1, validation_fraction=0.25)
    cross_validate(network, few.images, few.target, cv=2)
    assert len(fit_rows) == 2
    for train, validation in fit_rows:  # each fit gets 80 images
        assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(80))


def test_inner_validation_of_class_ordered_data_has_every_class(
    class_ordered, fast_cnn
):
    """Keras' validation_split would take the last rows, which have only two classes."""
    X, y = class_ordered
    network = fast_cnn(validation_fraction=0.2).fit(X, y)
    assert len(network.history_["val_accuracy"]) == network.n_epochs_ == 5
    assert network.history_["val_accuracy"][-1] > 0.6


def test_inner_validation_of_random_labels_is_at_chance(noise, memorizing_cnn):
    X, y = noise
    network = memorizing_cnn.set_params(validation_fraction=0.3).fit(X, y)
    assert network.history_["accuracy"][-1] > 0.9
    accuracy = network.history_["val_accuracy"][-1]
    assert abs(accuracy - 1 / N_CLASSES) < four_standard_errors(180)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_inner_split_must_have_every_class_in_both_parts(few, tiny_cnn, fraction):
    with pytest.raises(
        ValueError, match=f"Got validation_fraction={fraction}, but 160"
    ):
        tiny_cnn(validation_fraction=fraction).fit(few.images, few.target)
