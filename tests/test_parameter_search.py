"""scikit-learn's searches over parameters of the classifier."""

import joblib
import numpy as np
import pytest
from helpers import assert_same_weights, flatten_builder
from keras import Sequential, layers
from numpy.testing import assert_array_equal
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import (
    log_loss,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

# With the first learning rate, a network learns nothing in five epochs.
LEARNING_RATES = {"learning_rate": [1e-6, 1e-2]}


def get_test_scores(search):
    """Return the test scores in cv_results_, without the times."""
    return {
        name: np.asarray(values)
        for name, values in search.cv_results_.items()
        if "_test_" in name
    }


@pytest.fixture(scope="module")
def search(few, tiny_cnn):
    metrics = ["accuracy", "neg_log_loss", "f1_macro", "roc_auc_ovr"]
    search = GridSearchCV(
        tiny_cnn(), LEARNING_RATES, scoring=metrics, refit="neg_log_loss", cv=2
    )
    return search.fit(few.images, few.target)


def test_grid_search_finds_the_better_learning_rate(few, tiny_cnn, search):
    assert search.best_params_ == {"learning_rate": 1e-2}
    bad, good = search.cv_results_["mean_test_accuracy"]
    assert bad < 0.6
    assert good > 0.8
    bad, good = search.cv_results_["mean_test_neg_log_loss"]
    assert bad < good < 0
    assert search.best_score_ == good
    assert_array_equal(search.cv_results_["rank_test_roc_auc_ovr"], [2, 1])
    assert_array_equal(search.classes_, [0, 1, 2, 3])


def test_grid_search_refits_on_all_images(few, tiny_cnn, search, fitted_tiny):
    # `fitted_tiny` has the best parameters.
    assert_same_weights(search.best_estimator_, fitted_tiny)
    assert_array_equal(search.predict(few.images), fitted_tiny.predict(few.images))
    proba = search.predict_proba(few.images)
    assert search.score(few.images, few.target) == -log_loss(few.target, proba)


def test_grid_search_in_two_processes_gives_equal_results(few, search):
    parallel = clone(search).set_params(n_jobs=2)
    # Set the number of threads, because floating-point sums depend on it.
    with joblib.parallel_config("loky", inner_max_num_threads=joblib.cpu_count()):
        parallel.fit(few.images, few.target)
    serial, parallel_scores = get_test_scores(search), get_test_scores(parallel)
    assert serial.keys() == parallel_scores.keys()
    for name, values in serial.items():
        assert_array_equal(parallel_scores[name], values, err_msg=name)
    assert_same_weights(parallel.best_estimator_, search.best_estimator_)


def failing_builder(meta, how="never"):
    if how == "raises":
        raise RuntimeError("the builder has raised")
    if how == "too large":
        return flatten_builder(meta, units=2**44)
    if how == "diverges":
        return Sequential(
            [flatten_builder(meta), layers.Rescaling(float("nan")), layers.Softmax()]
        )
    return flatten_builder(meta)


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_failed_candidates_are_reported_with_their_reasons(few):
    """The candidates raise an error, run out of memory, or have a loss of NaN."""
    reasons = {
        "raises": "the builder has raised",
        "too large": "OOM when allocating tensor",
        "diverges": "Training diverged",
    }
    network = CNNClassifier(failing_builder, epochs=2, random_state=0)
    grid = {"model__how": [*reasons, "never"]}
    search = GridSearchCV(network, grid, cv=2)
    with pytest.warns(FitFailedWarning) as caught:
        search.fit(few.images, few.target)
    (message,) = [str(w.message) for w in caught if w.category is FitFailedWarning]
    for reason in reasons.values():
        assert reason in message
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True] * 3 + [
        False
    ]
    assert search.best_params_ == {"model__how": "never"}


def get_tensorflow_threads():
    tf = import_tensorflow()
    threading = tf.config.threading
    return (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


@pytest.mark.parametrize("share", [None, 3])
def test_each_process_gets_its_share_of_processors(share):
    with joblib.parallel_config("loky", inner_max_num_threads=share):
        threads = joblib.Parallel(2)(
            joblib.delayed(get_tensorflow_threads)() for _ in range(2)
        )
    expected = share or max(1, joblib.cpu_count() // 2)
    assert threads == [(expected, expected)] * 2


def test_grid_search_over_builder_parameters(few):
    network = CNNClassifier(
        flatten_builder, learning_rate=1e-2, batch_size=32, epochs=8, random_state=0
    )
    search = GridSearchCV(network, {"model__units": [1, 24]}, cv=2, n_jobs=2)
    search.fit(few.images, few.target)
    assert search.best_params_ == {"model__units": 24}
    assert search.best_score_ > 0.8
    best = search.best_estimator_
    assert best.model_.layers[1].units == 24
    assert best.get_params()["model__units"] == 24
    assert network.get_params()["model__units"] == 8


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_diverging_candidate_scores_nan(few, tiny_cnn):
    search = GridSearchCV(
        tiny_cnn(epochs=2),
        {"learning_rate": [1e30, 1e-2]},
        cv=2,
        error_score=np.nan,
    )
    with pytest.warns(FitFailedWarning, match="Training diverged: the loss of epoch"):
        search.fit(few.images, few.target)
    assert np.isnan(search.cv_results_["mean_test_score"][0])
    assert np.isfinite(search.cv_results_["mean_test_score"][1])
    assert search.best_params_ == {"learning_rate": 1e-2}


def test_failing_candidate_ends_search_with_error_score_raise(few, tiny_cnn):
    search = GridSearchCV(tiny_cnn(), {"dropout": [-1]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="'dropout' parameter of CNNClassifier"):
        search.fit(few.images, few.target)


def test_randomized_search(few, tiny_cnn):
    distributions = {"learning_rate": loguniform(1e-8, 1e-1), "batch_size": [32, 64]}
    search = RandomizedSearchCV(
        tiny_cnn(), distributions, n_iter=4, cv=2, random_state=3, refit=False
    )
    search.fit(few.images, few.target)
    rates = search.cv_results_["param_learning_rate"].astype(float)
    assert len(set(rates)) == 4
    assert np.all((rates > 1e-8) & (rates < 1e-1))
    assert set(search.cv_results_["param_batch_size"]) <= {32, 64}
    # The search tries a learning rate that is much too low, but does not select it.
    assert rates.min() < 1e-5
    assert search.best_params_["learning_rate"] > 1e-5


def test_halving_search_over_epochs(few, tiny_cnn):
    search = HalvingGridSearchCV(
        tiny_cnn(),
        {"learning_rate": [1e-7, 1e-6, 1e-2]},
        resource="epochs",
        factor=3,
        min_resources=2,
        max_resources=6,
        cv=2,
        random_state=0,
    )
    search.fit(few.images, few.target)
    assert search.n_resources_ == [2, 6]
    assert search.n_candidates_ == [3, 1]
    assert [p["epochs"] for p in search.cv_results_["params"]] == [2, 2, 2, 6]
    assert search.best_params_ == {"learning_rate": 1e-2, "epochs": 6}
    assert search.best_estimator_.n_epochs_ == 6
    assert search.best_score_ > 0.8


def test_search_over_a_pipeline_with_pca(few, tiny_cnn):
    """The candidates have different numbers of columns."""
    pipeline = make_pipeline(PCA(random_state=0), tiny_cnn(image_shape=(1, -1, 1)))
    search = GridSearchCV(pipeline, {"pca__n_components": [1, 20]}, cv=2)
    search.fit(few.rows, few.target)
    assert search.best_params_ == {"pca__n_components": 20}
    assert search.best_estimator_[-1].image_shape_ == (1, 20, 1)
    assert search.best_score_ > 0.8


def test_joblib_copy_of_search_predicts_the_same(few, search, tmp_path):
    joblib.dump(search, tmp_path / "search.joblib")
    again = joblib.load(tmp_path / "search.joblib")
    assert again.best_params_ == search.best_params_
    assert_array_equal(
        again.predict_proba(few.images), search.predict_proba(few.images)
    )
