"""Tests of from_dataset, which converts a tf.data.Dataset to arrays."""

import tracemalloc

import numpy as np
import pytest

from skcnn.datasets import from_dataset, load_image_folder


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def indexed_images(n=60, dtype=np.uint8, channels=(3,)):
    """Return images whose pixels all equal their index, and index % 5 as labels."""
    number = np.arange(n)
    images = np.empty((n, 4, 6, *channels), dtype)
    images[:] = number.reshape(-1, *[1] * (images.ndim - 1))
    return images, number % 5


def index_of(images):
    return images.reshape(len(images), -1)[:, 0].astype(int)


def test_single_pass_keeps_images_and_labels_aligned(tf):
    # A common mistake is to read a shuffling dataset twice, once for images and once
    # for labels, which misaligns them.
    ds = (
        tf.data.Dataset.from_tensor_slices(indexed_images())
        .shuffle(60, seed=0)
        .batch(16)
    )
    images = np.concatenate([image for image, _ in ds.as_numpy_iterator()])
    labels = np.concatenate([label for _, label in ds.as_numpy_iterator()])
    agreement = np.mean(index_of(images) % 5 == labels)
    assert agreement < 0.5

    data = from_dataset(ds)
    np.testing.assert_array_equal(index_of(data.images) % 5, data.target)
    assert sorted(index_of(data.images)) == list(range(60))


def test_dataset_is_iterated_once(tf):
    passes = []

    def generate():
        passes.append(1)
        yield from zip(*indexed_images(), strict=True)

    signature = (tf.TensorSpec((4, 6, 3), tf.uint8), tf.TensorSpec((), tf.int64))
    ds = tf.data.Dataset.from_generator(generate, output_signature=signature)
    images, target = from_dataset(ds, return_X_y=True)
    assert passes == [1]
    np.testing.assert_array_equal(images, indexed_images()[0])
    np.testing.assert_array_equal(target, indexed_images()[1])


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("batch", [None, 1, 7, 60, 100])
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_batched_and_unbatched_datasets(tf, channels, one_hot, batch, drop_remainder):
    images, target = indexed_images(channels=channels)
    label = np.eye(5, dtype=np.float32)[target] if one_hot else target
    ds = tf.data.Dataset.from_tensor_slices((images, label))
    n = 60
    if batch is not None:
        ds = ds.batch(batch, drop_remainder=drop_remainder)
        n = 60 - 60 % batch if drop_remainder else 60
    if n == 0:
        with pytest.raises(ValueError, match="Got an empty dataset"):
            from_dataset(ds)
        return
    data = from_dataset(ds)
    np.testing.assert_array_equal(data.images, images[:n])
    np.testing.assert_array_equal(data.target, target[:n])
    assert data.images.dtype == np.uint8
    assert data.target.dtype == np.intp
    assert "class_names" not in data
    assert "target_names" not in data


def test_unknown_rank(tf):
    images, target = indexed_images()
    ds = tf.data.Dataset.from_tensor_slices((images, target)).batch(8)
    ds = ds.map(
        lambda x, y: tf.numpy_function(lambda a, b: (a, b), [x, y], (x.dtype, y.dtype))
    )
    assert ds.element_spec[0].shape.rank is None
    np.testing.assert_array_equal(from_dataset(ds).images, images)


@pytest.mark.parametrize(
    ("image_shape", "label", "open_shape", "batched"),
    [
        ((6, 7, 3), np.eye(2)[0], (None, None, 3), False),
        # This is a batch of grayscale images that are 3 pixels wide.
        ((4, 9, 3), np.array([0, 1, 0, 1]), (None, 9, 3), True),
    ],
)
def test_partially_unknown_shapes(tf, image_shape, label, open_shape, batched):
    def generate():
        for _ in range(3):
            yield np.ones(image_shape, np.uint8), label.astype(np.int64)

    signature = (tf.TensorSpec(open_shape, tf.uint8), tf.TensorSpec((None,), tf.int64))
    data = from_dataset(
        tf.data.Dataset.from_generator(generate, output_signature=signature)
    )
    n = 12 if batched else 3
    assert len(data.images) == len(data.target) == n
    assert data.images.shape[1:] == (image_shape[1:] if batched else image_shape)


def test_varying_batch_sizes(tf):
    images, target = indexed_images()
    ds = tf.data.Dataset.from_tensor_slices((images, target))
    ds = ds.take(3).batch(3).concatenate(ds.skip(3).batch(20))
    data = from_dataset(ds)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.target, target)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "bool", "bfloat16"])
def test_integers_up_to_255_become_uint8(tf, dtype):
    images, target = indexed_images(n=2)
    ds = tf.data.Dataset.from_tensor_slices((images, target))
    ds = ds.map(lambda x, y: (tf.cast(x, dtype), y))
    data = from_dataset(ds)
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images, images)


@pytest.mark.parametrize("odd", [0.5, -1.0, 256.0, np.nan, np.inf])
@pytest.mark.parametrize("where", [0, 30, 59])
def test_other_values_keep_their_dtype(tf, odd, where):
    images, target = indexed_images(dtype=np.float32)
    images[where, 0, 0, 0] = odd
    data = from_dataset(tf.data.Dataset.from_tensor_slices((images, target)).batch(7))
    assert data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images, images)


def test_string_labels(tf):
    images, target = indexed_images()
    names = np.array(["häuser", "wald", "eis", "berg", "meer"])[target]
    ds = tf.data.Dataset.from_tensor_slices((images, names)).batch(7)
    data = from_dataset(ds)
    assert data.target.dtype.kind == "U"
    np.testing.assert_array_equal(data.target, names)


@pytest.mark.parametrize("label_mode", ["int", "categorical", "binary"])
def test_image_dataset_from_directory(tf, tmp_path, label_mode):
    from PIL import Image

    names = ["ant", "bee"] if label_mode == "binary" else ["ant", "bee", "cat"]
    for code, name in enumerate(names):
        (tmp_path / name).mkdir()
        for i in range(7):
            pixels = np.full((6, 6, 3), 10 * code + i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    ds = tf.keras.utils.image_dataset_from_directory(
        tmp_path,
        image_size=(6, 6),
        batch_size=4,
        label_mode=label_mode,
        seed=0,
        verbose=False,
    )
    data = from_dataset(ds)
    assert data.target_names.tolist() == names
    np.testing.assert_array_equal(index_of(data.images) // 10, data.target)
    # load_image_folder returns the same images in a different order.
    folder = load_image_folder(tmp_path)
    order = np.argsort(index_of(data.images))
    np.testing.assert_array_equal(data.images[order], folder.images)
    np.testing.assert_array_equal(data.target[order], folder.target)


def test_memory_peak_excludes_second_copy(tf):
    images = np.zeros((400, 64, 64, 3), np.float32)
    ds = tf.data.Dataset.from_tensor_slices((images, np.zeros(400, int))).batch(8)
    tracemalloc.start()
    try:
        data = from_dataset(ds)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.3 * data.images.nbytes


# Errors


@pytest.mark.parametrize("ds", [None, np.zeros((3, 4, 4, 3)), ([1], [2])])
def test_rejects_other_types(ds):
    with pytest.raises(TypeError, match=r"Got ds of type .* expected a tf\.data\.Data"):
        from_dataset(ds)


def test_rejects_infinite_dataset(tf):
    ds = tf.data.Dataset.from_tensor_slices(indexed_images()).repeat()
    with pytest.raises(ValueError, match=r"infinite dataset.*Remove repeat\(\)"):
        from_dataset(ds)
    assert len(from_dataset(ds.take(70)).images) == 70


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda x, y: x, "images without labels.*label_mode='int'"),
        (lambda x, y: (x, y, 1.0), "tuples of 3 entries.*ds.map"),
        (lambda x, y: {"image": x, "label": y}, r"dict with the keys \['image'"),
        (lambda x, y: (x, {"label": y}), "label is a dict"),
    ],
)
def test_rejects_elements_other_than_pairs(tf, change, match):
    ds = tf.data.Dataset.from_tensor_slices(indexed_images()).map(change)
    with pytest.raises(TypeError, match=match):
        from_dataset(ds)


def test_rejects_images_that_differ_in_size(tf):
    def generate():
        yield np.zeros((4, 4, 3)), 0
        yield np.zeros((5, 4, 3)), 1

    signature = (tf.TensorSpec((None, 4, 3)), tf.TensorSpec((), tf.int64))
    ds = tf.data.Dataset.from_generator(generate, output_signature=signature)
    with pytest.raises(ValueError, match=r"differ in size.*\(4, 4, 3\), .*\(5, 4, 3\)"):
        from_dataset(ds)
    with pytest.raises(TypeError, match=r"image is a RaggedTensorSpec.*Resize"):
        from_dataset(ds.ragged_batch(2))


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.full((60, 5), 0.2), "not one-hot"),
        (np.eye(60)[:, :5], "not one-hot"),
        (np.arange(60) / 7, "Got labels such as 0.14.*expected integers"),
        (np.full(60, np.nan), "Got labels such as nan"),
    ],
)
def test_rejects_labels_other_than_classes(tf, labels, match):
    ds = tf.data.Dataset.from_tensor_slices((indexed_images()[0], labels)).batch(16)
    with pytest.raises(ValueError, match=match):
        from_dataset(ds)


def test_rejects_undecoded_images(tf):
    ds = tf.data.Dataset.from_tensor_slices(([["a.jpg"]], [0]))
    with pytest.raises(ValueError, match="with images of shape"):
        from_dataset(ds)
    ds = tf.data.Dataset.from_tensor_slices((np.full((2, 3, 3, 3), "a"), [0, 1]))
    with pytest.raises(TypeError, match=r"Got images of dtype object.*Decode them"):
        from_dataset(ds)


def test_rejects_different_numbers_of_images_and_labels(tf):
    images, target = indexed_images()
    ds = tf.data.Dataset.from_tensors((images, target[:50]))
    with pytest.raises(ValueError, match="Got 60 images, but 50 labels"):
        from_dataset(ds)
