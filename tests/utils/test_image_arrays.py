"""Containers of images that are accepted, and error messages for all other input."""

import itertools

import numpy as np
import pytest
from helpers import fitted_state

from skcnn._training._loop import TrainingLoop
from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()
import keras  # noqa: E402


class Untouched:
    """An object that fails the test if anything is read from it."""

    def read(self):
        pytest.fail("something was read")


def untouched_generator():
    pytest.fail("something was read")
    yield


class Endless(Untouched):
    """Like the result of Keras' ImageDataGenerator.flow, it has a length but no end."""

    def __len__(self):
        return 5

    def __iter__(self):
        return self

    def __next__(self):
        self.read()

    def __getitem__(self, index):
        self.read()


class Batches(keras.utils.PyDataset):
    """A dataset of Keras' own base class."""

    def __init__(self):
        super().__init__()

    def __len__(self):
        return 5

    def __getitem__(self, index):
        pytest.fail("something was read")


class DataLoader(Untouched):
    """Like PyTorch's class, an iterable with a length and a `dataset` attribute."""

    def __init__(self):
        self.dataset = Endless()
        self.batch_size = 32

    def __len__(self):
        return 5

    def __iter__(self):
        self.read()


class Dataset(Untouched):
    """Like a map-style dataset of PyTorch, subscriptable but not an array."""

    def __len__(self):
        return 160

    def __getitem__(self, index):
        self.read()


ITERATED = {
    "generator": untouched_generator,
    "generator expression": lambda: (x for x in untouched_generator()),
    "iterator": lambda: iter(Endless()),
    "iterator of a list": lambda: iter([np.zeros((8, 8, 1))]),
    "zip": lambda: zip(untouched_generator(), untouched_generator(), strict=True),
    "map": lambda: map(np.asarray, untouched_generator()),
    "chain": lambda: itertools.chain(untouched_generator()),
    "endless count": itertools.count,
    "ImageDataGenerator": Endless,
    "PyDataset": Batches,
    "DataLoader": DataLoader,
    "map-style dataset": Dataset,
    "set": lambda: {1, 2},
}


@pytest.fixture
def no_training(monkeypatch):
    def run(*args, **kwargs):
        pytest.fail("training has started")

    monkeypatch.setattr(TrainingLoop, "run", run)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", ITERATED)
def test_fit_refuses_what_is_read_piece_by_piece(few, tiny_cnn, kind):
    estimator = tiny_cnn()
    for y in (few.target, None):
        values = ITERATED[kind]()
        match = f"Got X of type {type(values).__name__}, which is read piece by piece"
        with pytest.raises(TypeError, match=match):
            estimator.fit(values, y)
    with pytest.raises(TypeError, match=r"Got X of type .*np\.concatenate"):
        estimator.partial_fit(ITERATED[kind](), few.target, range(4))
    assert fitted_state(estimator) == {}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", ITERATED)
def test_fit_refuses_labels_that_are_read_piece_by_piece(few, tiny_cnn, kind):
    values = ITERATED[kind]()
    estimator = tiny_cnn()
    match = f"Got y of type {type(values).__name__}, which is read piece by piece"
    with pytest.raises(TypeError, match=match):
        estimator.fit(few.images, values)
    assert fitted_state(estimator) == {}


@pytest.mark.parametrize("kind", ITERATED)
def test_prediction_refuses_what_is_read_piece_by_piece(few, fitted_tiny, kind):
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(TypeError, match=r"Got X of type .* but expected an array"):
            getattr(fitted_tiny, method)(ITERATED[kind]())
    with pytest.raises(TypeError, match=r"Got X of type .* but expected an array"):
        fitted_tiny.score(ITERATED[kind](), few.target)


@pytest.mark.parametrize("is_endless", [False, True])
def test_tensorflow_datasets_are_refused(few, tiny_cnn, fitted_tiny, is_endless):
    def read():
        pytest.fail("something was read")

    dataset = tf.data.Dataset.from_generator(
        read, output_signature=tf.TensorSpec((8, 8, 1))
    )
    dataset = dataset.repeat() if is_endless else dataset.batch(32)
    for y in (few.target, None):
        with pytest.raises(TypeError, match=r"tf\.data\.Dataset.*from_dataset"):
            tiny_cnn().fit(dataset, y)
    for method in (fitted_tiny.predict, fitted_tiny.predict_proba):
        with pytest.raises(TypeError, match="from_dataset"):
            method(dataset)
    with pytest.raises(TypeError, match="from_dataset"):
        fitted_tiny.score(dataset, few.target)
    with pytest.raises(TypeError, match="Got y of type"):
        tiny_cnn().fit(few.images, dataset)


# Columns of images


def object_array(images):
    column = np.empty(len(images), dtype=object)
    column[:] = list(images)
    return column


def series(images):
    return pytest.importorskip("pandas").Series(list(images))


def column_of_frame(images):
    frame = pytest.importorskip("pandas").DataFrame({"image": list(images)})
    return frame[["image"]]


COLUMNS = {
    "object array": object_array,
    "object column": lambda images: object_array(images)[:, np.newaxis],
    "series": series,
    "series with an index": lambda images: series(images).iloc[::-1].iloc[::-1],
    "data frame": column_of_frame,
    "list of arrays": list,
    "tuple of arrays": tuple,
    "list of lists": lambda images: [image.tolist() for image in images],
    "column of lists": lambda images: series([image.tolist() for image in images]),
    "list of tensors": lambda images: [tf.constant(image) for image in images],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_column_of_images_is_stacked(few, tiny_cnn, fitted_tiny, kind):
    X = COLUMNS[kind](few.images)
    expected = fitted_tiny.predict_proba(few.images)
    np.testing.assert_allclose(fitted_tiny.predict_proba(X), expected, rtol=1e-5)
    assert fitted_tiny.score(X, few.target) == fitted_tiny.score(few.images, few.target)
    estimator = tiny_cnn(epochs=1).fit(X, few.target)
    assert estimator.image_shape_ == (8, 8, 1)
    assert not hasattr(estimator, "feature_names_in_")


@pytest.mark.parametrize("kind", COLUMNS)
def test_column_of_grey_images_without_channels(few, fitted_tiny, kind):
    X = COLUMNS[kind](few.images[..., 0])
    expected = fitted_tiny.predict_proba(few.images)
    np.testing.assert_allclose(fitted_tiny.predict_proba(X), expected, rtol=1e-5)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", COLUMNS)
def test_images_of_different_shapes_are_refused(few, tiny_cnn, kind):
    images = [*few.images[:3], few.images[3, :5]]
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match=r"X has images that differ in shape.*Resize"):
        estimator.fit(COLUMNS[kind](images), few.target[:4])
    assert fitted_state(estimator) == {}


# The order of the axes


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("shape", [(3, 8, 9), (1, 8, 8), (4, 20, 30), (3, 150, 150)])
def test_channels_first_is_refused(tiny_cnn, shape):
    estimator = tiny_cnn()
    X = np.zeros((4, *shape), np.uint8)
    with pytest.raises(ValueError, match=r"channels, height, width.*\(0, 2, 3, 1\)"):
        estimator.fit(X, [0, 1, 0, 1])
    assert fitted_state(estimator) == {}


@pytest.mark.parametrize("shape", [(3, 8, 9), (1, 8, 8)])
def test_unusual_shape_is_accepted_with_image_shape(few, tiny_cnn, shape):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 16, (40, *shape), dtype=np.uint8)
    estimator = tiny_cnn(image_shape=shape, epochs=1).fit(X, few.target[:40])
    assert estimator.image_shape_ == shape
    assert estimator.predict(X).shape == (40,)


@pytest.mark.parametrize("shape", [(3, 8, 3), (1, 64, 1), (1, 40, 2), (8, 8, 3)])
def test_small_images_are_not_taken_for_channels_first(few, tiny_cnn, shape):
    X = np.ones((40, *shape), np.uint8)
    X[few.target[:40] > 1] = 7
    assert tiny_cnn(epochs=1).fit(X, few.target[:40]).image_shape_ == shape


def test_prediction_of_channels_first_says_what_to_do(few, tiny_cnn):
    X = np.repeat(few.images, 3, axis=-1)
    estimator = tiny_cnn(epochs=1).fit(X, few.target)
    first = X.transpose(0, 3, 1, 2)
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 2, 3, 1\)"):
        estimator.predict(first)
    back = first.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(
        estimator.predict_proba(back), estimator.predict_proba(X)
    )


# Channels


def test_colour_images_for_a_network_of_grey_ones(few, fitted_tiny):
    X = np.repeat(few.images, 3, axis=-1)
    match = r'images of shape \(8, 8, 3\).*color_mode="grayscale", or average'
    with pytest.raises(ValueError, match=match):
        fitted_tiny.predict(X)


def test_grey_images_for_a_network_of_coloured_ones(few, tiny_cnn):
    X = np.repeat(few.images, 3, axis=-1)
    estimator = tiny_cnn(epochs=1).fit(X, few.target)
    match = r'color_mode="rgb", or repeat the channel: np\.repeat\(X, 3, axis=-1\)'
    for grey in (few.images, few.images[..., 0]):
        with pytest.raises(ValueError, match=match):
            estimator.predict(grey)
    with pytest.raises(ValueError, match="Pass the 3 channels that it was fitted with"):
        estimator.predict(np.repeat(few.images, 4, axis=-1))


def test_other_size_and_single_image(few, fitted_tiny):
    with pytest.raises(ValueError, match=r"image_size=\(8, 8\).*X\[np\.newaxis\]"):
        fitted_tiny.predict(few.images[:, :6, :6])


# Labels

SEVERAL_LABELS = {
    "ragged lists": lambda y: [[k] * (1 + k % 2) for k in y],
    "object array of lists": lambda y: object_array([[k] * (1 + k % 2) for k in y]),
    "object array of sets": lambda y: object_array([{k, k // 2} for k in y]),
    "several ones in a row": lambda y: np.stack([y > 0, y > 1, y > 2], axis=1),
    "two labels each": lambda y: np.stack([y, y // 2], axis=1),
    "two strings each": lambda y: np.array([["a", f"b{k}"] for k in y]),
    "tuples": lambda y: [(int(k), 7) for k in y],
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("kind", SEVERAL_LABELS)
def test_several_labels_for_each_image(few, tiny_cnn, kind):
    estimator = tiny_cnn()
    with pytest.raises(ValueError, match="MultiOutputClassifier") as raised:
        estimator.fit(few.images, SEVERAL_LABELS[kind](few.target))
    assert "argmax" not in str(raised.value)
    assert "one label for each image" in str(raised.value)
    assert fitted_state(estimator) == {}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("dtype", [int, float, bool, np.uint8])
@pytest.mark.parametrize("as_list", [False, True])
def test_one_hot_labels(few, tiny_cnn, dtype, as_list):
    y = np.eye(4, dtype=dtype)[few.target]
    with pytest.raises(ValueError, match=r"one-hot rows .* y\.argmax\(axis=1\)") as e:
        tiny_cnn().fit(few.images, y.tolist() if as_list else y)
    assert "MultiOutputClassifier" not in str(e.value)
