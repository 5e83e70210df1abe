"""Normalization by the statistics of training images on any scale."""

import copy
import functools
import pickle

import numpy as np
import pytest
from helpers import assert_same_training, same_arrays
from sklearn.base import clone

from skcnn import CNNClassifier, optimized_cnn
from skcnn._training import _input_statistics
from skcnn._training._data import ImageReader
from skcnn._training._input_statistics import InputStatistics


def statistics_of(X, rows=None, shape=None):
    rows = np.arange(len(X)) if rows is None else rows
    return InputStatistics().update(ImageReader(X, shape or X.shape[1:]), rows)


def assert_same_statistics(statistics, X):
    """Compare with NumPy in float64, after subtracting an offset for precision."""
    values = X.reshape(-1, X.shape[-1]).astype(np.float64)
    first = values[0]
    mean = first + (values - first).mean(axis=0)
    std = (values - first).std(axis=0)
    assert statistics.count == len(values)
    np.testing.assert_allclose(statistics.mean, mean, rtol=1e-6)
    scale, offset = statistics.rescaling()
    np.testing.assert_allclose(scale, 1 / std, rtol=1e-5)
    np.testing.assert_allclose(offset, -mean / std, rtol=1e-5)


def drawn_images(n=50, channels=1):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 6, 5, channels), dtype=np.uint8)


IMAGES = {
    "uint8": drawn_images,
    "uint8 with three channels": lambda: drawn_images(channels=3),
    "16 bits with an offset": lambda: 29_500 + drawn_images().astype(np.uint16),
    "tiny": lambda: drawn_images().astype(np.float32) * 1e-9,
    "float64": lambda: drawn_images(channels=2) / 255,
    "negative": lambda: -40.0 * drawn_images(),
    "int16 around zero": lambda: drawn_images().astype(np.int16) - 128,
    "channels of different scales": lambda: (
        drawn_images(channels=3) * np.array([1e-6, 1, 1e6])
    ),
    "large": lambda: drawn_images() * 1e30,
}


@pytest.mark.parametrize("images", IMAGES)
def test_statistics_equal_those_of_numpy(images):
    X = IMAGES[images]()
    assert_same_statistics(statistics_of(X), X)


def test_statistics_of_rows_and_of_flattened_images():
    X = drawn_images(channels=3)
    rows = np.array([3, 4, 17, 49])
    flat = X.reshape(len(X), -1)
    assert_same_statistics(statistics_of(X, rows), X[rows])
    assert_same_statistics(statistics_of(flat, rows, X.shape[1:]), X[rows])


def test_statistics_of_memory_map(tmp_path):
    X = drawn_images(channels=2)
    np.save(tmp_path / "images.npy", X)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert_same_statistics(statistics_of(mapped), X)


@pytest.mark.parametrize("per_chunk", [1, 7, 25, 49, 50, 51])
def test_chunks_do_not_change_statistics(monkeypatch, per_chunk):
    X = 29_500 + drawn_images().astype(np.uint16)
    nbytes = ImageReader(X, X.shape[1:]).image_nbytes
    monkeypatch.setattr(_input_statistics, "_CHUNK_BYTES", per_chunk * nbytes)
    assert_same_statistics(statistics_of(X), X)


def test_images_larger_than_a_chunk(monkeypatch):
    monkeypatch.setattr(_input_statistics, "_CHUNK_BYTES", 1)
    X = drawn_images(n=3)
    assert_same_statistics(statistics_of(X), X)


def test_constant_channel_is_not_scaled():
    X = drawn_images(channels=2).astype(np.float32)
    X[..., 1] = 0.1
    scale, offset = statistics_of(X).rescaling()
    assert scale[1] == 1
    np.testing.assert_allclose(offset[1], -np.float32(0.1), rtol=1e-7)
    np.testing.assert_allclose(scale[0], 1 / X[..., 0].std(dtype=np.float64), rtol=1e-6)


def test_values_too_close_together_are_refused(few, tiny_cnn):
    with pytest.raises(ValueError, match=r"standard deviation of .* Multiply the im"):
        statistics_of(drawn_images() * 1e-42).rescaling()
    estimator = tiny_cnn(normalize=True)
    with pytest.raises(ValueError, match="standard deviation"):
        estimator.fit(few.images * 1e-42, few.target)
    assert not hasattr(estimator, "model_")


# Training

SCALES = {
    "float from 0 to 1": lambda X: X / np.float32(16),
    "tiny": lambda X: X * 1e-9,
    "uint16 with an offset": lambda X: 29_500 + X.astype(np.uint16),
    "large": lambda X: X * 1e12,
    "negative": lambda X: -3.0 * X,
    "float64 around zero": lambda X: X - 8.0,
}


UNREGULARIZED = {"augment": False, "dropout": 0.0, "last_dropout": 0.0}
LEARNERS = {
    "CNNClassifier": functools.partial(
        CNNClassifier, filters=(16, 32), batch_size=16, epochs=12
    ),
    "optimized_cnn": functools.partial(
        optimized_cnn, filters=(64, 64), width_factor=0.5, dense_units=64, epochs=12
    ),
}


@pytest.fixture(scope="module")
def split(digits):
    """Return the indices of 400 training images and of 200 other images."""
    rows = np.random.default_rng(0).permutation(600)
    return rows[:400], rows[400:]


@pytest.fixture(scope="module", params=LEARNERS)
def learner(request, digits, split):
    """Return a classifier and its accuracy on held-out digits at the original scale."""
    estimator = LEARNERS[request.param](
        **UNREGULARIZED, learning_rate=3e-3, random_state=0
    )
    train, test = split
    estimator.fit(digits.images[train], digits.target[train])
    return estimator, estimator.score(digits.images[test], digits.target[test])


def test_accuracy_on_stored_digits(learner):
    _, score = learner
    assert score > 0.94


@pytest.mark.parametrize("scale", SCALES)
def test_scale_of_images_does_not_change_accuracy(digits, split, learner, scale):
    estimator, expected = clone(learner[0]), learner[1]
    train, test = split
    X = SCALES[scale](digits.images)
    estimator.fit(X[train], digits.target[train])
    score = estimator.score(X[test], digits.target[test])
    assert score == pytest.approx(expected, abs=0.02)


def test_bfloat16_with_a_large_offset_learns(few):
    """The values 29,500 and 29,516 are the same number in bfloat16."""
    X = 29_500 + few.images.astype(np.uint16)
    estimator = CNNClassifier(
        filters=(16, 32),
        batch_size=16,
        epochs=8,
        precision="bfloat16",
        random_state=0,
        **UNREGULARIZED,
    )
    assert estimator.fit(X, few.target).score(X, few.target) > 0.95


def normalizing(tiny_cnn, **params):
    return tiny_cnn(normalize=True, **params)


def rescaling(estimator):
    layer = estimator.model_.get_layer("rescale")
    return np.ravel(layer.scale), np.ravel(layer.offset)


def assert_normalizes_by(estimator, X):
    scale, offset = rescaling(estimator)
    std = X.std(dtype=np.float64)
    np.testing.assert_allclose(scale, 1 / std, rtol=1e-5)
    np.testing.assert_allclose(offset, -X.mean(dtype=np.float64) / std, rtol=1e-5)


def test_fit_uses_images_that_are_trained_on(few, tiny_cnn):
    X = few.images.astype(np.float32)
    X[::2] += 100
    weight = np.zeros(len(X))
    weight[::2] = 1
    estimator = normalizing(tiny_cnn, epochs=1)
    estimator.fit(X, few.target, sample_weight=weight)
    assert_normalizes_by(estimator, X[::2])
    estimator.fit(X[1::2], few.target[1::2], X_val=X[::2], y_val=few.target[::2])
    assert_normalizes_by(estimator, X[1::2])


@pytest.mark.parametrize("average", [False, True])
def test_two_warm_fits_equal_one_long_fit(few, tiny_cnn, average):
    X = 29_500 + few.images.astype(np.uint16)
    params = {"average": average, "validation_fraction": 0.2, "last_dropout": 0.2}
    long = normalizing(tiny_cnn, epochs=4, **params).fit(X, few.target)
    short = normalizing(tiny_cnn, epochs=2, warm_start=True, **params)
    short.fit(X, few.target).fit(X, few.target)
    assert_same_training(short, long)
    assert same_arrays(rescaling(short), rescaling(long))
    np.testing.assert_array_equal(short.predict_proba(X), long.predict_proba(X))


def test_warm_start_uses_the_new_images(few, tiny_cnn):
    estimator = normalizing(tiny_cnn, epochs=1, warm_start=True)
    estimator.fit(few.images, few.target)
    brighter = few.images * 3.0 + 50
    estimator.fit(brighter, few.target)
    assert_normalizes_by(estimator, brighter)


def test_partial_fit_uses_all_images_so_far(few, tiny_cnn):
    X = few.images.astype(np.float32)
    X[:40] += 60  # the first part of the images is brighter
    estimator = normalizing(tiny_cnn)
    for start in (0, 40, 120):
        stop = {0: 40, 40: 120, 120: 160}[start]
        estimator.partial_fit(X[start:stop], few.target[start:stop], np.arange(4))
        assert_normalizes_by(estimator, X[:stop])


def test_partial_fit_continues_after_fit(few, tiny_cnn):
    X = few.images.astype(np.float32)
    estimator = normalizing(tiny_cnn, epochs=1).fit(X[:100], few.target[:100])
    estimator.partial_fit(X[100:] + 9, few.target[100:])
    assert_normalizes_by(estimator, np.concatenate([X[:100], X[100:] + 9]))
    # A new fit discards the earlier statistics.
    estimator.fit(X, few.target)
    assert_normalizes_by(estimator, X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_failure_restores_statistics(few, tiny_cnn, method):
    estimator = normalizing(tiny_cnn, epochs=1, warm_start=True)
    estimator.fit(few.images, few.target)
    before = rescaling(estimator)
    proba = estimator.predict_proba(few.images)
    weight = np.full(len(few.target), 1e38)  # the loss overflows
    with pytest.raises(ValueError, match="diverged"):
        getattr(estimator, method)(few.images + 50.0, few.target, sample_weight=weight)
    assert same_arrays(rescaling(estimator), before)
    np.testing.assert_array_equal(estimator.predict_proba(few.images), proba)
    # Later training gives the same result as without the failed call.
    again = normalizing(tiny_cnn, epochs=1, warm_start=True)
    again.fit(few.images, few.target).partial_fit(few.images, few.target)
    assert_same_training(estimator.partial_fit(few.images, few.target), again)


@pytest.mark.parametrize(
    "copied",
    [lambda network: pickle.loads(pickle.dumps(network)), copy.deepcopy],
    ids=["pickle", "deepcopy"],
)
def test_copies_keep_statistics(few, tiny_cnn, copied):
    X = 29_500 + few.images.astype(np.uint16)
    estimator = normalizing(tiny_cnn)
    estimator.partial_fit(X[:80], few.target[:80], np.arange(4))
    again = copied(estimator)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    for network in (estimator, again):
        network.partial_fit(X[80:], few.target[80:])
        assert_normalizes_by(network, X)
    assert_same_training(again, estimator)


def test_network_without_normalization_has_no_rescaling(fitted_tiny):
    names = [layer.name for layer in fitted_tiny.model_.layers]
    assert "rescale" not in names
    assert "normalize" not in names
