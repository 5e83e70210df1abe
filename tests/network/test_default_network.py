"""The default network on images of many shapes."""

import numpy as np
import pytest

from skcnn import CNNClassifier


@pytest.mark.parametrize(
    ("n_samples", "image_shape", "n_classes", "changed"),
    [
        (30, (8, 8, 1), 2, {}),
        (400, (8, 8), 200, {}),
        (33, (40, 48, 3), 3, {}),  # the last batch has one image
        (12, (1, 70, 1), 2, {}),
        (5, (9, 33, 4), 2, {}),
        (30, (8, 8, 1), 2, {"precision": "bfloat16"}),
    ],
)
def test_default_network_trains_on_images_of_any_shape(
    n_samples, image_shape, n_classes, changed
):
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % n_classes
    images = rng.integers(0, 256, (n_samples, *image_shape), dtype=np.uint8)
    images[y == 0] = 0
    estimator = CNNClassifier(width_factor=0.25, epochs=3, random_state=0, **changed)
    proba = estimator.fit(images, y).predict_proba(images)
    assert np.all(np.isfinite(estimator.history_["loss"]))
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-4)


def test_default_network_learns_from_80_images(few):
    estimator = CNNClassifier(filters=(16, 32), epochs=15, random_state=0)
    assert (
        estimator.fit(few.images[:80], few.target[:80]).score(
            few.images[80:], few.target[80:]
        )
        > 0.9
    )
