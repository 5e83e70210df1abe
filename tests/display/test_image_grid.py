"""Tests of ImageGridDisplay."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from skcnn import CNNClassifier
from skcnn._network import _augmentation
from skcnn.datasets import load_digits, make_scenes
from skcnn.display import ImageGridDisplay


@pytest.fixture(scope="module")
def scenes():
    return make_scenes(50, image_size=16, random_state=0)


def drawn_images(display):
    return np.array([image.get_array() for image in display.images_])


def titles(display):
    return [axes.get_title() for axes in display.axes_.flat]


def test_sample_is_balanced(scenes):
    display = ImageGridDisplay.from_data(
        scenes.images,
        scenes.target,
        display_labels=scenes.target_names,
        n_images=10,
        random_state=0,
    )
    assert titles(display)[:10] == np.repeat(scenes.target_names, 2).tolist()
    for picture, name in zip(drawn_images(display), display.titles, strict=True):
        (row,) = np.flatnonzero(
            (scenes.images / np.float32(255) == picture).all((1, 2, 3))
        )
        assert scenes.target_names[scenes.target[row]] == name
    assert len({picture.tobytes() for picture in drawn_images(display)}) == 10


@pytest.mark.parametrize(
    ("n_classes", "n_images", "shape"),
    [
        (2, None, (2, 5)),
        (5, None, (5, 5)),
        (10, None, (5, 6)),
        (40, None, (5, 6)),
        (5, 10, (2, 6)),
        (5, 40, (5, 8)),
    ],
)
def test_classes_are_not_split_across_rows(n_classes, n_images, shape):
    y = np.repeat(np.arange(n_classes), 9)
    display = ImageGridDisplay.from_data(
        np.zeros((len(y), 2, 2, 3), np.uint8), y, n_images=n_images, random_state=0
    )
    assert display.axes_.shape == shape
    places = np.indices(shape)[0].ravel()[: len(display.titles)]
    rows_of = {}
    for title, row in zip(display.titles, places, strict=True):
        rows_of.setdefault(title, set()).add(row)
    assert max(map(len, rows_of.values())) == 1


def test_columns_if_class_counts_differ():
    display = ImageGridDisplay.from_data(
        np.zeros((45, 2, 2, 3), np.uint8),
        np.repeat(np.arange(5), 9),
        n_images=12,
        random_state=0,
    )
    assert display.axes_.shape == (3, 5)


def test_fewer_images_than_classes(scenes):
    display = ImageGridDisplay.from_data(
        scenes.images, scenes.target, n_images=3, random_state=0
    )
    assert len(set(titles(display)[:3])) == 3
    # The grid has no more columns than images.
    assert display.axes_.shape == (1, 3)


def test_unused_axes_are_switched_off(scenes):
    display = ImageGridDisplay.from_data(scenes.images, n_images=7, random_state=0)
    assert display.axes_.shape == (2, 5)
    assert [axes.axison for axes in display.axes_.flat] == [True] * 7 + [False] * 3


def test_random_state_determines_the_images(scenes):
    settings = {"y": scenes.target, "augment": True}
    first, again, other = (
        drawn_images(
            ImageGridDisplay.from_data(scenes.images, random_state=s, **settings)
        )
        for s in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_from_estimator_applies_its_augmentation(scenes, in_pipeline):
    settings = {"flip": "horizontal", "rotation": 0.0, "zoom": 0.0}
    estimator = CNNClassifier(augment=settings)
    if in_pipeline:
        estimator = make_pipeline("passthrough", estimator)
    display = ImageGridDisplay.from_estimator(
        estimator,
        scenes.images,
        scenes.target,
        n_images=3,
        n_versions=8,
        random_state=0,
    )
    assert display.axes_.shape == (3, 9)
    rows = drawn_images(display).reshape(3, 9, 16, 16, 3)
    names = np.array(titles(display)).reshape(3, 9)
    assert names[0, 1] == "in training"
    assert (names[1:, 1:] == "").all()
    mirrored = 0
    for stored, *versions in rows:
        for version in versions:
            is_mirrored = np.allclose(version, stored[:, ::-1], atol=1e-3)
            assert is_mirrored or np.allclose(version, stored, atol=1e-3)
            mirrored += is_mirrored
    assert 0 < mirrored < 24


def test_versions_are_those_of_the_augmentation(scenes):
    display = ImageGridDisplay.from_data(
        scenes.images, augment="auto", n_images=1, n_versions=2, random_state=0
    )
    assert display.axes_[0, 0].get_title() == "as stored"
    images = display.images[1:]
    (row,) = np.flatnonzero((scenes.images == display.images[0]).all((1, 2, 3)))
    # As in from_data, draw the augmentation seed after the images.
    rng = np.random.RandomState(0)
    rng.permutation(50)
    seed = rng.randint(np.iinfo(np.int32).max)
    stored = np.repeat(scenes.images[[row]], 2, axis=0)
    settings = _augmentation.AUTO | {"flip": None}
    assert_array_equal(images, _augmentation.augmented(stored, settings, seed))
    assert not np.allclose(images[0], images[1])


def test_augments_with_a_keras_layer(scenes):
    import keras

    layer = keras.layers.RandomBrightness(0.5, value_range=(0, 255))
    display = ImageGridDisplay.from_data(
        scenes.images, augment=layer, n_images=1, n_versions=3, random_state=0
    )
    stored, *versions = drawn_images(display)
    means = {float(version.mean()) for version in versions}
    assert len(means) == 3
    assert float(stored.mean()) not in means


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([0, 128, 255], np.uint8), [0, 128 / 255, 1]),
        (np.array([0.0, 0.5, 0.9]), [0, 0.5, 0.9]),
        (np.array([0.0, 100.0, 200.0]), [0, 100 / 255, 200 / 255]),
        (np.array([-1.0, 0.0, 1.0]), [0, 0.5, 1]),
        (np.array([0, 1000, 4000], np.uint16), [0, 0.25, 1]),
    ],
    ids=["uint8", "unit", "float to 255", "standardized", "uint16"],
)
def test_colours_are_scaled_by_range(images, expected):
    images = np.broadcast_to(images[:, None, None, None], (3, 4, 4, 3))
    display = ImageGridDisplay(images).plot()
    np.testing.assert_allclose(drawn_images(display)[:, 0, 0, 0], expected, rtol=1e-6)


def test_grayscale_is_scaled_to_its_range():
    images = np.array([0, 8, 16], np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1))
    display = ImageGridDisplay(images).plot()
    assert_array_equal(drawn_images(display)[:, 0, 0], [0, 0.5, 1])
    (image, *_) = display.images_
    assert image.get_cmap().name == "gray"
    assert image.get_clim() == (0, 1)


def test_constant_images_are_black():
    display = ImageGridDisplay(np.full((2, 4, 4, 1), 7)).plot()
    assert_array_equal(drawn_images(display), np.zeros((2, 4, 4)))


def test_flattened_images():
    X, y = load_digits(return_X_y=True)
    rows = X.reshape(len(X), -1)
    settings = {"n_images": 5, "random_state": 0}
    expected = drawn_images(ImageGridDisplay.from_data(X, y, **settings))
    display = ImageGridDisplay.from_data(rows, y, image_shape=(8, 8), **settings)
    assert_array_equal(drawn_images(display), expected)
    network = CNNClassifier(image_shape=(8, 8), augment=False)
    display = ImageGridDisplay.from_estimator(network, rows, y, **settings)
    # The images are not augmented, because the network has augment=False.
    assert_array_equal(drawn_images(display), expected)
    with pytest.raises(ValueError, match="flattened images"):
        ImageGridDisplay.from_data(rows, y)


def test_draws_grid_within_one_axes(scenes):
    figure, (left, right) = plt.subplots(1, 2)
    display = ImageGridDisplay.from_data(scenes.images, n_images=4, ax=right)
    assert display.figure_ is figure
    assert not right.axison
    assert left.axison
    places = [axes.get_position() for axes in display.axes_.flat[:4]]
    box = right.get_position()
    assert all(box.x0 <= p.x0 < p.x1 <= box.x1 + 1e-9 for p in places)


def test_draws_in_given_axes(scenes):
    figure, axes = plt.subplots(2, 2)
    display = ImageGridDisplay(scenes.images[:4]).plot(ax=axes)
    assert display.axes_ is axes
    with pytest.raises(ValueError, match="Got ax with 4 axes, but expected 3"):
        ImageGridDisplay(scenes.images[:3]).plot(ax=axes)
    free = figure.add_axes((0, 0, 0.1, 0.1))
    with pytest.raises(ValueError, match="not a subplot"):
        ImageGridDisplay(scenes.images[:3]).plot(ax=free)


def test_keyword_arguments_reach_the_artists(scenes):
    display = ImageGridDisplay(scenes.images[:1], titles=["a"]).plot(
        image_kw={"alpha": 0.5}, title_kw={"color": "red"}
    )
    assert display.images_[0].get_alpha() == 0.5
    assert display.axes_[0, 0].title.get_color() == "red"


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"augment": "strong"}, ValueError, "Got augment='strong'"),
        ({"augment": 3}, TypeError, "Got augment=3"),
        ({"augment": {"flop": 1}}, ValueError, "'flop'"),
        ({"display_labels": ["a"]}, ValueError, "display_labels with 1 names"),
        ({"y": [0, 1]}, ValueError, "inconsistent numbers of samples"),
    ],
)
def test_rejects_invalid_arguments(scenes, settings, error, match):
    settings = {"y": scenes.target} | settings
    with pytest.raises(error, match=match):
        ImageGridDisplay.from_data(scenes.images, **settings)
