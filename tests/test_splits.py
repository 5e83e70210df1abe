"""Who trains on what: folds, the split inside a fit, and no leak between them."""

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

import skcnn._train
from skcnn import CNNClassifier

# Tags


def test_is_a_classifier_to_scikit_learn():
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


# Folds


@pytest.fixture(scope="module")
def class_ordered(digits):
    """Ten classes of 50 images, one class after the other, as folders are read."""
    rows = np.concatenate([np.flatnonzero(digits.target == k)[:50] for k in range(10)])
    return digits.images[rows], digits.target[rows]


def test_folds_of_class_ordered_data_hold_every_class(class_ordered, tiny_cnn):
    X, y = class_ordered
    cv = check_cv(5, y, classifier=is_classifier(tiny_cnn()))
    assert isinstance(cv, StratifiedKFold)

    results = cross_validate(tiny_cnn(), X, y, cv=5, return_indices=True)
    assert len(results["indices"]["test"]) == 5
    for train, test in zip(*results["indices"].values(), strict=True):
        assert_array_equal(np.bincount(y[test]), np.full(10, 10))
        assert_array_equal(np.bincount(y[train]), np.full(10, 40))
        assert np.intersect1d(train, test).size == 0
    # 0.0 in unstratified folds: each would hold the two classes not trained on.
    assert results["test_score"].min() > 0.6


# Chance: 600 images of noise in five classes that mean nothing

N_CLASSES = 5


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (600, 8, 8, 1), dtype=np.uint8)
    return X, rng.integers(0, N_CLASSES, 600)


@pytest.fixture
def memorizer(tiny_cnn):
    """A network that learns such noise by heart."""
    return tiny_cnn(filters=(24,), dense_units=96, normalize=True, epochs=20)


def four_sigma(n):
    """How far from chance an honest accuracy on n images may be: 1 in 16,000."""
    chance = 1 / N_CLASSES
    return 4 * np.sqrt(chance * (1 - chance) / n)


def test_random_labels_are_at_chance(noise, memorizer):
    X, y = noise
    results = cross_validate(memorizer, X, y, cv=5, return_train_score=True)
    # It has learned what it has seen, so a leak of training images would show.
    assert results["train_score"].min() > 0.9
    accuracy = results["test_score"].mean()
    assert abs(accuracy - 1 / N_CLASSES) < four_sigma(len(y))


def test_the_bound_on_chance_finds_a_leak(noise, memorizer):
    """The test above can fail: it does when a third of the images were trained on."""
    X, y = noise
    train, test = train_test_split(np.arange(600), test_size=0.4, random_state=0)
    network = memorizer.fit(X[train], y[train])
    honest = network.score(X[test], y[test])
    assert abs(honest - 1 / N_CLASSES) < four_sigma(len(test))
    leaky = np.concatenate([test, train[: len(test) // 2]])
    leaked = network.score(X[leaky], y[leaky])
    assert leaked - 1 / N_CLASSES > four_sigma(len(leaky))


# The split inside a fit


@pytest.fixture
def fed(monkeypatch):
    """Rows that fits have trained on and validated on, fit after fit."""
    rows = []
    train = skcnn._train.train

    def recorded(trainer, data, validation, **kwargs):
        rows.append((data.rows, None if validation is None else validation.rows))
        return train(trainer, data, validation, **kwargs)

    monkeypatch.setattr(skcnn._train, "train", recorded)
    return rows


def test_inner_split_is_stratified_and_disjoint(class_ordered, tiny_cnn, fed):
    X, y = class_ordered
    uneven = np.r_[:100, 100:150:2, 150:500]  # 25 of class 2
    X, y = X[uneven], y[uneven]
    tiny_cnn(epochs=1, validation_fraction=0.2).fit(X, y)
    ((train, validation),) = fed
    assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(y)))
    expected = np.where(np.arange(10) == 2, 5, 10)
    assert_array_equal(np.bincount(y[validation]), expected)


def test_inner_split_is_seeded(few, tiny_cnn, fed):
    for random_state in (0, 0, 1):
        network = tiny_cnn(
            epochs=1, validation_fraction=0.25, random_state=random_state
        )
        np.random.seed(len(fed))  # noqa: NPY002, makes no difference
        network.fit(few.images, few.target)
    first, again, other = fed
    assert_array_equal(first[1], again[1])
    assert len(first[1]) == len(other[1]) == 40
    assert not np.array_equal(first[1], other[1])


def test_no_inner_split_unless_asked_for(few, tiny_cnn, fed):
    network = tiny_cnn(epochs=1).fit(few.images, few.target)
    ((train, validation),) = fed
    assert_array_equal(train, np.arange(160))
    assert validation is None
    assert set(network.history_) == {"loss", "accuracy"}


def test_samples_without_weight_are_neither_trained_nor_validated_on(
    few, tiny_cnn, fed
):
    weight = np.ones(160)
    weight[::4] = 0
    network = tiny_cnn(epochs=1, validation_fraction=0.25)
    network.fit(few.images, few.target, sample_weight=weight)
    ((train, validation),) = fed
    used = np.sort(np.concatenate([train, validation]))
    assert_array_equal(used, np.flatnonzero(weight))


def test_inner_split_of_a_fold_comes_from_its_training_images(few, tiny_cnn, fed):
    network = tiny_cnn(epochs=1, validation_fraction=0.25)
    cross_validate(network, few.images, few.target, cv=2)
    assert len(fed) == 2
    for train, validation in fed:  # 80 images are all that a fit is given
        assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(80))


def test_class_ordered_data_are_validated_on_every_class(class_ordered, fast_cnn):
    """The last rows, which Keras' validation_split takes, hold two classes of ten."""
    X, y = class_ordered
    network = fast_cnn(validation_fraction=0.2).fit(X, y)
    assert len(network.history_["val_accuracy"]) == network.n_epochs_ == 5
    assert network.history_["val_accuracy"][-1] > 0.6


def test_inner_validation_of_random_labels_is_at_chance(noise, memorizer):
    X, y = noise
    network = memorizer.set_params(validation_fraction=0.3).fit(X, y)
    assert network.history_["accuracy"][-1] > 0.9
    accuracy = network.history_["val_accuracy"][-1]
    assert abs(accuracy - 1 / N_CLASSES) < four_sigma(180)


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_split_that_leaves_out_classes_is_refused(few, tiny_cnn, fraction):
    with pytest.raises(
        ValueError, match=f"Got validation_fraction={fraction}, but 160"
    ):
        tiny_cnn(validation_fraction=fraction).fit(few.images, few.target)
