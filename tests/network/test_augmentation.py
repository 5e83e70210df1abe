"""Random flip, rotation and zoom: the transformation of each image, and its settings.

The transformation is measured on images that contain their own coordinates. Bilinear
interpolation reproduces a linear ramp exactly, so the tests do not need to know the
random numbers.
"""

import numpy as np
import pytest
from scipy import ndimage, stats

from skcnn._network._augmentation import DEFAULTS, check_augment, random_affine
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()


HEIGHT, WIDTH = 33, 41


TURN = 2 * np.pi


def augment_images(images, seed=(1, 2), **settings):
    settings = {"flip": None, "rotation": 0.0, "zoom": 0.0} | settings
    images = tf.constant(images, tf.float32)
    return random_affine(images, tf.constant(seed, tf.int32), **settings).numpy()


def ramps(n):
    """Return images whose two channels are the row and the column of each pixel."""
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    return np.repeat(np.stack([rows, columns], axis=-1)[np.newaxis], n, axis=0)


def affine_maps(result):
    """Yield the matrix and offset that map pixels of each result to its source."""
    middle = np.s_[HEIGHT // 2 - 5 : HEIGHT // 2 + 6, WIDTH // 2 - 5 : WIDTH // 2 + 6]
    rows, columns = (axis[middle].ravel() for axis in np.indices((HEIGHT, WIDTH)))
    design = np.column_stack([rows, columns, np.ones(len(rows))])
    for image in result:
        source = image[middle].reshape(-1, 2)
        solution, residual, *_ = np.linalg.lstsq(design, source, rcond=None)
        assert residual.max() < 1e-4
        yield solution[:2].T, solution[2]


def angles_and_scales(result):
    matrices = np.array([matrix for matrix, _ in affine_maps(result)])
    determinants = np.linalg.det(matrices)
    angles = np.arctan2(matrices[:, 0, 1], matrices[:, 1, 1]) / TURN
    return angles, np.sqrt(np.abs(determinants)), determinants


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
    result = augment_images(images, flip=flip)
    counts = np.zeros(len(mirrors), int)
    for image, flipped in zip(images, result, strict=True):
        same = [np.array_equal(image[mirror], flipped) for mirror in mirrors]
        assert sum(same) == 1
        counts += same
    # All flips are equally likely. Allow for four standard deviations.
    share = 1 / len(mirrors)
    bound = 4 * np.sqrt(share * (1 - share) / len(images))
    np.testing.assert_allclose(counts / len(images), share, atol=bound)


def test_no_operation_is_the_identity():
    images = np.random.default_rng(0).uniform(0, 255, (5, 9, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(augment_images(images), images)


def test_rotation_is_uniform_without_scaling_or_mirroring():
    result = augment_images(ramps(400), rotation=0.1)
    angles, scales, determinants = angles_and_scales(result)
    assert np.all(determinants > 0)
    np.testing.assert_allclose(scales, 1, atol=1e-4)
    assert stats.kstest(angles, stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-3


def test_zoom_is_uniform_without_rotation():
    angles, scales, _ = angles_and_scales(augment_images(ramps(400), zoom=0.2))
    np.testing.assert_allclose(angles, 0, atol=1e-4)
    assert stats.kstest(scales, stats.uniform(0.8, 0.4).cdf).pvalue > 1e-3


def test_zoom_preserves_proportions():
    for matrix, _ in affine_maps(augment_images(ramps(20), zoom=0.3)):
        assert matrix[0, 0] == pytest.approx(matrix[1, 1], abs=1e-4)


def test_composed_map_is_a_similarity_about_the_center():
    """Rotation, zoom and flip have the same distributions as when used alone."""
    result = augment_images(ramps(400), **DEFAULTS)
    centre = np.array([(HEIGHT - 1) / 2, (WIDTH - 1) / 2])
    for matrix, offset in affine_maps(result):
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
        augment_images(ramps(600), flip="vertical", rotation=0.1, zoom=0.1)
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
def test_resampling_matches_scipy(settings):
    """The comparison includes pixels beyond the border, where images are reflected."""
    n = 12
    noise = np.random.default_rng(0).uniform(0, 255, (n, HEIGHT, WIDTH, 2))
    result = augment_images(noise, **settings)
    for image, computed, (matrix, offset) in zip(
        noise, result, affine_maps(augment_images(ramps(n), **settings)), strict=True
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
    matrices = [
        matrix for matrix, _ in affine_maps(augment_images(ramps(30), **DEFAULTS))
    ]
    assert len(np.unique(np.reshape(matrices, (30, 4)), axis=0)) == 30


def test_seed_determines_images():
    first = augment_images(ramps(5), seed=(1, 2), **DEFAULTS)
    np.testing.assert_array_equal(
        first, augment_images(ramps(5), seed=(1, 2), **DEFAULTS)
    )
    for other in [(1, 3), (2, 2)]:
        assert not np.array_equal(
            first, augment_images(ramps(5), seed=other, **DEFAULTS)
        )


def test_ranges_match_keras_layers():
    """In Keras, 0.1 also means up to a tenth of a turn in either direction."""
    from keras import layers

    images = ramps(400)
    angles, *_ = angles_and_scales(augment_images(images, rotation=0.1))
    rotate = layers.RandomRotation(0.1, seed=1)
    of_keras, *_ = angles_and_scales(np.asarray(rotate(images, training=True)))
    assert stats.ks_2samp(angles, of_keras).pvalue > 1e-3
    assert np.abs(of_keras).max() == pytest.approx(np.abs(angles).max(), abs=2e-3)

    _, scales, _ = angles_and_scales(augment_images(images, zoom=0.1))
    zoom = layers.RandomZoom(0.1, seed=1)
    _, of_keras, _ = angles_and_scales(np.asarray(zoom(images, training=True)))
    assert stats.ks_2samp(scales, of_keras).pvalue > 1e-3
    assert np.ptp(of_keras) == pytest.approx(np.ptp(scales), abs=4e-3)


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
def test_check_augment_returns_settings(augment, settings):
    assert check_augment(augment) == settings


def test_check_augment_returns_a_new_dict():
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
def test_invalid_settings(augment, message, digits, fast_cnn):
    with pytest.raises(ValueError, match=f"Got augment with .*{message}"):
        fast_cnn(augment=augment).fit(digits.images, digits.target)
