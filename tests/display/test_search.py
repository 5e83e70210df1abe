"""Scores of searches: box plots and heat maps."""

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

# Displays draw what any search has found.
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


def labels(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_boxes_of_candidates_the_best_on_top(search):
    display = SearchDisplay.from_search(search)
    left, right = display.axes_.flat
    assert (left.get_xlabel(), right.get_xlabel()) == ("Accuracy", "Log loss")
    order = np.argsort(-search.cv_results_["mean_test_accuracy"], kind="stable")
    params = search.cv_results_["params"]
    names = [
        f"criterion={params[i]['criterion']}, max_depth={params[i]['max_depth']}"
        for i in order
    ]
    assert labels(left) == names
    assert set(labels(right)) == {""}  # the same candidates
    assert left.yaxis_inverted()
    for i, points in zip(order, display.points_[0], strict=True):
        assert_array_equal(points.get_xdata(), fold_scores(search, "accuracy")[i])
    for i, points in zip(order, display.points_[1], strict=True):
        assert_array_equal(points.get_xdata(), -fold_scores(search, "neg_log_loss")[i])
    medians = [line.get_xdata()[0] for line in display.boxes_[0]["medians"]]
    assert_allclose(medians, np.median(fold_scores(search, "accuracy")[order], axis=1))


def test_the_best_of_many(search):
    display = SearchDisplay.from_search(search, n_candidates=2)
    assert len(display.points_[0]) == 2
    axes = display.axes_.flat[0]
    assert labels(axes)[0].endswith("max_depth=4")
    assert axes.get_ylabel() == "The 2 best of 6 candidates"


def test_boxes_of_one_parameter_with_all_others(search):
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
    assert labels(axes) == ["gini", "entropy"]
    loss = np.asarray(display.images_[1].get_array())
    assert (loss > 0).all()
    # In both the best is the brightest.
    for shown, best in zip(display.images_, (image.max(), loss.min()), strict=True):
        values = np.asarray(shown.get_array()).ravel()
        brightness = shown.cmap(shown.norm(values))[:, :3].sum(axis=1)
        assert values[brightness.argmax()] == best


@pytest.mark.parametrize(
    ("scoring", "expected"),
    [(None, "Accuracy"), ("f1_macro", "F1 macro"), ("neg_log_loss", "Log loss")],
)
def test_a_search_with_one_score(digits, scoring, expected):
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
    assert all(label.startswith("max_depth=") for label in labels(axes))


def test_of_halving_each_candidates_last_iteration(digits):
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


def test_a_candidate_that_failed_comes_last(digits):
    search = GridSearchCV(
        DecisionTreeClassifier(), {"max_depth": [-1, 2]}, cv=2, refit=False
    )
    with pytest.warns(Warning, match="fits failed|non-finite"):
        search.fit(digits.rows, digits.target)
    display = SearchDisplay.from_search(search)
    (axes,) = display.axes_.flat
    assert labels(axes) == ["max_depth=2", "max_depth=-1"]
    assert [len(points.get_xdata()) for points in display.points_[0]] == [2, 0]


def test_names_of_a_pipelines_step_are_left_out():
    params = [{"cnn__l2": 0.1, "cnn__epochs": 3}, {"cnn__l2": 0.01, "cnn__epochs": 3}]
    display = SearchDisplay({"accuracy": [[0.5, 0.6], [0.7, 0.8]]}, params).plot()
    assert labels(display.axes_.flat[0]) == ["l2=0.01", "l2=0.1"]


@pytest.mark.parametrize(
    ("by", "match"),
    [
        ("depth", "Got by with 'depth', but the search varied"),
        (("max_depth",), "the name of a parameter, or two"),
        (("max_depth", "depth"), "Got by with 'depth'"),
    ],
)
def test_what_was_not_varied_is_refused(search, by, match):
    with pytest.raises(ValueError, match=match):
        SearchDisplay.from_search(search, by=by)


def test_a_search_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        SearchDisplay.from_search(GridSearchCV(DecisionTreeClassifier(), GRID))
