"""Fits with `memory` are reused and resumed, which does not change their results."""

import functools
import re

import joblib
import numpy as np
import pytest
from helpers import fit_result, interrupt, small_builder, stored_states
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_validate,
    validation_curve,
)

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()
from keras import layers, optimizers  # noqa: E402

DEEP = {"filters": (4, 6), "dense_units": 8, "normalize": True}
COSINE = optimizers.schedules.CosineDecay(0.05, 40)
CASES = {
    "dropout": DEEP | {"dropout": 0.2, "last_dropout": 0.3},
    "augmentation": DEEP | {"augment": True},
    "augmentation layer": DEEP | {"augment": layers.RandomFlip()},
    "early stopping": DEEP
    | {"validation_fraction": 0.3, "early_stopping": True, "patience": 9},
    "stopped early": {
        **{"validation_fraction": 0.3, "early_stopping": True, "patience": 2},
        "learning_rate": 0.5,
    },
    "schedule": DEEP | {"optimizer": "sgd", "learning_rate": COSINE},
    "class weights": DEEP | {"class_weight": "balanced"},
    "averages": DEEP | {"average": True, "batch_norm": True},
    "averages of Keras": DEEP
    | {"optimizer": functools.partial(optimizers.Adam, use_ema=True)},
    "averages and early stopping": DEEP
    | {"average": True, "validation_fraction": 0.3, "early_stopping": True},
    "bfloat16": DEEP | {"precision": "bfloat16"},
}


@pytest.fixture(params=[*CASES, "builder"])
def estimator(request, tiny_cnn):
    """Return an estimator without `memory`, with the parameters of the test case."""
    if request.param == "builder":
        return CNNClassifier(
            functools.partial(small_builder, units=5), batch_size=32, random_state=0
        )
    return tiny_cnn(**CASES[request.param])


def test_result_is_the_same_continued_interrupted_or_loaded(
    few, estimator, tmp_path, trained_epochs, checkpoint_every_epoch
):
    X, y = few.images, few.target
    expected = fit_result(estimator.set_params(epochs=6).fit(X, y), X)
    n_epochs = len(trained_epochs)
    trained_epochs.clear()

    estimator.set_params(memory=tmp_path / "continued", epochs=2).fit(X, y)
    assert fit_result(estimator.set_params(epochs=6).fit(X, y), X) == expected
    assert trained_epochs == [*range(n_epochs)]  # each epoch once

    trained_epochs.clear()
    trained_epochs.hooks[2] = interrupt
    estimator.set_params(memory=tmp_path / "interrupted")
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        estimator.fit(X, y)
    trained_epochs.hooks.clear()
    assert fit_result(estimator.fit(X, y), X) == expected
    assert trained_epochs == [*range(n_epochs)]

    trained_epochs.clear()
    assert fit_result(estimator.fit(X, y), X) == expected
    assert trained_epochs == []
    shorter = estimator.set_params(epochs=2).fit(X, y)
    assert trained_epochs == [0, 1]  # the states after later epochs are of no use
    assert shorter.n_epochs_ == 2


def test_loaded_fit_can_be_trained_further(few, tiny_cnn, tmp_path):
    params = CASES["averages"] | {"epochs": 3, "warm_start": True}
    expected = tiny_cnn(**params).fit(few.images, few.target)
    expected.fit(few.images, few.target)
    for _ in range(2):
        stored = tiny_cnn(**params, memory=tmp_path)
        stored.fit(few.images, few.target).fit(few.images, few.target)
        assert fit_result(stored, few.images) == fit_result(expected, few.images)
    assert stored_states(tmp_path) == ["finished-000003"]


def test_early_stopped_fit_is_not_continued(few, tiny_cnn, tmp_path):
    estimator = tiny_cnn(**CASES["stopped early"], epochs=40, memory=tmp_path)
    n_epochs = estimator.fit(few.images, few.target).n_epochs_
    assert n_epochs < 40
    assert stored_states(tmp_path) == [f"stopped-{n_epochs:06}"]
    longer = estimator.set_params(epochs=50).fit(few.images, few.target)
    assert longer.n_epochs_ == n_epochs


def test_interrupted_fit_is_kept_as_finished_if_it_has_the_epochs(
    few, tiny_cnn, tmp_path, trained_epochs
):
    trained_epochs.hooks[3] = interrupt
    estimator = tiny_cnn(epochs=5, memory=tmp_path)
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        estimator.fit(few.images, few.target)
    trained_epochs.hooks.clear()
    estimator.set_params(epochs=3).fit(few.images, few.target)
    estimator.set_params(epochs=5).fit(few.images, few.target)
    estimator.set_params(epochs=3).fit(few.images, few.target)
    assert trained_epochs == [0, 1, 2, 3, 4]


# What determines a fit


def replaced(values, place, value):
    values = values.copy()
    values[place] = value
    return values


@pytest.mark.parametrize(
    "changed",
    [
        {"l2": 0.1},
        {"learning_rate": 0.02},
        {"random_state": 1},
        {"batch_size": 31},
        {"augment": {"zoom": 0.1}},
        {"augment": layers.RandomFlip()},
        {"average": True},
        {"class_weight": {0: 2.0}},
        {"validation_fraction": 0.3},
        {"optimizer": functools.partial(optimizers.Adam, beta_1=0.8)},
        {"optimizer": "sgd"},
        {"X": lambda X: replaced(X, (3, 4, 4, 0), 99)},
        {"X": lambda X: X.astype(np.float32)},
        {"y": lambda y: replaced(y, 5, (y[5] + 1) % 4)},
        {"y": lambda y: np.array(list("abcd"))[y]},
        {"sample_weight": lambda y: replaced(np.ones(len(y)), 3, 2.0)},
    ],
    # Remove addresses, which differ between the processes of a parallel test run.
    ids=lambda changed: re.sub(r" at 0x\w+", "", str(changed)),
)
def test_different_fit_is_trained(few, tiny_cnn, tmp_path, trained_epochs, changed):
    estimator = tiny_cnn(epochs=1, memory=tmp_path)
    X, y = few.images, few.target
    estimator.fit(X, y)
    weight = None
    for name, change in changed.items():
        if name == "X":
            X = change(X)
        elif name == "y":
            y = change(y)
        elif name == "sample_weight":
            weight = change(y)
        else:
            estimator.set_params(**{name: change})
    estimator.fit(X, y, sample_weight=weight)
    assert trained_epochs == [0, 0]
    estimator.fit(X, y, sample_weight=weight)
    assert trained_epochs == [0, 0]


def other_builder(meta, units=6):
    return small_builder(meta, units + 1)


def test_code_and_parameters_of_builder_determine_fit(few, tmp_path, trained_epochs):
    params = {"epochs": 1, "memory": tmp_path, "random_state": 0}
    estimator = CNNClassifier(small_builder, **params).fit(few.images, few.target)
    estimator.set_params(model__units=6).fit(few.images, few.target)
    n_trained = len(trained_epochs)
    estimator.set_params(model__units=7).fit(few.images, few.target)
    assert len(trained_epochs) == n_trained + 1
    CNNClassifier(other_builder, **params).fit(few.images, few.target)
    assert len(trained_epochs) == n_trained + 2


def test_parameters_without_effect_do_not_determine_fit(
    few, tiny_cnn, tmp_path, trained_epochs
):
    tiny_cnn(epochs=1, memory=str(tmp_path)).fit(few.images, few.target)
    memory = joblib.Memory(str(tmp_path), verbose=0)
    for changed in (
        {"memory": memory},
        {"warm_start": True},
        {"max_time": 1e9},
        {"patience": 7},
    ):
        tiny_cnn(epochs=1, **{"memory": tmp_path} | changed).fit(few.images, few.target)
        assert trained_epochs == [0], changed


# Searches

GRID = {"learning_rate": [1e-2, 1e-3], "l2": [1e-4, 1e-2]}


def test_repeated_search_trains_only_new_candidates(
    few, tiny_cnn, tmp_path, trained_epochs
):
    search = GridSearchCV(tiny_cnn(epochs=2, memory=tmp_path), GRID, cv=2)
    search.fit(few.images, few.target)
    assert len(trained_epochs) == 2 * (4 * 2 + 1)
    before = search.cv_results_["mean_test_score"]
    trained_epochs.clear()
    search.fit(few.images, few.target)
    assert trained_epochs == []
    assert_array_equal(search.cv_results_["mean_test_score"], before)
    search.set_params(param_grid=GRID | {"l2": [1e-4, 1e-3]}, refit=False)
    search.fit(few.images, few.target)
    assert len(trained_epochs) == 2 * (2 * 2)


def test_processes_share_a_folder(few, tiny_cnn, tmp_path, trained_epochs):
    estimator = tiny_cnn(epochs=2, memory=tmp_path)
    with joblib.parallel_config("loky", inner_max_num_threads=joblib.cpu_count()):
        scores = cross_validate(estimator, few.images, few.target, cv=2, n_jobs=2)
    again = cross_validate(estimator, few.images, few.target, cv=2)
    assert trained_epochs == []
    assert_array_equal(scores["test_score"], again["test_score"])


def test_halving_search_trains_each_epoch_once(few, tiny_cnn, tmp_path, trained_epochs):
    search = HalvingGridSearchCV(
        tiny_cnn(memory=tmp_path),
        {"learning_rate": [1e-2, 3e-3, 1e-3, 1e-4]},
        resource="epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        refit=False,
    )
    search.fit(few.images, few.target)
    assert list(search.n_resources_) == [1, 2, 4]
    # Four candidates train for one epoch, two of them for another epoch, and one of
    # these for another two epochs.
    assert len(trained_epochs) == 2 * (4 * 1 + 2 * 1 + 1 * 2)


def test_validation_curve_over_epochs_trains_each_epoch_once(
    few, tiny_cnn, tmp_path, trained_epochs
):
    curve = functools.partial(
        validation_curve,
        X=few.images,
        y=few.target,
        param_name="epochs",
        param_range=[1, 2, 4],
        cv=2,
    )
    stored = curve(tiny_cnn(memory=tmp_path))
    assert trained_epochs == [0, 1, 2, 3] * 2
    for scores, expected in zip(stored, curve(tiny_cnn()), strict=True):
        assert_array_equal(scores, expected)
