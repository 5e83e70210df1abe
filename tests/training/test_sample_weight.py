"""Sample weights and class weights in the loss."""

import numpy as np
import pytest
from helpers import STOCHASTIC, assert_same_training, fitted_state, network_values
from sklearn.utils.class_weight import compute_sample_weight


def test_zero_weight_equals_leaving_the_sample_out(few, tiny_cnn):
    X, y = few.images, few.target
    weight = np.random.default_rng(0).choice([0.0, 0.5, 2.0], len(X))
    has_weight = weight > 0
    settings = STOCHASTIC | {"class_weight": None}
    with_zeros = tiny_cnn(**settings, epochs=2).fit(X, y, sample_weight=weight)
    without = tiny_cnn(**settings, epochs=2)
    without.fit(X[has_weight], y[has_weight], sample_weight=weight[has_weight])
    assert_same_training(with_zeros, without)


def test_unit_weights_equal_no_weights(few, tiny_cnn, fitted_tiny):
    weighted = tiny_cnn().fit(few.images, few.target, sample_weight=np.ones(160))
    for a, b in zip(network_values(weighted), network_values(fitted_tiny), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_sample_weight_decides_between_conflicting_labels(few, tiny_cnn):
    """Each image appears twice, once with its own label and once with a wrong label."""
    wrong = (few.target + 1) % 4
    X = np.concatenate([few.images, few.images])
    y = np.concatenate([few.target, wrong])
    for weight, labels in ((0.01, few.target), (100.0, wrong)):
        sample_weight = np.repeat([1.0, weight], 160)
        estimator = tiny_cnn(epochs=8).fit(X, y, sample_weight=sample_weight)
        assert estimator.score(few.images, labels) > 0.8


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5, 2: 1, 3: 2}])
def test_class_weight_equals_sample_weight_by_class(few, tiny_cnn, class_weight):
    X, y = few.images[20:], few.target[20:]
    settings = {"epochs": 2, "validation_fraction": 0.2}
    by_class = tiny_cnn(**settings, class_weight=class_weight).fit(X, y)
    weight = compute_sample_weight(class_weight, y)
    by_sample = tiny_cnn(**settings).fit(X, y, sample_weight=weight)
    assert len(np.unique(weight)) > 1
    assert_same_training(by_class, by_sample)


def test_class_weight_multiplies_sample_weight(few, tiny_cnn):
    X, y = few.images, few.target
    classes, samples = {0: 3.0, 2: 0.5}, np.linspace(0, 1, len(y))
    both = tiny_cnn(epochs=1, class_weight=classes).fit(X, y, sample_weight=samples)
    product = compute_sample_weight(classes, y) * samples
    assert_same_training(both, tiny_cnn(epochs=1).fit(X, y, sample_weight=product))


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
def test_invalid_sample_weight(few, tiny_cnn, weight, message):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.images, few.target, sample_weight=weight)
    assert fitted_state(estimator) == {}


def test_sample_weight_must_leave_two_classes(few, tiny_cnn):
    weight = (few.target == 2).astype(float)
    with pytest.raises(ValueError, match="positive weight are of one class"):
        tiny_cnn().fit(few.images, few.target, sample_weight=weight)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: -1.0, 1: 1.0}, "numbers that are finite and not negative"),
        ({0: np.nan}, "numbers that are finite and not negative"),
        ({0: np.inf}, "numbers that are finite and not negative"),
        ({0: "much"}, "numbers that are finite and not negative"),
        ({7: 1.0}, r"labels that are among the classes \[0, 1, 2, 3\]"),
    ],
    ids=["negative", "nan", "inf", "text", "unknown-label"],
)
def test_invalid_class_weight(few, tiny_cnn, class_weight, message):
    estimator = tiny_cnn(class_weight=class_weight)
    with pytest.raises(ValueError, match=f"class_weight=.*, but expected {message}"):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_class_weight_of_absent_class_is_ignored(few, tiny_cnn):
    """As in scikit-learn, every class in the data must still have a weight."""
    weights = {0: 1, 1: 2, 2: 3, 3: 4, 99: 5}
    with_absent = tiny_cnn(epochs=1, class_weight=weights).fit(few.images, few.target)
    del weights[99]
    assert_same_training(
        with_absent,
        tiny_cnn(epochs=1, class_weight=weights).fit(few.images, few.target),
    )


def test_class_weight_of_class_absent_from_partial_fit(few, tiny_cnn):
    estimator = tiny_cnn(class_weight={0: 3.0, 3: 0.5})
    batch = np.isin(few.target, [0, 1])
    X, y = few.images[batch], few.target[batch]
    estimator.partial_fit(X, y, classes=np.arange(4))
    weighted = tiny_cnn().partial_fit(
        X, y, classes=np.arange(4), sample_weight=np.where(y == 0, 3.0, 1.0)
    )
    assert_same_training(estimator, weighted)
