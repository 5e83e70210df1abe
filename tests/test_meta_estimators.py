"""scikit-learn's tools, each of them on images, judged by what comes out."""

import copy
import functools
import inspect
import pickle

import joblib
import numpy as np
import pytest
from keras import Input, Sequential, callbacks, layers, optimizers
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    classification_report,
    confusion_matrix,
    log_loss,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_html_repr

from skcnn import CNNClassifier
from skcnn._tensorflow import import_tensorflow

# A learning rate that learns nothing in five epochs, and one that does.
PLANTED = {"learning_rate": [1e-6, 1e-2]}


def small_network(meta, units=8, activation="relu"):
    """A user's builder."""
    return Sequential(
        [
            Input(meta["image_shape_"]),
            layers.Flatten(),
            layers.Dense(units, activation=activation),
            layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def invert(images):
    return 16 - images


def weights_of(network):
    return [v.numpy() for v in network.model_.variables]


def assert_same_weights(a, b):
    for left, right in zip(weights_of(a), weights_of(b), strict=True):
        assert_array_equal(left, right)


# Searches


def scores_of(search):
    """What of cv_results_ is not a time."""
    return {
        name: np.asarray(values)
        for name, values in search.cv_results_.items()
        if "_test_" in name
    }


@pytest.fixture(scope="module")
def search(few, tiny_cnn):
    metrics = ["accuracy", "neg_log_loss", "f1_macro", "roc_auc_ovr"]
    search = GridSearchCV(
        tiny_cnn(), PLANTED, scoring=metrics, refit="neg_log_loss", cv=2
    )
    return search.fit(few.images, few.target)


def test_grid_search_picks_the_planted_winner(few, tiny_cnn, search):
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
    # The winner's parameters are those of `fitted_tiny`, and so is its network.
    assert_same_weights(search.best_estimator_, fitted_tiny)
    assert_array_equal(search.predict(few.images), fitted_tiny.predict(few.images))
    proba = search.predict_proba(few.images)
    assert search.score(few.images, few.target) == -log_loss(few.target, proba)


def test_grid_search_in_two_processes_gives_the_same_numbers(few, search):
    parallel = clone(search).set_params(n_jobs=2)
    # Floating point sums depend on the number of threads that share them.
    with joblib.parallel_config("loky", inner_max_num_threads=joblib.cpu_count()):
        parallel.fit(few.images, few.target)
    serial, parallel_scores = scores_of(search), scores_of(parallel)
    assert serial.keys() == parallel_scores.keys()
    for name, values in serial.items():
        assert_array_equal(parallel_scores[name], values, err_msg=name)
    assert_same_weights(parallel.best_estimator_, search.best_estimator_)


def failing(meta, how="not at all"):
    if how == "raises":
        raise RuntimeError("the builder has raised")
    if how == "too large":
        return small_network(meta, units=2**44)
    if how == "diverges":
        return Sequential(
            [small_network(meta), layers.Rescaling(float("nan")), layers.Softmax()]
        )
    return small_network(meta)


@pytest.mark.slow  # TensorFlow hopes for ten seconds that memory comes free
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_candidates_that_fail_cost_themselves_alone(few):
    """With the reason in the warning: by the builder, by memory, by the loss."""
    ways = {
        "raises": "the builder has raised",
        "too large": "OOM when allocating tensor",
        "diverges": "Training diverged",
    }
    network = CNNClassifier(failing, epochs=2, random_state=0)
    grid = {"model__how": [*ways, "not at all"]}
    search = GridSearchCV(network, grid, cv=2)
    with pytest.warns(FitFailedWarning) as caught:
        search.fit(few.images, few.target)
    (told,) = [str(w.message) for w in caught if w.category is FitFailedWarning]
    for reason in ways.values():
        assert reason in told
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True] * 3 + [
        False
    ]
    assert search.best_params_ == {"model__how": "not at all"}


def threads_of_tensorflow():
    tf = import_tensorflow()
    threading = tf.config.threading
    return (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


@pytest.mark.parametrize("share", [None, 3])
def test_each_process_has_its_share_of_the_processors(share):
    with joblib.parallel_config("loky", inner_max_num_threads=share):
        told = joblib.Parallel(2)(
            joblib.delayed(threads_of_tensorflow)() for _ in range(2)
        )
    expected = share or max(1, joblib.cpu_count() // 2)
    assert told == [(expected, expected)] * 2


def test_grid_search_over_a_builders_parameters(few):
    network = CNNClassifier(
        small_network, learning_rate=1e-2, batch_size=32, epochs=8, random_state=0
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
def test_failing_candidate_does_not_end_a_search(few, tiny_cnn):
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


def test_failing_candidate_ends_a_search_that_raises(few, tiny_cnn):
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
    # What hardly learns does not win.
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


# Cross-validation and curves


def test_cross_validate_returns_estimators_that_score_as_reported(few, tiny_cnn):
    results = cross_validate(
        tiny_cnn(),
        few.images,
        few.target,
        cv=2,
        scoring=["accuracy", "neg_log_loss"],
        return_estimator=True,
        return_indices=True,
    )
    for i, (network, test) in enumerate(
        zip(results["estimator"], results["indices"]["test"], strict=True)
    ):
        X, y = few.images[test], few.target[test]
        assert results["test_accuracy"][i] == accuracy_score(y, network.predict(X))
        assert_allclose(
            results["test_neg_log_loss"][i], -log_loss(y, network.predict_proba(X))
        )
    assert results["test_accuracy"].min() > 0.7


def test_cross_val_predict_probabilities(few, tiny_cnn):
    proba = cross_val_predict(
        tiny_cnn(), few.images, few.target, cv=2, method="predict_proba"
    )
    assert proba.shape == (160, 4)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert np.mean(proba.argmax(axis=1) == few.target) > 0.8
    best = cross_val_predict(tiny_cnn(), few.images, few.target, cv=2)
    assert_array_equal(best, proba.argmax(axis=1))


def test_learning_curve(few, tiny_cnn):
    sizes, train, test = learning_curve(
        tiny_cnn(epochs=4),
        few.images,
        few.target,
        train_sizes=[8, 80],
        cv=2,
        shuffle=True,
        random_state=0,
    )
    assert_array_equal(sizes, [8, 80])
    assert train.shape == test.shape == (2, 2)
    assert test[1].mean() > test[0].mean() + 0.1  # more images, more learned


def test_validation_curve(few, tiny_cnn):
    train, test = validation_curve(
        tiny_cnn(learning_rate=2e-3),
        few.images,
        few.target,
        param_name="epochs",
        param_range=[1, 12],
        cv=2,
    )
    assert train[1].mean() > train[0].mean() + 0.1
    assert test[1].mean() > test[0].mean() + 0.1


def test_permutation_test_score(few, tiny_cnn):
    score, permuted, p_value = permutation_test_score(
        tiny_cnn(), few.images, few.target, cv=2, n_permutations=3, random_state=0
    )
    assert score > 0.8
    assert permuted.max() < 0.6
    assert p_value == 1 / 4


# Pipelines


def test_pipeline_on_images(few, tiny_cnn):
    pipeline = make_pipeline(FunctionTransformer(invert), tiny_cnn())
    pipeline.fit(few.images, few.target)
    direct = tiny_cnn().fit(16 - few.images, few.target)
    assert_same_weights(pipeline[-1], direct)
    assert_array_equal(
        pipeline.predict_proba(few.images), direct.predict_proba(16 - few.images)
    )


def test_pipeline_on_scaled_rows(few, tiny_cnn):
    pipeline = make_pipeline(StandardScaler(), tiny_cnn(image_shape=(8, 8)))
    pipeline.fit(few.rows, few.target)
    assert pipeline[-1].image_shape_ == (8, 8, 1)
    assert pipeline.score(few.rows, few.target) > 0.9


def test_search_over_a_pipeline_with_pca(few, tiny_cnn):
    """The number of columns changes from candidate to candidate."""
    pipeline = make_pipeline(PCA(random_state=0), tiny_cnn(image_shape=(1, -1, 1)))
    search = GridSearchCV(pipeline, {"pca__n_components": [1, 20]}, cv=2)
    search.fit(few.rows, few.target)
    assert search.best_params_ == {"pca__n_components": 20}
    assert search.best_estimator_[-1].image_shape_ == (1, 20, 1)
    assert search.best_score_ > 0.8


def test_smote_balances_rows(few, tiny_cnn):
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    from imblearn.pipeline import make_pipeline as make_sampling_pipeline

    rare = np.flatnonzero(few.target == 3)[:8]
    rows = np.concatenate([np.flatnonzero(few.target != 3), rare])
    X, y = few.rows[rows], few.target[rows]
    smote = over_sampling.SMOTE(k_neighbors=3, random_state=0)
    pipeline = make_sampling_pipeline(smote, tiny_cnn(image_shape=(8, 8)))
    pipeline.fit(X, y)

    X_balanced, y_balanced = clone(smote).fit_resample(X, y)
    assert np.bincount(y_balanced).min() > 30
    direct = tiny_cnn(image_shape=(8, 8)).fit(X_balanced, y_balanced)
    assert_same_weights(pipeline[-1], direct)
    unseen = few.rows[np.setdiff1d(np.flatnonzero(few.target == 3), rare)]
    unbalanced = tiny_cnn(image_shape=(8, 8)).fit(X, y)
    with_smote, without = (
        np.mean(network.predict(unseen) == 3) for network in (pipeline, unbalanced)
    )
    assert with_smote > without + 0.2


# Ensembles and calibration


def test_voting_averages_probabilities(few, tiny_cnn):
    voting = VotingClassifier(
        [("a", tiny_cnn()), ("b", tiny_cnn(random_state=1))], voting="soft"
    )
    voting.fit(few.images, few.target)
    each = [network.predict_proba(few.images) for network in voting.estimators_]
    assert not np.allclose(*each)
    assert_allclose(voting.predict_proba(few.images), np.mean(each, axis=0), rtol=1e-6)
    assert voting.score(few.images, few.target) > 0.9


def test_stacking(few, tiny_cnn):
    stacking = StackingClassifier(
        [("good", tiny_cnn()), ("bad", tiny_cnn(learning_rate=1e-6, epochs=1))],
        final_estimator=LogisticRegression(),
        cv=2,
    )
    stacking.fit(few.images, few.target)
    assert stacking.transform(few.images).shape == (160, 8)
    assert stacking.score(few.images, few.target) > 0.8
    weight = np.abs(stacking.final_estimator_.coef_).mean(axis=0)
    assert weight[:4].mean() > weight[4:].mean()


def test_bagging_on_rows(few, tiny_cnn):
    bagging = BaggingClassifier(
        tiny_cnn(image_shape=(8, 8)), n_estimators=2, max_samples=0.8, random_state=0
    )
    bagging.fit(few.rows, few.target)
    first, second = bagging.estimators_
    assert first.random_state != second.random_state
    each = [network.predict_proba(few.rows) for network in (first, second)]
    assert not np.allclose(*each)
    proba = bagging.predict_proba(few.rows)
    assert_allclose(proba, np.mean(each, axis=0), rtol=1e-6)
    # A warning here, an error by the settings of pytest, would say that probabilities
    # do not sum to one in float64.
    assert log_loss(few.target, proba) < 0.8
    assert bagging.score(few.rows, few.target) > 0.8


def test_one_versus_rest(few, tiny_cnn):
    y = np.minimum(few.target, 2)
    each = OneVsRestClassifier(tiny_cnn()).fit(few.images, y)
    assert [list(network.classes_) for network in each.estimators_] == [[0, 1]] * 3
    assert each.score(few.images, y) > 0.8


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(few, tiny_cnn, method):
    calibrated = CalibratedClassifierCV(tiny_cnn(), method=method, cv=2)
    calibrated.fit(few.images, few.target)
    assert len(calibrated.calibrated_classifiers_) == 2
    proba = calibrated.predict_proba(few.images)
    assert proba.shape == (160, 4)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert calibrated.score(few.images, few.target) > 0.8


def test_frozen_estimator_is_calibrated_not_trained(few, tiny_cnn):
    # Trained to be sure of itself on half of the images, judged on the others.
    half = np.arange(160) < 80
    network = tiny_cnn(epochs=40).fit(few.images[half], few.target[half] // 2)
    before = weights_of(network)
    frozen = FrozenEstimator(network)
    flipped = 1 - few.target // 2  # as if someone had mixed the names up
    calibrated = CalibratedClassifierCV(frozen).fit(few.images[~half], flipped[~half])
    for left, right in zip(weights_of(network), before, strict=True):
        assert_array_equal(left, right)
    right, wrong = (
        model.score(few.images[~half], flipped[~half]) for model in (calibrated, frozen)
    )
    assert right > 0.8
    assert wrong < 0.2


# Metadata routing


@pytest.fixture(scope="module")
def weight(few):
    """Class 3 hardly counts: only the first image of it does."""
    weight = np.where(few.target == 3, 0.0, 1.0)
    weight[np.flatnonzero(few.target == 3)[0]] = 1e-3
    return weight


@pytest.fixture(scope="module")
def weighted(few, tiny_cnn, weight):
    return tiny_cnn().fit(few.images, few.target, sample_weight=weight)


def test_sample_weight_changes_what_is_learned(few, weighted, fitted_tiny):
    of_three = few.images[few.target == 3]
    assert np.mean(fitted_tiny.predict(of_three) == 3) > 0.8
    assert np.mean(weighted.predict(of_three) == 3) < 0.2


def test_sample_weight_is_routed_through_a_search(few, tiny_cnn, weight, weighted):
    with config_context(enable_metadata_routing=True):
        network = tiny_cnn().set_fit_request(sample_weight=True)
        network.set_score_request(sample_weight=True)
        search = GridSearchCV(network, {"learning_rate": [1e-2]}, cv=2)
        search.fit(few.images, few.target, sample_weight=weight)
    assert_same_weights(search.best_estimator_, weighted)
    # Scores are weighted as well: the class that is never predicted costs nothing.
    assert search.best_score_ > 0.8


def test_sample_weight_is_routed_through_a_pipeline(few, tiny_cnn, weight, weighted):
    X = 16 - few.images  # what `invert` turns back
    with config_context(enable_metadata_routing=True):
        network = tiny_cnn().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(invert), network)
        pipeline.fit(X, few.target, sample_weight=weight)
    assert_same_weights(pipeline[-1], weighted)


def test_sample_weight_that_was_not_requested_does_not_arrive(
    few, tiny_cnn, weight, fitted_tiny
):
    with config_context(enable_metadata_routing=True):
        network = tiny_cnn()
        with pytest.raises(ValueError, match=r"sample_weight.* not explicitly set"):
            make_pipeline(network).fit(few.images, few.target, sample_weight=weight)
        network.set_fit_request(sample_weight=False)
        voting = VotingClassifier([("a", network)]).fit(few.images, few.target)
    assert_same_weights(voting.estimators_[0], fitted_tiny)


# Metrics


def test_report_and_confusion_matrix(few, fitted_tiny):
    names = np.array(["zero", "one", "two", "three"])
    predicted = fitted_tiny.predict(few.images)
    report = classification_report(
        few.target, predicted, target_names=names, output_dict=True
    )
    assert list(report)[:4] == list(names)
    assert report["accuracy"] == fitted_tiny.score(few.images, few.target)
    matrix = confusion_matrix(few.target, predicted)
    assert_array_equal(matrix.sum(axis=1), np.bincount(few.target))
    assert_allclose(np.trace(matrix) / 160, report["accuracy"])


def test_confusion_matrix_display(few, fitted_tiny):
    plt = pytest.importorskip("matplotlib.pyplot")
    display = ConfusionMatrixDisplay.from_estimator(fitted_tiny, few.images, few.target)
    expected = confusion_matrix(few.target, fitted_tiny.predict(few.images))
    assert_array_equal(display.confusion_matrix, expected)
    assert_array_equal(display.display_labels, fitted_tiny.classes_)
    assert [[int(t.get_text()) for t in row] for row in display.text_] == (
        expected.tolist()
    )
    plt.close(display.figure_)


# Clones and copies


class Note(callbacks.Callback):
    def __init__(self, text):
        super().__init__()
        self.text = text

    def __eq__(self, other):
        return type(self) is type(other) and self.text == other.text

    __hash__ = callbacks.Callback.__hash__


NON_DEFAULT = {
    "model": functools.partial(small_network, units=5),
    "filters": (3, 5),
    "last_filters": 7,
    "kernel_size": 5,
    "stem_strides": 2,
    "width_factor": 0.5,
    "dense_units": (9, 4),
    "dropout": 0.11,
    "last_dropout": 0.12,
    "l2": 0.13,
    "normalize": False,
    "batch_norm": False,
    "pooling": "max",
    "label_smoothing": 0.2,
    "average": False,
    "image_shape": (2, -1, 3),
    "augment": {"flip": False, "rotation": 0.2, "zoom": 0.3},
    "optimizer": optimizers.SGD,
    "learning_rate": optimizers.schedules.CosineDecay(0.1, 7),
    "batch_size": 17,
    "epochs": 19,
    "precision": "bfloat16",
    "class_weight": {0: 1.0, 1: 2.5},
    "warm_start": True,
    "validation_fraction": 0.21,
    "early_stopping": True,
    "patience": 3,
    "callbacks": [Note("remember")],
    "memory": "cache",
    "max_time": 3600,
    "random_state": 42,
    "verbose": 2,
}


def comparable(value):
    """Parameters that copy.deepcopy copies, by their contents."""
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, optimizers.schedules.LearningRateSchedule):
        return type(value), value.get_config()
    return value


def test_non_default_values_are_those_of_every_parameter():
    defaults = CNNClassifier().get_params()
    assert set(NON_DEFAULT) == set(defaults)
    signature = inspect.signature(CNNClassifier.__init__).parameters
    assert set(NON_DEFAULT) == set(signature) - {"self"}
    for name, value in NON_DEFAULT.items():
        assert value is not defaults[name]
        assert comparable(value) != defaults[name], name


@pytest.mark.parametrize(
    "copied",
    [clone, copy.deepcopy, lambda network: clone(clone(network))],
    ids=["clone", "deepcopy", "clone of a clone"],
)
def test_copies_keep_every_parameter(copied):
    network = CNNClassifier(**NON_DEFAULT)
    params = copied(network).get_params(deep=False)
    assert set(params) == set(NON_DEFAULT)
    for name, value in NON_DEFAULT.items():
        assert comparable(params[name]) == comparable(value), name


@pytest.mark.parametrize("name", NON_DEFAULT)
def test_set_params_sets_one_parameter(name):
    network = CNNClassifier().set_params(**{name: NON_DEFAULT[name]})
    params = network.get_params(deep=False)
    assert params.pop(name) is NON_DEFAULT[name]
    defaults = CNNClassifier().get_params()
    defaults.pop(name)
    assert params == defaults


def test_clone_is_not_fitted(fitted_tiny):
    copied = clone(fitted_tiny)
    assert vars(copied) == fitted_tiny.get_params()


def by_pickle(network, tmp_path):
    return pickle.loads(pickle.dumps(network))


def by_joblib(network, tmp_path):
    joblib.dump(network, tmp_path / "network.joblib", compress=3)
    return joblib.load(tmp_path / "network.joblib")


def by_deepcopy(network, tmp_path):
    return copy.deepcopy(network)


COPIES = [by_pickle, by_joblib, by_deepcopy]


@pytest.fixture(scope="module")
def warm(few, tiny_cnn):
    """Dropout, augmentation and Adam: all that has a state while training goes on."""
    network = tiny_cnn(
        epochs=2, warm_start=True, last_dropout=0.3, normalize=True, augment=True
    )
    return network.fit(few.images, few.target)


@pytest.fixture(scope="module")
def continued(few, warm):
    """What the original becomes when it goes on; `warm` itself stays as it is."""
    before = pickle.dumps(warm)
    proba = warm.predict_proba(few.images)
    warm.fit(few.images, few.target)
    history, weights = warm.history_, weights_of(warm)
    vars(warm).update(vars(pickle.loads(before)))
    return proba, history, weights


@pytest.mark.parametrize("copied", COPIES)
def test_copies_predict_the_same_and_go_on_training_the_same(
    few, warm, continued, copied, tmp_path
):
    proba, history, weights = continued
    network = copied(warm, tmp_path)
    assert network.get_params() == warm.get_params()
    assert network.history_ == warm.history_
    assert network.n_epochs_ == 2
    assert_array_equal(network.classes_, warm.classes_)
    assert_array_equal(network.predict_proba(few.images), proba)

    network.fit(few.images, few.target)
    assert network.n_epochs_ == 4
    assert network.history_ == history
    for left, right in zip(weights_of(network), weights, strict=True):
        assert_array_equal(left, right)
    assert warm.n_epochs_ == 2  # a copy, not a second name
    assert_array_equal(warm.predict_proba(few.images), proba)


@pytest.mark.parametrize("copied", COPIES)
def test_copies_of_a_pipeline_predict_the_same(few, fitted_tiny, copied, tmp_path):
    pipeline = make_pipeline(FunctionTransformer(invert), fitted_tiny)
    again = copied(pipeline, tmp_path)
    assert again[-1] is not fitted_tiny
    assert_array_equal(
        again.predict_proba(few.images), pipeline.predict_proba(few.images)
    )


@pytest.mark.parametrize("copied", COPIES)
def test_copies_with_a_users_builder(few, copied, tmp_path):
    network = CNNClassifier(small_network, epochs=1, random_state=0)
    network.set_params(model__units=6).fit(few.images, few.target)
    again = copied(network, tmp_path)
    assert again.get_params()["model__units"] == 6
    assert_array_equal(
        again.predict_proba(few.images), network.predict_proba(few.images)
    )


def test_copy_of_a_search_predicts_the_same(few, search, tmp_path):
    again = by_joblib(search, tmp_path)
    assert again.best_params_ == search.best_params_
    assert_array_equal(
        again.predict_proba(few.images), search.predict_proba(few.images)
    )


# Parameters, and how they are shown


@pytest.mark.parametrize("state", ["before fit", "after fit", "in a pipeline"])
def test_html_representation(fitted_tiny, state):
    shown = {
        "before fit": clone(fitted_tiny),
        "after fit": fitted_tiny,
        "in a pipeline": make_pipeline(StandardScaler(), fitted_tiny),
    }[state]
    html = estimator_html_repr(shown)
    assert shown._repr_html_() is not None
    for text in ("CNNClassifier", "filters", "(8,)", "learning_rate", "0.01"):
        assert text in html


def test_representation_shows_what_is_not_default(tiny_cnn):
    assert repr(CNNClassifier()) == "CNNClassifier()"
    assert repr(CNNClassifier(l2=0.5)) == "CNNClassifier(l2=0.5)"


def test_builder_parameters_are_parameters():
    network = CNNClassifier(small_network)
    assert network.get_params()["model__units"] == 8
    assert "model__units" not in network.get_params(deep=False)
    assert "model__meta" not in network.get_params()
    network.set_params(model__units=3, epochs=2)
    network.set_params(model__activation="tanh")
    params = network.get_params()
    assert (params["model__units"], params["model__activation"]) == (3, "tanh")
    assert network.epochs == 2
    copied = clone(network)
    assert copied.get_params()["model__units"] == 3
    copied.set_params(model__units=4)
    assert network.get_params()["model__units"] == 3


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"epoch": 3}, "Invalid parameter 'epoch'.*Did you mean 'epochs'?"),
        ({"filter": 3}, "Did you mean 'filters'?"),
        ({"model__unitz": 3}, "'model__unitz'.*small_network.*'model__units'?"),
        ({"model__meta": 3}, "Invalid parameter 'model__meta'"),
        ({"neurons__units": 3}, "Invalid parameter 'neurons__units'"),
    ],
)
def test_misspelt_parameter_is_refused_with_a_suggestion(few, params, message):
    network = CNNClassifier(small_network)
    before = network.get_params()
    with pytest.raises(ValueError, match=message):
        network.set_params(batch_size=3, **params)
    assert network.get_params() == before
    search = GridSearchCV(network, {name: [value] for name, value in params.items()})
    with pytest.raises(ValueError, match=message):
        search.fit(few.images, few.target)


def test_misspelt_parameter_of_the_constructor():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        CNNClassifier(epoch=3)


def test_builder_parameter_without_a_builder():
    with pytest.raises(ValueError, match=r"model is None.*Set model= first"):
        CNNClassifier().set_params(model__units=3)
