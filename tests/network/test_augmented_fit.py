"""Augmentation during a fit, with the built-in settings or a Keras layer."""

import collections
import copy
import pickle
import warnings

import numpy as np
import pytest
from helpers import fitted_state, same_weights
from sklearn.base import clone

from skcnn._network._augmentation import random_affine
from skcnn._training import _trainer
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()
import keras  # noqa: E402

from skcnn._compiled import _cache, _steps  # noqa: E402


@pytest.fixture(scope="module")
def digits_100(digits):
    return digits.images[:100], digits.target[:100]


@pytest.fixture(scope="module")
def short_cnn(fast_cnn):
    def estimator(**params):
        return fast_cnn(**{"epochs": 2, "batch_size": 32, **params})

    return estimator


@pytest.fixture(scope="module")
def augmented_fits(short_cnn, digits_100):
    """Return two fits with augment=True and one without augmentation."""
    return [
        short_cnn(augment=augment).fit(*digits_100) for augment in (True, True, False)
    ]


def test_augmentation_changes_training_and_is_reproducible(augmented_fits):
    first, second, plain = augmented_fits
    assert same_weights(first, second)
    assert first.history_ == second.history_
    assert not same_weights(first, plain)


def test_augment_true_equals_documented_settings(short_cnn, digits_100, augmented_fits):
    settings = {"flip": "horizontal", "rotation": 0.1, "zoom": 0.1}
    assert same_weights(short_cnn(augment=settings).fit(*digits_100), augmented_fits[0])


def test_no_operation_equals_no_augmentation(short_cnn, digits_100, augmented_fits):
    empty = {"flip": None, "rotation": 0, "zoom": 0}
    assert same_weights(short_cnn(augment=empty).fit(*digits_100), augmented_fits[2])


def test_predictions_are_not_augmented(digits_100, augmented_fits):
    X, _ = digits_100
    estimator = augmented_fits[0]
    expected = np.asarray(estimator.model_(X.astype(np.float32), training=False))
    proba = estimator.predict_proba(X)
    np.testing.assert_allclose(proba, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(proba, estimator.predict_proba(X))


def test_fit_does_not_modify_images(short_cnn, digits_100):
    X, y = digits_100[0][:30].copy(), digits_100[1][:30]
    before = X.copy()
    short_cnn(augment=True, epochs=1).fit(X, y)
    np.testing.assert_array_equal(X, before)


@pytest.fixture
def augment_calls(monkeypatch):
    """Record the size and the seed of each augmented batch."""
    calls = []
    original = random_affine

    def recorded(images, seed, **settings):
        def record(n, seed):
            calls.append((int(n), tuple(seed.tolist())))
            return np.int32(0)

        n = tf.shape(images)[0]
        with tf.control_dependencies([tf.numpy_function(record, [n, seed], tf.int32)]):
            return original(tf.identity(images), seed, **settings)

    monkeypatch.setattr(_steps, "random_affine", recorded)
    # Empty the cache, because a graph traced earlier would not call the recorder.
    monkeypatch.setattr(_cache, "_cache", collections.OrderedDict())
    return calls


@pytest.mark.parametrize("chunk_bytes", [None, 64 * 32 * 2])
def test_each_batch_is_augmented_with_its_own_seed(
    augment_calls, short_cnn, digits_100, monkeypatch, chunk_bytes
):
    """Seeds must also differ if the data are sent to the device in several chunks."""
    if chunk_bytes:
        monkeypatch.setattr(_trainer, "_CHUNK_BYTES", chunk_bytes)
    estimator = short_cnn(augment=True, validation_fraction=0.3, epochs=3).fit(
        *digits_100
    )
    sizes = [n for n, _ in augment_calls]
    assert sizes == [32, 32, 6] * 3  # without validation images
    seeds = [seed for _, seed in augment_calls]
    assert len(set(seeds)) == 9
    estimator.predict(digits_100[0])
    assert len(augment_calls) == 9


def flip_and_shift():
    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal", seed=3),
            keras.layers.RandomTranslation(0.2, 0.2, seed=4),
        ]
    )


def test_fit_with_keras_layer_is_reproducible(short_cnn, digits_100, augmented_fits):
    layer = flip_and_shift()
    first = short_cnn(augment=layer).fit(*digits_100)
    assert not same_weights(first, augmented_fits[2])
    assert first.augment is layer
    # Fitting does not change the layer, so a second fit with it gives the same weights.
    assert same_weights(short_cnn(augment=layer).fit(*digits_100), first)
    other = short_cnn(augment=layer, random_state=1).fit(*digits_100)
    assert not same_weights(other, first)


def test_fit_does_not_advance_seed_of_keras_layer(short_cnn, digits_100):
    layer = keras.layers.GaussianNoise(0.9, seed=4)
    before = np.asarray(layer.seed_generator.state)
    short_cnn(augment=layer, epochs=1).fit(*digits_100)
    np.testing.assert_array_equal(np.asarray(layer.seed_generator.state), before)


def test_predictions_are_not_augmented_by_a_keras_layer(short_cnn, digits_100):
    class Blank(keras.layers.Layer):
        def call(self, images, training=None):
            return images * 0.0

    X, y = digits_100
    estimator = short_cnn(augment=Blank(), normalize=False, validation_fraction=0.2)
    estimator.fit(X, y)
    history = estimator.history_
    # Only training uses blank images. Validation and prediction use the original ones.
    assert len(np.unique(estimator.predict_proba(X)[:, 0])) > 50
    assert np.ptp(history["loss"]) < 1
    assert history["val_loss"][0] != pytest.approx(history["loss"][0], rel=1e-3)


def test_clone_and_pickle_copy_keras_layer(short_cnn, digits_100):
    estimator = short_cnn(augment=flip_and_shift(), epochs=1).fit(*digits_100)
    restored = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        restored.predict_proba(digits_100[0]), estimator.predict_proba(digits_100[0])
    )
    for copied in (clone(estimator), clone(restored), copy.deepcopy(estimator)):
        assert same_weights(copied.fit(*digits_100), estimator)


def test_layer_that_changes_image_shape_is_rejected(few, tiny_cnn):
    estimator = tiny_cnn(augment=keras.layers.RandomCrop(4, 4))
    message = (
        r"augment=<RandomCrop.* shape \(8, 8, 1\) into images of shape \(4, 4, 1\)"
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(few.images, few.target)
    assert fitted_state(estimator) == {}


def test_flattened_rows_are_augmented_as_images(short_cnn, digits_100, augmented_fits):
    X, y = digits_100
    rows = X.reshape(len(X), -1)
    by_rows = short_cnn(augment=True, image_shape=(8, 8, 1)).fit(rows, y)
    assert same_weights(by_rows, augmented_fits[0])


def test_batch_size_does_not_retrace_graph(short_cnn, digits_100):
    """An epoch has batches of two sizes, but no warning is issued.

    TensorFlow would warn about retracing, and warnings are errors here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short_cnn(augment=True, batch_size=33).fit(*digits_100)
