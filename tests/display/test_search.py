"""Tests of SearchDisplay."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.tree import DecisionTreeClassifier

from skcnn.display import SearchDisplay

# SearchDisplay accepts searches over any classifier, so use one that trains fast.
GRID = {"max_depth": [1, 2, 4], "criterion": ["gini", "entropy"]}


@pytest.fixture(scope="module")
def search(digits):
    return GridSearchCV(
        DecisionTreeClassifier(random_state=0),
        GRID,
        cv=3,
        scoring=["accuracy", "neg_log_loss"],
        refit="accuracy",
    ).fit(digits.rows, digits.target)


def fold_scores(search, name):
    results = search.cv_results_
    return np.transpose([results[f"split{i}_test_{name}"] for i in range(3)])


def y_tick_labels(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_candidates_are_ordered_by_score(search):
    display = SearchDisplay.from_search(search)
    left, right = display.axes_.flat
    assert (left.get_xlabel(), right.get_xlabel()) == ("Accuracy", "Log loss")
    order = np.argsort(-search.cv_results_["mean_test_accuracy"], kind="stable")
    params = search.cv_results_["params"]
    names = [
        f"criterion={params[i]['criterion']}, max_depth={params[i]['max_depth']}"
        for i in order
    ]
    assert y_tick_labels(left) == names
    assert set(y_tick_labels(right)) == {""}  # only the first panel shows names
    assert left.yaxis_inverted()
    for i, points in zip(order, display.points_[0], strict=True):
        assert_array_equal(points.get_xdata(), fold_scores(search, "accuracy")[i])
    for i, points in zip(order, display.points_[1], strict=True):
        assert_array_equal(points.get_xdata(), -fold_scores(search, "neg_log_loss")[i])
    medians = [line.get_xdata()[0] for line in display.boxes_[0]["medians"]]
    assert_allclose(medians, np.median(fold_scores(search, "accuracy")[order], axis=1))


def test_n_candidates_selects_the_best(search):
    display = SearchDisplay.from_search(search, n_candidates=2)
    assert len(display.points_[0]) == 2
    axes = display.axes_.flat[0]
    assert y_tick_labels(axes)[0].endswith("max_depth=4")
    assert axes.get_ylabel() == "The 2 best of 6 candidates"


def test_boxes_by_parameter(search):
    display = SearchDisplay.from_search(search, by="max_depth")
    axes = display.axes_.flat[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "4"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("max_depth", "Accuracy")
    depths = np.array([params["max_depth"] for params in search.cv_results_["params"]])
    for depth, points in zip((1, 2, 4), display.points_[0], strict=True):
        expected = fold_scores(search, "accuracy")[depths == depth].ravel()
        assert len(expected) == 6
        assert_array_equal(points.get_ydata(), expected)


def test_heat_map_of_two_parameters(search):
    display = SearchDisplay.from_search(search, by=("criterion", "max_depth"))
    assert display.boxes_ is None
    axes, _ = display.axes_.flat
    image = np.asarray(display.images_[0].get_array())
    means = search.cv_results_["mean_test_accuracy"]
    params = search.cv_results_["params"]
    for i, criterion in enumerate(["gini", "entropy"]):
        for j, depth in enumerate([1, 2, 4]):
            k = params.index({"criterion": criterion, "max_depth": depth})
            assert_allclose(image[i, j], means[k])
    assert [text.get_text() for text in axes.texts] == [
        f"{m:.3f}" for m in image.ravel()
    ]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("criterion", "max_depth")
    assert y_tick_labels(axes) == ["gini", "entropy"]
    loss = np.asarray(display.images_[1].get_array())
    assert (loss > 0).all()
    # In both heat maps, the best score must be the brightest.
    for heat_map, best in zip(display.images_, (image.max(), loss.min()), strict=True):
        values = np.asarray(heat_map.get_array()).ravel()
        brightness = heat_map.cmap(heat_map.norm(values))[:, :3].sum(axis=1)
        assert values[brightness.argmax()] == best


@pytest.mark.parametrize(
    ("scoring", "expected"),
    [(None, "Accuracy"), ("f1_macro", "F1 macro"), ("neg_log_loss", "Log loss")],
)
def test_search_with_a_single_score(digits, scoring, expected):
    search = RandomizedSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 2, 3]},
        n_iter=2,
        cv=2,
        scoring=scoring,
        random_state=0,
    ).fit(digits.rows, digits.target)
    (axes,) = SearchDisplay.from_search(search).axes_.flat
    assert axes.get_xlabel() == expected
    sampled = {f"max_depth={p['max_depth']}" for p in search.cv_results_["params"]}
    assert len(sampled) == 2
    assert set(y_tick_labels(axes)) == sampled


def test_halving_search_draws_last_iterations(digits):
    search = HalvingGridSearchCV(
        LogisticRegression(),
        {"C": [0.01, 0.1, 1.0]},
        resource="max_iter",
        min_resources=1,
        max_resources=3,
        cv=2,
    )
    with pytest.warns(Warning, match="converge"):
        search.fit(digits.rows / 255, digits.target)
    display = SearchDisplay.from_search(search)
    iterations = sorted(params["max_iter"] for params in display.params)
    assert iterations == [1, 1, 3]
    assert sorted(params["C"] for params in display.params) == [0.01, 0.1, 1.0]


def test_failed_candidate_comes_last(digits):
    search = GridSearchCV(
        DecisionTreeClassifier(), {"max_depth": [-1, 2]}, cv=2, refit=False
    )
    with pytest.warns(Warning, match="fits failed|non-finite"):
        search.fit(digits.rows, digits.target)
    display = SearchDisplay.from_search(search)
    (axes,) = display.axes_.flat
    assert y_tick_labels(axes) == ["max_depth=2", "max_depth=-1"]
    assert [len(points.get_xdata()) for points in display.points_[0]] == [2, 0]


def test_labels_omit_step_names_of_pipelines():
    params = [{"cnn__l2": 0.1, "cnn__epochs": 3}, {"cnn__l2": 0.01, "cnn__epochs": 3}]
    display = SearchDisplay({"accuracy": [[0.5, 0.6], [0.7, 0.8]]}, params).plot()
    assert y_tick_labels(display.axes_.flat[0]) == ["l2=0.01", "l2=0.1"]


@pytest.mark.parametrize(
    ("by", "match"),
    [
        ("depth", "Got 'depth' in by, but expected a parameter of the search"),
        (("max_depth",), "the name of a parameter, or two names"),
        (("max_depth", "depth"), "Got 'depth' in by"),
    ],
)
def test_rejects_unknown_parameters(search, by, match):
    with pytest.raises(ValueError, match=match):
        SearchDisplay.from_search(search, by=by)


def test_rejects_unfitted_search():
    with pytest.raises(NotFittedError):
        SearchDisplay.from_search(GridSearchCV(DecisionTreeClassifier(), GRID))
