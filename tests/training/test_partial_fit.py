"""Training one epoch at a time with partial_fit."""

import copy

import numpy as np
import pytest
from helpers import (
    assert_same_training,
    fitted_state,
)


def test_partial_fit_adds_one_epoch_per_call(few, tiny_cnn):
    estimator = tiny_cnn(batch_size=16)
    classes = np.arange(4)
    for call in range(1, 9):
        estimator.partial_fit(few.images, few.target, classes=classes)
        assert estimator.n_epochs_ == call
        assert len(estimator.history_["loss"]) == call
    assert estimator.history_["loss"][-1] < 0.5 * estimator.history_["loss"][0]
    assert estimator.score(few.images, few.target) > 0.8


def test_first_partial_fit_equals_fit_of_one_epoch(few, tiny_cnn):
    partial = tiny_cnn().partial_fit(few.images, few.target, classes=np.arange(4))
    full = tiny_cnn(epochs=1).fit(few.images, few.target)
    assert_same_training(partial, full)


def test_partial_fit_accepts_data_of_one_class(few, tiny_cnn):
    estimator = tiny_cnn()
    classes = ["a", "b", "c", "d"]
    labels = np.array(classes)[few.target]
    only = labels == "c"
    estimator.partial_fit(few.images[only], labels[only], classes=classes)
    estimator.partial_fit(few.images[~only], labels[~only])
    np.testing.assert_array_equal(estimator.classes_, classes)
    assert estimator.predict_proba(few.images[:3]).shape == (3, 4)


def test_partial_fit_rejects_single_class(few, tiny_cnn):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=r"classes=\[3\], but expected two or more"):
        estimator.partial_fit(few.images, np.full(160, 3), classes=[3])
    assert fitted_state(estimator) == {}


def test_partial_fit_rejects_data_without_positive_weight(few, tiny_cnn):
    estimator = tiny_cnn(class_weight={0: 0, 1: 1, 2: 1, 3: 1})
    only = few.target == 0
    with pytest.raises(ValueError, match="No sample has a positive weight"):
        estimator.partial_fit(few.images[only], few.target[only], classes=range(4))
    assert fitted_state(estimator) == {}


def test_partial_fit_requires_classes_in_first_call(few, tiny_cnn):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        estimator.partial_fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_partial_fit_rejects_unknown_labels(few, tiny_cnn, fitted_tiny):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=r"labels \[3\] that are not among"):
        estimator.partial_fit(few.images, few.target, classes=[0, 1, 2])
    assert fitted_state(estimator) == {}

    estimator = copy.deepcopy(fitted_tiny)
    before = fitted_state(estimator)
    with pytest.raises(ValueError, match=r"labels \[7\] that are not among"):
        estimator.partial_fit(few.images[:3], [7, 0, 1])
    with pytest.raises(ValueError, match=r"classes=.* is not the same"):
        estimator.partial_fit(few.images, few.target, classes=[0, 1])
    assert fitted_state(estimator) == before


def test_partial_fit_rejects_early_stopping(few, tiny_cnn):
    estimator = tiny_cnn(early_stopping=True, validation_fraction=0.2)
    with pytest.raises(ValueError, match="early_stopping=True, but partial_fit"):
        estimator.partial_fit(few.images, few.target, classes=np.arange(4))
    assert fitted_state(estimator) == {}
