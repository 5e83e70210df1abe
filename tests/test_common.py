"""scikit-learn's estimator checks, and similar checks with images."""

import functools

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator
from sklearn.utils.fixes import parse_version

from skcnn import CNNClassifier

CLASS_NAMES = np.array(["coast", "desert", "forest", "glacier"])


VERSION = parse_version(sklearn.__version__).release[:2]


@pytest.fixture(scope="module")
def rows_cnn():
    """Return a classifier for rows of any width, as scikit-learn's checks require."""
    return CNNClassifier(
        image_shape=(1, -1, 1),
        filters=(8,),
        dense_units=16,
        dropout=0.0,
        last_dropout=0.0,
        l2=0.0,
        learning_rate=1e-2,
        batch_size=16,
        epochs=10,
        random_state=0,
    )


EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A repeated sample is shuffled into other batches than one of weight two. "
        "scikit-learn checks this for its own network with the lbfgs solver only."
    ),
}


def check_name(check):
    return getattr(check, "func", check).__name__


@pytest.fixture(scope="module")
def check_results(rows_cnn):
    pytest.importorskip("pandas", reason="some checks require pandas")
    return check_estimator(
        rows_cnn,
        expected_failed_checks=EXPECTED_FAILURES,
        on_skip=None,
        on_fail=None,
    )


def names_with_status(check_results, *statuses):
    return [r["check_name"] for r in check_results if r["status"] in statuses]


def test_check_estimator_has_no_failures(check_results):
    failed = {
        r["check_name"]: r["exception"]
        for r in check_results
        if r["status"] == "failed"
    }
    assert failed == {}
    assert set(names_with_status(check_results, "xfail")) <= set(EXPECTED_FAILURES)


def test_check_estimator_runs_the_full_suite(check_results, rows_cnn):
    generated = [check_name(check) for _, check in estimator_checks_generator(rows_cnn)]
    assert [r["check_name"] for r in check_results] == generated
    # If a changed tag made scikit-learn omit some checks, their number would drop.
    known = {(1, 6): 62, (1, 9): 63}
    assert len(check_results) == known.get(VERSION, len(check_results))
    assert len(check_results) >= 60
    # This check is skipped unless the array API is enabled before SciPy is imported.
    assert set(names_with_status(check_results, "skipped")) <= {"check_array_api_input"}
    passed = names_with_status(check_results, "passed")
    assert len(passed) >= len(check_results) - 1 - len(EXPECTED_FAILURES)


def test_passes_all_checks_of_mlp_classifier(check_results):
    """The only exceptions are the checks for multilabel targets and for sparse data."""
    of_mlp = {
        check_name(check) for _, check in estimator_checks_generator(MLPClassifier())
    }
    inapplicable = {name for name in of_mlp if "multilabel" in name} | {
        "check_sample_weight_equivalence_on_sparse_data"
    }
    passed = set(names_with_status(check_results, "passed", "skipped"))
    assert of_mlp - passed - inapplicable - set(EXPECTED_FAILURES) == set()


@pytest.fixture(scope="module")
def proba(few, fitted_tiny):
    return fitted_tiny.predict_proba(few.images)


def test_learns_images(few, fitted_tiny, proba):
    assert fitted_tiny.score(few.images, few.target) > 0.9
    assert proba.shape == (160, 4)
    assert proba.dtype == np.float64
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-14)
    assert fitted_tiny.image_shape_ == (8, 8, 1)
    assert fitted_tiny.n_features_in_ == 64
    assert_array_equal(fitted_tiny.classes_, [0, 1, 2, 3])
    best = fitted_tiny.classes_[proba.argmax(axis=1)]
    assert_array_equal(fitted_tiny.predict(few.images), best)


def test_colour_images(few, tiny_cnn):
    colour = np.concatenate([few.images, few.images.max() - few.images] * 2, axis=3)
    colour = colour[..., :3]
    network = tiny_cnn().fit(colour, few.target)
    assert network.image_shape_ == (8, 8, 3)
    assert network.score(colour, few.target) > 0.9


def as_memory_map(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    return mapped


def as_raw_memory_map(images, tmp_path):
    images.tofile(tmp_path / "images.raw")
    return np.memmap(tmp_path / "images.raw", np.uint8, "r", shape=images.shape)


def as_strided_view(images, tmp_path):
    twice = np.zeros((2 * len(images), 8, 16, 1), np.uint8)
    view = twice[::2, :, ::-2]
    view[:] = images
    assert not view.flags.c_contiguous
    return view


ARRAY_TYPES = {
    "3-D": lambda images, tmp_path: images[..., 0],
    "writeable": lambda images, tmp_path: images.copy(),
    "np.load(mmap_mode='r')": as_memory_map,
    "np.memmap": as_raw_memory_map,
    "Fortran order": lambda images, tmp_path: np.asfortranarray(images),
    "strided view": as_strided_view,
    "float64": lambda images, tmp_path: images.astype(np.float64),
    "float32": lambda images, tmp_path: images.astype(np.float32),
    "float16": lambda images, tmp_path: images.astype(np.float16),
    "int64": lambda images, tmp_path: images.astype(np.int64),
    "big endian": lambda images, tmp_path: images.astype(">i4"),
    "object": lambda images, tmp_path: images.astype(object),
    "nested list": lambda images, tmp_path: images.tolist(),
}


@pytest.mark.parametrize("array_type", ARRAY_TYPES)
def test_predictions_do_not_depend_on_array_type(
    few, fitted_tiny, proba, array_type, tmp_path
):
    X = ARRAY_TYPES[array_type](few.images, tmp_path)
    assert_allclose(fitted_tiny.predict_proba(X), proba, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "array_type", ["3-D", "np.load(mmap_mode='r')", "strided view", "float64", "object"]
)
def test_training_does_not_depend_on_array_type(
    few, tiny_cnn, proba, array_type, tmp_path
):
    X = ARRAY_TYPES[array_type](few.images, tmp_path)
    network = tiny_cnn().fit(X, few.target)
    assert network.image_shape_ == (8, 8, 1)
    assert_allclose(network.predict_proba(few.images), proba, rtol=1e-4)


def test_learns_from_lists(few, tiny_cnn, proba):
    network = tiny_cnn().fit(few.images.tolist(), few.target.tolist())
    assert network.n_features_in_ == 64
    assert_allclose(network.predict_proba(few.images), proba, rtol=1e-4)


def test_boolean_images_equal_zeros_and_ones(few, tiny_cnn):
    X = few.images > 8
    network = tiny_cnn().fit(X, few.target)
    assert network.score(X, few.target) > 0.8
    assert_allclose(
        network.predict_proba(X), network.predict_proba(X.astype(float)), rtol=1e-5
    )


def test_rows_and_images_are_equivalent(few, tiny_cnn, proba):
    network = tiny_cnn(image_shape=(8, 8)).fit(few.rows, few.target)
    assert network.image_shape_ == (8, 8, 1)
    for X in (few.rows, few.images, few.images[..., 0]):
        assert_allclose(network.predict_proba(X), proba, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 7, 33])
def test_predictions_do_not_depend_on_the_other_images(few, fitted_tiny, proba, n):
    rows = np.random.default_rng(n).permutation(len(few.images))[:n]
    some = fitted_tiny.predict_proba(few.images[rows])
    assert_allclose(some, proba[rows], rtol=1e-5, atol=1e-7)


def test_fit_and_predict_do_not_modify_data(few, tiny_cnn):
    X, y = few.images.astype(np.float32), CLASS_NAMES[few.target].astype(object)
    weight = np.linspace(0, 1, len(y))
    before = joblib.hash([X, y, weight])
    network = tiny_cnn(epochs=1, normalize=True, augment=True, class_weight="balanced")
    network.fit(X, y, sample_weight=weight).predict(X)
    network.partial_fit(X, y, sample_weight=weight)
    assert joblib.hash([X, y, weight]) == before


def test_fit_does_not_modify_parameters(few, tiny_cnn):
    network = tiny_cnn(filters=[8], dense_units=[4], epochs=1, augment={"flip": True})
    before = joblib.hash(network.get_params())
    network.fit(few.images, few.target).predict(few.images)
    assert joblib.hash(network.get_params()) == before


@pytest.mark.parametrize(
    "labels",
    [
        CLASS_NAMES,
        CLASS_NAMES.astype(object),
        np.array([-5, 3, 40, 1000]),
        np.array([0, 1, 2, 3], dtype=np.uint8),
        np.array([0.0, 1.0, 2.0, 3.0]),
    ],
    ids=lambda labels: f"{labels.dtype}-{labels[0]}",
)
def test_label_types(few, tiny_cnn, proba, labels):
    y = labels[few.target]
    network = tiny_cnn().fit(few.images, y)
    assert_array_equal(network.classes_, labels)
    assert network.classes_.dtype == labels.dtype
    predicted = network.predict(few.images)
    assert predicted.dtype == labels.dtype
    assert set(predicted) <= set(labels)
    assert np.mean(predicted == y) == network.score(few.images, y) > 0.9
    # Class names have no effect on the probabilities.
    assert_allclose(network.predict_proba(few.images), proba, rtol=1e-4)


@pytest.mark.parametrize("labels", [np.array([False, True]), np.array(["no", "yes"])])
def test_two_classes(few, tiny_cnn, labels):
    y = labels[(few.target == 3).astype(int)]
    network = tiny_cnn().fit(few.images, y)
    assert_array_equal(network.classes_, labels)
    assert network.predict(few.images).dtype == labels.dtype
    proba = network.predict_proba(few.images)
    assert proba.shape == (160, 2)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert network.score(few.images, y) > 0.9


def test_column_vector_y_warns(few, tiny_cnn):
    with pytest.warns(DataConversionWarning, match="column-vector"):
        network = tiny_cnn(epochs=1).fit(few.images, few.target[:, np.newaxis])
    assert network.predict(few.images).shape == (160,)


def test_predict_requires_fit(few, tiny_cnn):
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            getattr(tiny_cnn(), method)(few.images)


def with_one_value(images, value):
    images = images.astype(float)
    images[3, 2, 1, 0] = value
    return images


INVALID_X = {
    "NaN": (lambda X: with_one_value(X, np.nan), ValueError, "X contains NaN"),
    "infinity": (
        lambda X: with_one_value(X, np.inf),
        ValueError,
        "X contains infinity",
    ),
    "object NaN": (
        lambda X: with_one_value(X, np.nan).astype(object),
        ValueError,
        "X contains NaN",
    ),
    "object strings": (
        lambda X: np.full(X.shape, "pixel", dtype=object),
        ValueError,
        "could not convert string to float",
    ),
    "strings": (
        lambda X: np.full(X.shape, "pixel"),
        TypeError,
        "expected an array of images, not paths",
    ),
    "complex": (
        lambda X: X.astype(complex),
        ValueError,
        "Complex data not supported",
    ),
    "empty": (lambda X: X[:0], ValueError, r"Found array with 0 sample\(s\)"),
    "one image": (
        lambda X: X[0, ..., 0],
        ValueError,
        "image_shape=None|X has 8 features, but CNNClassifier is expecting 64",
    ),
    "1-D": (lambda X: X.ravel(), ValueError, "Expected 2D array, got 1D array"),
    "5-D": (lambda X: X[..., np.newaxis], ValueError, "X has 5 dimensions"),
    "rows": (lambda X: X.reshape(len(X), -1), ValueError, "image_shape=None"),
    "sparse": (
        lambda X: sparse.csr_matrix(X.reshape(len(X), -1)),
        TypeError,
        "[Ss]parse data was passed",
    ),
    "scalar": (lambda X: 3, ValueError, "Expected 2D array, got scalar array"),
    "ragged": (
        lambda X: [X[0].tolist(), X[1, :4].tolist()],
        ValueError,
        "differ in shape",
    ),
}


@pytest.mark.parametrize("case", INVALID_X)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "predict_proba"])
def test_invalid_images(few, tiny_cnn, fitted_tiny, method, case):
    make, error, message = INVALID_X[case]
    X = make(few.images)
    if method == "fit":
        call = functools.partial(tiny_cnn().fit, X, few.target)
    elif method == "partial_fit":
        call = functools.partial(tiny_cnn().partial_fit, X, few.target, range(4))
    else:
        call = functools.partial(getattr(fitted_tiny, method), X)
    with pytest.raises(error, match=message):
        call()


def one_hot(y):
    return np.eye(4)[y]


INVALID_Y = {
    "None": (lambda y: None, "requires y to be passed"),
    "NaN": (lambda y: np.where(y == 3, np.nan, y), "y contains NaN"),
    "infinity": (lambda y: np.where(y == 3, np.inf, y), "y contains infinity"),
    "object NaN": (
        lambda y: np.where(y == 3, np.nan, y).astype(object),
        "Input contains NaN",
    ),
    "continuous": (lambda y: y + 0.5, "Unknown label type: continuous"),
    "one-hot": (one_hot, r"Turn one-hot rows into labels with y\.argmax\(axis=1\)"),
    "one-hot list": (lambda y: one_hot(y).tolist(), r"y\.argmax\(axis=1\)"),
    "3-D": (lambda y: y.reshape(-1, 1, 1), r"dim 3(, while dim|\. None expected) <= 2"),
    "shorter": (lambda y: y[:-1], r"inconsistent numbers of samples: \[160, 159\]"),
    "empty": (lambda y: y[:0], r"inconsistent numbers of samples: \[160, 0\]"),
    "one class": (lambda y: np.zeros_like(y), r"y has one class only, \[0\]"),
    "scalar": (lambda y: 3, r"y should be a 1d array, got an array of shape \(\)"),
}


@pytest.mark.parametrize("case", INVALID_Y)
def test_invalid_labels(few, tiny_cnn, case):
    make, message = INVALID_Y[case]
    network = tiny_cnn()
    with pytest.raises(ValueError, match=message):
        network.fit(few.images, make(few.target))
    assert vars(network) == vars(tiny_cnn())  # no fitted attribute remains


@pytest.mark.parametrize("case", ["NaN", "rows", "5-D", "object strings"])
def test_failed_fit_leaves_estimator_unchanged(few, fitted_tiny, tiny_cnn, case):
    make, error, _ = INVALID_X[case]
    network = joblib.hash(fitted_tiny.history_), dict(vars(fitted_tiny))
    with pytest.raises(error):
        fitted_tiny.fit(make(few.images), few.target)
    assert (joblib.hash(fitted_tiny.history_), vars(fitted_tiny)) == network

    unfitted = tiny_cnn()
    with pytest.raises(error):
        unfitted.fit(make(few.images), few.target)
    assert vars(unfitted) == vars(tiny_cnn())


@pytest.mark.parametrize(
    "resize",
    [
        lambda X: X[:, :-1],
        lambda X: X[:, :, :4],
        lambda X: np.concatenate([X] * 3, axis=3),
        lambda X: X.reshape(len(X), 4, 16, 1),
        lambda X: X[:, :-1, :, 0],
    ],
    ids=["height", "width", "channels", "same-size", "3-D"],
)
def test_predict_rejects_other_image_shape(few, fitted_tiny, resize):
    with pytest.raises(
        ValueError, match=r"was fitted with images of shape \(8, 8, 1\)"
    ):
        fitted_tiny.predict(resize(few.images))


def test_predict_rejects_other_number_of_columns(few, tiny_cnn):
    network = tiny_cnn(image_shape=(8, -1, 1), epochs=1).fit(few.rows, few.target)
    with pytest.raises(ValueError, match=r"X has 56 features, but .* expecting 64"):
        network.predict(few.rows[:, :56])


@pytest.mark.parametrize("image_shape", [(8, 9, 1), (-1, 7, 1)])
def test_rows_must_match_image_shape(few, tiny_cnn, image_shape):
    with pytest.raises(ValueError, match="X has 64 features, but image_shape="):
        tiny_cnn(image_shape=image_shape).fit(few.rows, few.target)


def test_data_frame_of_rows(few, tiny_cnn, proba):
    pd = pytest.importorskip("pandas")
    names = [f"pixel_{i}" for i in range(64)]
    X = pd.DataFrame(few.rows, columns=names)
    y = pd.Series(CLASS_NAMES[few.target], index=np.arange(len(X))[::-1])
    network = tiny_cnn(image_shape=(8, 8)).fit(X, y)
    assert_array_equal(network.feature_names_in_, names)
    assert_array_equal(network.classes_, CLASS_NAMES)
    # Rows of X and y are matched by position, not by index.
    assert_allclose(network.predict_proba(X), proba, rtol=1e-4)

    with pytest.raises(ValueError, match=r"feature names.*should match"):
        network.predict(X.rename(columns={"pixel_3": "pixel_x"}))
    with pytest.raises(ValueError, match="must be in the same order"):
        network.predict(X[names[::-1]])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now mis"):
        network.predict(X.drop(columns="pixel_63"))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        network.predict(few.rows)
    assert_allclose(network.predict_proba(few.images), proba, rtol=1e-4)

    # A fit on images removes the feature names of an earlier fit.
    network.set_params(epochs=1).fit(few.images, few.target)
    assert not hasattr(network, "feature_names_in_")
    network.predict(few.rows)


@pytest.fixture(scope="module")
def class_ordered(few):
    """Return 30 images of each of four classes, sorted by class."""
    rows = np.concatenate([np.flatnonzero(few.target == k)[:30] for k in range(4)])
    return few.images[rows], few.target[rows]


def test_classes_missing_from_training_folds_score_zero(class_ordered, tiny_cnn):
    """Unshuffled folds of sorted data score zero and raise no exception."""
    X, y = class_ordered
    scores = cross_val_score(tiny_cnn(epochs=2), X, y, cv=KFold(4))
    assert_array_equal(scores, 0)


def test_class_missing_from_training_fold_has_probability_zero(class_ordered, tiny_cnn):
    X, y = class_ordered
    with pytest.warns(RuntimeWarning, match="does not match total number of classes"):
        proba = cross_val_predict(
            tiny_cnn(epochs=2), X, y, cv=KFold(4), method="predict_proba"
        )
    assert proba.shape == (120, 4)
    assert_array_equal(proba[np.arange(120), y], 0)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)


def test_partial_fit_accepts_declared_class_later(few, tiny_cnn):
    network = tiny_cnn()
    early = few.target != 2
    network.partial_fit(few.images[early], few.target[early], classes=range(4))
    assert_array_equal(network.classes_, [0, 1, 2, 3])
    assert network.predict_proba(few.images).shape == (160, 4)
    for _ in range(4):
        network.partial_fit(few.images, few.target)
    late = few.target == 2
    assert network.score(few.images[late], few.target[late]) > 0.8
    with pytest.raises(ValueError, match=r"labels \[7\] that are not among"):
        network.partial_fit(few.images[:2], [7, 7])
