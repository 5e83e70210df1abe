"""Cross-validation, pipelines, ensembles, calibration and metadata routing."""

import numpy as np
import pytest
from helpers import assert_same_weights, invert, model_variables
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
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
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


def test_cross_validate_scores_match_returned_estimators(few, tiny_cnn):
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
    assert test[1].mean() > test[0].mean() + 0.1


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
    # log_loss would issue a warning, which fails the test, if any row of float64
    # probabilities did not sum to one.
    assert log_loss(few.target, proba) < 0.8
    assert bagging.score(few.rows, few.target) > 0.8


def test_one_vs_rest(few, tiny_cnn):
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


def test_frozen_estimator_is_calibrated_without_training(few, tiny_cnn):
    # After long training on half of the images, the probabilities are extreme.
    half = np.arange(160) < 80
    network = tiny_cnn(epochs=40).fit(few.images[half], few.target[half] // 2)
    before = model_variables(network)
    frozen = FrozenEstimator(network)
    flipped = 1 - few.target // 2  # swap the two labels
    calibrated = CalibratedClassifierCV(frozen).fit(few.images[~half], flipped[~half])
    for left, right in zip(model_variables(network), before, strict=True):
        assert_array_equal(left, right)
    right, wrong = (
        model.score(few.images[~half], flipped[~half]) for model in (calibrated, frozen)
    )
    assert right > 0.8
    assert wrong < 0.2


@pytest.fixture(scope="module")
def weight(few):
    """Return weights of 1, except for class 3: one image has 0.001, the others 0."""
    weight = np.where(few.target == 3, 0.0, 1.0)
    weight[np.flatnonzero(few.target == 3)[0]] = 1e-3
    return weight


@pytest.fixture(scope="module")
def fitted_with_weight(few, tiny_cnn, weight):
    return tiny_cnn().fit(few.images, few.target, sample_weight=weight)


def test_sample_weight_changes_predictions(few, fitted_with_weight, fitted_tiny):
    of_three = few.images[few.target == 3]
    assert np.mean(fitted_tiny.predict(of_three) == 3) > 0.8
    assert np.mean(fitted_with_weight.predict(of_three) == 3) < 0.2


def test_sample_weight_is_routed_through_a_search(
    few, tiny_cnn, weight, fitted_with_weight
):
    with config_context(enable_metadata_routing=True):
        network = tiny_cnn().set_fit_request(sample_weight=True)
        network.set_score_request(sample_weight=True)
        search = GridSearchCV(network, {"learning_rate": [1e-2]}, cv=2)
        search.fit(few.images, few.target, sample_weight=weight)
    assert_same_weights(search.best_estimator_, fitted_with_weight)
    # The scores are also weighted, so the class that is never predicted hardly matters.
    assert search.best_score_ > 0.8


def test_sample_weight_is_routed_through_a_pipeline(
    few, tiny_cnn, weight, fitted_with_weight
):
    X = 16 - few.images  # `invert` restores the images
    with config_context(enable_metadata_routing=True):
        network = tiny_cnn().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(FunctionTransformer(invert), network)
        pipeline.fit(X, few.target, sample_weight=weight)
    assert_same_weights(pipeline[-1], fitted_with_weight)


def test_sample_weight_is_not_routed_unless_requested(
    few, tiny_cnn, weight, fitted_tiny
):
    with config_context(enable_metadata_routing=True):
        network = tiny_cnn()
        with pytest.raises(ValueError, match=r"sample_weight.* not explicitly set"):
            make_pipeline(network).fit(few.images, few.target, sample_weight=weight)
        network.set_fit_request(sample_weight=False)
        voting = VotingClassifier([("a", network)]).fit(few.images, few.target)
    assert_same_weights(voting.estimators_[0], fitted_tiny)


def test_classification_report_and_confusion_matrix(few, fitted_tiny):
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
    pytest.importorskip("matplotlib.pyplot")
    display = ConfusionMatrixDisplay.from_estimator(fitted_tiny, few.images, few.target)
    expected = confusion_matrix(few.target, fitted_tiny.predict(few.images))
    assert_array_equal(display.confusion_matrix, expected)
    assert_array_equal(display.display_labels, fitted_tiny.classes_)
    assert [[int(t.get_text()) for t in row] for row in display.text_] == (
        expected.tolist()
    )
