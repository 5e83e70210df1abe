"""Tests of epoch_curve and EpochCurveDisplay."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold, validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.tree import DecisionTreeClassifier

from skcnn.display import EpochCurveDisplay
from skcnn.model_selection import epoch_curve

GRID = {"learning_rate": [1e-2, 1e-3]}


@pytest.fixture(scope="module")
def curve(few, tiny_cnn):
    network = tiny_cnn(epochs=3, dropout=0.2, augment={"rotation": 0.1}, average=True)
    return network, epoch_curve(network, few.images, few.target, param_grid=GRID, cv=2)


def test_scores_match_shorter_fits(few, curve):
    network, found = curve
    assert_array_equal(found.epochs, [1, 2, 3])
    assert found.params == [{"learning_rate": 1e-2}, {"learning_rate": 1e-3}]
    for i, params in enumerate(found.params):
        train, test = validation_curve(
            network.set_params(**params),
            few.images,
            few.target,
            param_name="epochs",
            param_range=[1, 2, 3],
            cv=2,
        )
        network.set_params(epochs=3, learning_rate=1e-2)
        assert_array_equal(found.train_scores["accuracy"][i], train.T)
        assert_array_equal(found.test_scores["accuracy"][i], test.T)


def test_last_scores_match_a_separate_fit(few, curve):
    network, found = curve
    folds = StratifiedKFold(2).split(few.images, few.target)
    for k, (train, test) in enumerate(folds):
        network.fit(few.images[train], few.target[train])
        for rows, scores in ((train, found.train_scores), (test, found.test_scores)):
            proba = network.predict_proba(few.images[rows])
            y = few.target[rows]
            assert scores["accuracy"][0, k, -1] == accuracy_score(y, proba.argmax(1))
            assert_allclose(scores["neg_log_loss"][0, k, -1], -log_loss(y, proba))


def test_estimator_and_its_memory_are_unchanged(few, tiny_cnn, tmp_path):
    network = tiny_cnn(epochs=1, memory=tmp_path)
    epoch_curve(network, few.images, few.target, cv=2)
    assert not hasattr(network, "model_")
    assert network.memory == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_n_jobs(few, curve):
    import joblib

    network, found = curve
    with joblib.parallel_config("loky", inner_max_num_threads=joblib.cpu_count()):
        again = epoch_curve(
            network, few.images, few.target, param_grid=GRID, cv=2, n_jobs=2
        )
    for name, scores in found.test_scores.items():
        assert_array_equal(again.test_scores[name], scores)


@pytest.mark.parametrize(
    ("scoring", "names"),
    [
        ("accuracy", ["accuracy"]),
        (None, ["score"]),
        (["accuracy", "f1_macro"], ["accuracy", "f1_macro"]),
        (lambda estimator, X, y: len(X), ["score"]),
    ],
    ids=["name", "none", "names", "function"],
)
def test_scoring(few, tiny_cnn, scoring, names):
    found = epoch_curve(
        tiny_cnn(epochs=1), few.images, few.target, cv=2, scoring=scoring
    )
    assert list(found.test_scores) == list(found.train_scores) == names
    if callable(scoring):
        assert_array_equal(found.test_scores["score"], [[[80], [80]]])


def test_pipeline(few, tiny_cnn):
    network = tiny_cnn(epochs=2, image_shape=(8, 8))
    pipeline = make_pipeline(MaxAbsScaler(), network)
    grid = {"cnnclassifier__learning_rate": [1e-2]}
    found = epoch_curve(pipeline, few.rows, few.target, param_grid=grid, cv=2)
    _, test = validation_curve(
        pipeline,
        few.rows,
        few.target,
        param_name="cnnclassifier__epochs",
        param_range=[1, 2],
        cv=2,
    )
    assert_array_equal(found.test_scores["accuracy"][0], test.T)


def test_fits_of_different_lengths(few, tiny_cnn):
    found = epoch_curve(
        tiny_cnn(),
        few.images,
        few.target,
        param_grid=[{"epochs": [1]}, {"epochs": [3]}],
        cv=2,
    )
    scores = found.test_scores["accuracy"]
    assert np.isnan(scores[0, :, 1:]).all()
    assert np.isfinite(scores[1]).all()
    assert np.isfinite(scores[0, :, 0]).all()
    lines = EpochCurveDisplay(**found).plot().lines_
    assert_array_equal(np.isnan(lines[0].get_ydata()), [False, True, True])


def test_early_stopping_shortens_curves(few, tiny_cnn):
    network = tiny_cnn(
        epochs=20, validation_fraction=0.25, early_stopping=True, patience=1
    ).set_params(learning_rate=0.3)
    found = epoch_curve(network, few.images, few.target, cv=2)
    assert len(found.epochs) < 20


def build_or_fail(meta, fails=False):
    import keras

    if fails:
        raise RuntimeError("no such network")
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def test_failing_candidate(few):
    from skcnn import CNNClassifier

    network = CNNClassifier(build_or_fail, epochs=2, random_state=0)
    run = functools.partial(epoch_curve, network, few.images, few.target, cv=2)
    with pytest.warns(FitFailedWarning, match="no such network"):
        found = run(param_grid={"model__fails": [True, False]}, error_score=-1)
    assert_array_equal(found.test_scores["accuracy"][0], -1)
    assert (found.test_scores["accuracy"][1] >= 0).all()
    with pytest.raises(RuntimeError, match="no such network"):
        run(param_grid={"model__fails": [True]}, error_score="raise")
    with (
        pytest.warns(FitFailedWarning, match="no such network"),
        pytest.raises(ValueError, match="All 2 fits failed"),
    ):
        run(param_grid={"model__fails": [True]})


def test_rejects_estimators_without_epochs(few):
    with pytest.raises(TypeError, match="expected a CNNClassifier, or a Pipeline"):
        epoch_curve(DecisionTreeClassifier(), few.rows, few.target)


def test_rejects_invalid_arguments(few, tiny_cnn):
    with pytest.raises(ValueError, match="Got error_score='zero'"):
        epoch_curve(tiny_cnn(), few.images, few.target, error_score="zero")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        epoch_curve(tiny_cnn(), few.images, few.target[:9])


# EpochCurveDisplay


def test_candidates_are_drawn_as_mean_and_band(curve):
    _, found = curve
    display = EpochCurveDisplay(**found).plot()
    accuracy, loss = display.axes_.flat
    assert (accuracy.get_ylabel(), loss.get_ylabel()) == ("Accuracy", "Log loss")
    assert accuracy.get_xlabel() == "Epoch"
    names = ["learning_rate=0.01", "learning_rate=0.001"]
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == names
    scores = [found.test_scores["accuracy"], -found.test_scores["neg_log_loss"]]
    expected = [candidate.mean(axis=0) for score in scores for candidate in score]
    for line, mean in zip(display.lines_, expected, strict=True):
        assert_array_equal(line.get_xdata(), [1, 2, 3])
        assert_allclose(line.get_ydata(), mean)
    band = display.bands_[0].get_paths()[0].vertices
    spread = found.test_scores["accuracy"][0].std(axis=0)
    for k in range(3):
        at_epoch = band[band[:, 0] == k + 1, 1]
        assert_allclose(at_epoch.max() - at_epoch.min(), 2 * spread[k], atol=1e-12)
    assert len({line.get_color() for line in display.lines_}) == 2
    assert len({line.get_marker() for line in display.lines_}) == 2


def test_y_axis_excludes_initial_peak_of_loss():
    scores = -np.r_[30.0, np.linspace(2, 1, 19)]
    scores = {"neg_log_loss": np.tile(scores, (1, 2, 1))}
    curve = {"epochs": np.arange(1, 21), "params": [{}], "train_scores": scores}
    for kind in ("candidates", "folds"):
        display = EpochCurveDisplay(**curve, test_scores=scores).plot(kind=kind)
        assert 2 < display.axes_[0, 0].get_ylim()[1] < 4


def test_score_type_both_draws_training_scores(curve):
    _, found = curve
    display = EpochCurveDisplay(**found).plot(score_type="both")
    assert len(display.lines_) == 8
    assert display.lines_[1].get_label() == "learning_rate=0.01, in training"
    assert display.lines_[1].get_linestyle() == "--"
    assert_allclose(
        display.lines_[1].get_ydata(), found.train_scores["accuracy"][0].mean(axis=0)
    )


def test_folds_are_drawn_separately(curve):
    _, found = curve
    display = EpochCurveDisplay(**found).plot(kind="folds")
    assert [axes.get_title() for axes in display.axes_.flat] == [
        "learning_rate=0.01",
        "learning_rate=0.001",
    ]
    labels = [line.get_label() for line in display.axes_.flat[0].lines]
    assert labels == ["fold 1", "fold 2", "mean"]
    first, second, mean = display.axes_.flat[1].lines
    scores = found.test_scores["accuracy"][1]
    assert_array_equal(first.get_ydata(), scores[0])
    assert_array_equal(second.get_ydata(), scores[1])
    assert_allclose(mean.get_ydata(), scores.mean(axis=0))
    left, right = display.axes_.flat
    assert left.get_ylim() == right.get_ylim()


def test_more_candidates_than_colours():
    scores = {"accuracy": np.linspace(0, 1, 9 * 2 * 3).reshape(9, 2, 3)}
    params = [{"l2": i} for i in range(9)]
    display = EpochCurveDisplay(
        epochs=np.arange(1, 4), params=params, train_scores=scores, test_scores=scores
    )
    assert len(display.plot().lines_) == 9
    assert len(display.plot(kind="folds").axes_.flat) == 9


@pytest.mark.parametrize("settings", [{"kind": "boxes"}, {"score_type": "train"}])
def test_rejects_unknown_kind_and_score_type(curve, settings):
    with pytest.raises(ValueError, match=f"Got {next(iter(settings))}="):
        EpochCurveDisplay(**curve[1]).plot(**settings)


def test_from_estimator(few, tiny_cnn):
    display = EpochCurveDisplay.from_estimator(
        tiny_cnn(epochs=2), few.images, few.target, cv=2, kind="folds"
    )
    assert display.params == [{}]
    assert len(display.axes_.flat) == 1
