"""Random flip, rotation and zoom: the map drawn for each image, and where it acts.

The map is read off images that hold their own coordinates: bilinear interpolation
reproduces a linear ramp exactly, so what was drawn is known without the generator.
"""

import collections
import copy
import warnings

import numpy as np
import pytest
from scipy import ndimage, stats

from skcnn._augment import DEFAULTS, check_augment, random_affine
from skcnn._tensorflow import import_tensorflow

tf = import_tensorflow()
from skcnn import _graphs, _passes  # noqa: E402

HEIGHT, WIDTH = 33, 41
TURN = 2 * np.pi


def augmented(images, seed=(1, 2), **settings):
    settings = {"flip": None, "rotation": 0.0, "zoom": 0.0} | settings
    images = tf.constant(images, tf.float32)
    return random_affine(images, tf.constant(seed, tf.int32), **settings).numpy()


def ramps(n):
    """Images whose two channels are the row and the column of each pixel."""
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    return np.repeat(np.stack([rows, columns], axis=-1)[np.newaxis], n, axis=0)


def maps_of(result):
    """Matrix and offset from result's (row, column) to those of the image shown."""
    middle = np.s_[HEIGHT // 2 - 5 : HEIGHT // 2 + 6, WIDTH // 2 - 5 : WIDTH // 2 + 6]
    rows, columns = (axis[middle].ravel() for axis in np.indices((HEIGHT, WIDTH)))
    design = np.column_stack([rows, columns, np.ones(len(rows))])
    for image in result:
        shown = image[middle].reshape(-1, 2)
        solution, residual, *_ = np.linalg.lstsq(design, shown, rcond=None)
        assert residual.max() < 1e-4
        yield solution[:2].T, solution[2]


def angles_and_scales(result):
    matrices = np.array([matrix for matrix, _ in maps_of(result)])
    determinants = np.linalg.det(matrices)
    angles = np.arctan2(matrices[:, 0, 1], matrices[:, 1, 1]) / TURN
    return angles, np.sqrt(np.abs(determinants)), determinants


# Single operations


@pytest.mark.parametrize(
    ("flip", "mirrors"),
    [
        ("horizontal", [np.s_[:, :], np.s_[:, ::-1]]),
        ("vertical", [np.s_[:, :], np.s_[::-1, :]]),
        (
            "horizontal_and_vertical",
            [np.s_[:, :], np.s_[:, ::-1], np.s_[::-1, :], np.s_[::-1, ::-1]],
        ),
    ],
)
@pytest.mark.parametrize("size", [(8, 8, 1), (7, 12, 3)])
def test_flip_is_exact(flip, mirrors, size):
    images = np.random.default_rng(0).integers(0, 256, (400, *size)).astype(np.float32)
    result = augmented(images, flip=flip)
    seen = np.zeros(len(mirrors), int)
    for image, flipped in zip(images, result, strict=True):
        same = [np.array_equal(image[mirror], flipped) for mirror in mirrors]
        assert sum(same) == 1
        seen += same
    # Each with the same probability, within four standard deviations.
    share = 1 / len(mirrors)
    bound = 4 * np.sqrt(share * (1 - share) / len(images))
    np.testing.assert_allclose(seen / len(images), share, atol=bound)


def test_nothing_to_do_is_the_identity():
    images = np.random.default_rng(0).uniform(0, 255, (5, 9, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(augmented(images), images)


def test_rotation_is_uniform_in_its_range_and_keeps_sizes_and_sides():
    result = augmented(ramps(400), rotation=0.1)
    angles, scales, determinants = angles_and_scales(result)
    assert np.all(determinants > 0)
    np.testing.assert_allclose(scales, 1, atol=1e-4)
    assert stats.kstest(angles, stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-3


def test_zoom_is_uniform_in_its_range_without_rotation():
    angles, scales, _ = angles_and_scales(augmented(ramps(400), zoom=0.2))
    np.testing.assert_allclose(angles, 0, atol=1e-4)
    assert stats.kstest(scales, stats.uniform(0.8, 0.4).cdf).pvalue > 1e-3


def test_zoom_keeps_the_proportions():
    for matrix, _ in maps_of(augmented(ramps(20), zoom=0.3)):
        assert matrix[0, 0] == pytest.approx(matrix[1, 1], abs=1e-4)


# All together


def test_composed_map_is_a_similarity_about_the_centre():
    """A rotation times a zoom times a flip, each with the distribution it has alone."""
    result = augmented(ramps(400), **DEFAULTS)
    centre = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
    for matrix, offset in maps_of(result):
        np.testing.assert_allclose(matrix @ centre + offset, centre, atol=1e-3)
        gram = matrix @ matrix.T
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(2), atol=1e-3)
    _, scales, determinants = angles_and_scales(result)
    assert stats.kstest(scales, stats.uniform(0.9, 0.2).cdf).pvalue > 1e-3
    flipped = determinants < 0
    assert 0.4 < flipped.mean() < 0.6
    for side in (flipped, ~flipped):
        assert stats.kstest(scales[side], stats.uniform(0.9, 0.2).cdf).pvalue > 1e-3


def test_draws_of_one_image_are_independent():
    angles, scales, determinants = angles_and_scales(
        augmented(ramps(600), flip="vertical", rotation=0.1, zoom=0.1)
    )
    angles = np.where(determinants < 0, -angles, angles)
    draws = np.array([np.abs(angles), scales, np.sign(determinants)])
    correlations = np.corrcoef(draws)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(600)


@pytest.mark.parametrize(
    "settings",
    [
        {"rotation": 0.1},
        {"zoom": 0.3},
        {"flip": "horizontal", "rotation": 0.1, "zoom": 0.1},
        {"flip": "horizontal_and_vertical", "rotation": 0.4, "zoom": 0.5},
    ],
)
def test_resampling_is_that_of_scipy(settings):
    """Beyond the border too, which is reflected about the edge of the last pixel."""
    n = 12
    noise = np.random.default_rng(0).uniform(0, 255, (n, HEIGHT, WIDTH, 2))
    result = augmented(noise, **settings)
    for image, computed, (matrix, offset) in zip(
        noise, result, maps_of(augmented(ramps(n), **settings)), strict=True
    ):
        expected = np.stack(
            [
                ndimage.affine_transform(c, matrix, offset, order=1, mode="reflect")
                for c in np.moveaxis(image, -1, 0)
            ],
            axis=-1,
        )
        np.testing.assert_allclose(computed, expected, atol=0.2)


def test_images_of_a_batch_get_different_maps():
    matrices = [matrix for matrix, _ in maps_of(augmented(ramps(30), **DEFAULTS))]
    assert len(np.unique(np.reshape(matrices, (30, 4)), axis=0)) == 30


def test_same_seed_same_images():
    first = augmented(ramps(5), seed=(1, 2), **DEFAULTS)
    np.testing.assert_array_equal(first, augmented(ramps(5), seed=(1, 2), **DEFAULTS))
    for other in [(1, 3), (2, 2)]:
        assert not np.array_equal(first, augmented(ramps(5), seed=other, **DEFAULTS))


# Against Keras' layers


def test_spread_is_that_of_keras_layers():
    """The same number means the same range: 0.1 is a tenth of a turn to either side."""
    from keras import layers

    images = ramps(400)
    angles, *_ = angles_and_scales(augmented(images, rotation=0.1))
    rotate = layers.RandomRotation(0.1, seed=1)
    of_keras, *_ = angles_and_scales(np.asarray(rotate(images, training=True)))
    assert stats.ks_2samp(angles, of_keras).pvalue > 1e-3
    assert np.abs(of_keras).max() == pytest.approx(np.abs(angles).max(), abs=2e-3)

    _, scales, _ = angles_and_scales(augmented(images, zoom=0.1))
    zoom = layers.RandomZoom(0.1, seed=1)
    _, of_keras, _ = angles_and_scales(np.asarray(zoom(images, training=True)))
    assert stats.ks_2samp(scales, of_keras).pvalue > 1e-3
    assert np.ptp(of_keras) == pytest.approx(np.ptp(scales), abs=4e-3)


# Settings


@pytest.mark.parametrize(
    ("augment", "settings"),
    [
        (False, None),
        (None, None),
        ({}, None),
        ({"flip": False, "rotation": 0, "zoom": 0}, None),
        (True, {"flip": "horizontal", "rotation": 0.1, "zoom": 0.1}),
        ("auto", {"flip": None, "rotation": 0.03, "zoom": 0.2}),
        ({"flip": True}, {"flip": "horizontal", "rotation": 0.0, "zoom": 0.0}),
        ({"rotation": 0.2}, {"flip": None, "rotation": 0.2, "zoom": 0.0}),
        (
            {"zoom": np.float32(0.5), "flip": "vertical"},
            {"flip": "vertical", "rotation": 0.0, "zoom": 0.5},
        ),
    ],
)
def test_settings(augment, settings):
    assert check_augment(augment) == settings


def test_settings_are_copied():
    check_augment(True)["rotation"] = 7
    assert check_augment(True)["rotation"] == 0.1


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ({"rotate": 0.1}, "'rotate', but expected only 'flip', 'rotation', 'zoom'"),
        ({"flip": "diagonal"}, "flip='diagonal', but expected a bool, None or one of"),
        ({"flip": ["horizontal"]}, r"flip=\['horizontal'\], but expected"),
        ({"flip": 3}, "flip=3, but expected"),
        ({"rotation": -0.1}, r"rotation=-0.1, but expected a number in \[0, 1\)"),
        ({"rotation": 45}, r"rotation=45.* \(a fraction of a full turn\)"),
        ({"rotation": "10%"}, "rotation='10%', but expected a number"),
        ({"rotation": float("nan")}, "rotation=nan, but expected a number"),
        ({"rotation": (0.1, 0.2)}, r"rotation=\(0.1, 0.2\), but expected a number"),
        ({"zoom": 1}, r"zoom=1, but expected a number in \[0, 1\)"),
        ({"zoom": -0.5}, "zoom=-0.5, but expected"),
        ({"zoom": []}, r"zoom=\[\], but expected"),
        ({"zoom": True}, "zoom=True, but expected"),
    ],
)
def test_settings_are_validated(augment, message, digits, fast_cnn):
    with pytest.raises(ValueError, match=f"Got augment with .*{message}"):
        fast_cnn(augment=augment).fit(digits.images, digits.target)


# In the estimator


@pytest.fixture(scope="module")
def small(digits):
    return digits.images[:100], digits.target[:100]


@pytest.fixture(scope="module")
def short(fast_cnn):
    def estimator(**params):
        return fast_cnn(**{"epochs": 2, "batch_size": 32, **params})

    return estimator


@pytest.fixture(scope="module")
def fitted_with(short, small):
    """Estimators fitted with the built-in augmentation, twice, and without."""
    return [short(augment=augment).fit(*small) for augment in (True, True, False)]


def same_weights(a, b):
    return all(map(np.array_equal, a.model_.get_weights(), b.model_.get_weights()))


def test_augmentation_changes_training_and_is_reproducible(fitted_with):
    first, second, plain = fitted_with
    assert same_weights(first, second)
    assert first.history_ == second.history_
    assert not same_weights(first, plain)


def test_true_equals_the_documented_settings(short, small, fitted_with):
    settings = {"flip": "horizontal", "rotation": 0.1, "zoom": 0.1}
    assert same_weights(short(augment=settings).fit(*small), fitted_with[0])


def test_no_operation_equals_no_augmentation(short, small, fitted_with):
    empty = {"flip": None, "rotation": 0, "zoom": 0}
    assert same_weights(short(augment=empty).fit(*small), fitted_with[2])


def test_predictions_are_not_augmented(small, fitted_with):
    X, _ = small
    estimator = fitted_with[0]
    expected = np.asarray(estimator.model_(X.astype(np.float32), training=False))
    proba = estimator.predict_proba(X)
    np.testing.assert_allclose(proba, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(proba, estimator.predict_proba(X))


def test_images_of_the_user_are_not_changed(short, small):
    X, y = small[0][:30].copy(), small[1][:30]
    before = X.copy()
    short(augment=True, epochs=1).fit(X, y)
    np.testing.assert_array_equal(X, before)


@pytest.fixture
def applied(monkeypatch):
    """Sizes of the batches that were augmented, and the seeds they were given."""
    calls = []
    original = random_affine

    def recorded(images, seed, **settings):
        def record(n, seed):
            calls.append((int(n), tuple(seed.tolist())))
            return np.int32(0)

        n = tf.shape(images)[0]
        with tf.control_dependencies([tf.numpy_function(record, [n, seed], tf.int32)]):
            return original(tf.identity(images), seed, **settings)

    monkeypatch.setattr(_passes, "random_affine", recorded)
    # A graph that was traced before would go on without the recorder.
    monkeypatch.setattr(_graphs, "_kept", collections.OrderedDict())
    return calls


@pytest.mark.parametrize("chunk_bytes", [None, 64 * 32 * 2])
def test_each_batch_of_each_epoch_is_augmented_anew(
    applied, short, small, monkeypatch, chunk_bytes
):
    """Also when the data go to the device in several pieces."""
    if chunk_bytes:
        monkeypatch.setattr("skcnn._train._CHUNK_BYTES", chunk_bytes)
    estimator = short(augment=True, validation_fraction=0.3, epochs=3).fit(*small)
    sizes = [n for n, _ in applied]
    assert sizes == [32, 32, 6] * 3  # the validation images are not among them
    seeds = [seed for _, seed in applied]
    assert len(set(seeds)) == 9
    estimator.predict(small[0])
    assert len(applied) == 9


def flip_and_shift():
    import keras

    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal", seed=3),
            keras.layers.RandomTranslation(0.2, 0.2, seed=4),
        ]
    )


def test_keras_layer(short, small, fitted_with):
    layer = flip_and_shift()
    first = short(augment=layer).fit(*small)
    assert not same_weights(first, fitted_with[2])
    assert first.augment is layer
    # Used up by neither fit: the second starts where the first did.
    assert same_weights(short(augment=layer).fit(*small), first)
    other = short(augment=layer, random_state=1).fit(*small)
    assert not same_weights(other, first)


def test_keras_layer_is_not_drawn_from(short, small):
    import keras

    layer = keras.layers.GaussianNoise(0.9, seed=4)
    before = np.asarray(layer.seed_generator.state)
    short(augment=layer, epochs=1).fit(*small)
    np.testing.assert_array_equal(np.asarray(layer.seed_generator.state), before)


def test_predictions_are_not_augmented_by_a_keras_layer(short, small):
    import keras

    class Blank(keras.layers.Layer):
        def call(self, images, training=None):
            return images * 0.0

    X, y = small
    estimator = short(augment=Blank(), normalize=False, validation_fraction=0.2)
    estimator.fit(X, y)
    history = estimator.history_
    # Trained on nothing but blank images, the network sees real ones elsewhere.
    assert len(np.unique(estimator.predict_proba(X)[:, 0])) > 50
    assert np.ptp(history["loss"]) < 1
    assert history["val_loss"][0] != pytest.approx(history["loss"][0], rel=1e-3)


def test_keras_layer_survives_clone_and_pickle(short, small):
    import pickle

    from sklearn.base import clone

    estimator = short(augment=flip_and_shift(), epochs=1).fit(*small)
    restored = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(
        restored.predict_proba(small[0]), estimator.predict_proba(small[0])
    )
    for twin in (clone(estimator), clone(restored), copy.deepcopy(estimator)):
        assert same_weights(twin.fit(*small), estimator)


def test_augmentation_of_flattened_rows(short, small, fitted_with):
    X, y = small
    rows = X.reshape(len(X), -1)
    by_rows = short(augment=True, image_shape=(8, 8, 1)).fit(rows, y)
    assert same_weights(by_rows, fitted_with[0])


def test_no_warning_of_tracing_again(short, small):
    """As many batch sizes as there are: one graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short(augment=True, batch_size=33).fit(*small)
