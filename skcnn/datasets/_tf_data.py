"""A tf.data.Dataset to arrays."""

import numpy as np
from sklearn.utils import Bunch

# What tf.data.Dataset.cardinality() says of endless data, tf.data.INFINITE_CARDINALITY.
# TensorFlow is not imported here: who has a Dataset has imported it.
_INFINITE = -1


def from_dataset(ds, *, return_X_y=False):
    """Convert a `tf.data.Dataset` of (image, label) to arrays.

    The dataset is read once, images and labels together. Reading it twice, once for
    images and once for labels, takes them apart if it shuffles anew at each pass, as
    those of ``keras.utils.image_dataset_from_directory`` do.

    Parameters
    ----------
    ds : tf.data.Dataset
        Elements are pairs of an image and its label, or of a batch of images and
        theirs. An image has the shape (height, width, n_channels) or (height, width);
        a label is an integer, a string, or a one-hot vector.

    return_X_y : bool, default=False
        Return `(images, target)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_images, height, width, n_channels)
            The images, or of shape (n_images, height, width) if they have no channels,
            in the order in which `ds` gave them. As uint8 if all values are whole
            numbers from 0 to 255, in whatever dtype they came; otherwise in the dtype
            in which they came.
        target : ndarray of shape (n_images,)
            The label of each image: integers (of one-hot vectors the position of the
            one) or strings.
        target_names : ndarray of shape (n_classes,)
            Names of the classes. Only if `ds` has the attribute `class_names`, which
            TensorFlow loses in methods such as `map` and `shuffle`.
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    TypeError
        If `ds` is no `tf.data.Dataset`, or its elements are no pairs of dense tensors.
    ValueError
        If `ds` is empty or endless, images differ in size, or labels are neither whole
        numbers nor strings nor one-hot.

    See Also
    --------
    load_image_folder : Load a folder of images directly, without TensorFlow.

    Notes
    -----
    Arrays that are uint8 as photographs are take a quarter of the memory of the float32
    that TensorFlow makes of them. They are filled batch by batch: if the dataset knows
    its length, there is no second copy of them.

    A dataset that never ends is refused if it knows (as after ``repeat()``). One made
    from a generator does not; cut it with ``ds.take(n)``.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorflow as tf
    >>> from skcnn.datasets import from_dataset
    >>> images, labels = np.zeros((10, 8, 8, 3), np.uint8), np.arange(10) % 2
    >>> ds = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(10).batch(4)
    >>> data = from_dataset(ds)
    >>> data.images.shape, data.images.dtype
    ((10, 8, 8, 3), dtype('uint8'))
    >>> np.bincount(data.target)
    array([5, 5])
    """
    image_spec, label_spec = _check_dataset(ds)
    n_elements = int(ds.cardinality())
    if n_elements == _INFINITE:
        raise ValueError(
            "Got a dataset that never ends (its cardinality is infinite), but expected "
            "one that can be read to its end. Remove repeat(), or pass ds.take(n)."
        )

    images, labels, batched = _Stack(), [], None
    for image, label in ds.as_numpy_iterator():
        image, label = np.asarray(image), np.asarray(label)
        if batched is None:
            batched = _is_batched(
                _shape(image_spec, image.shape), _shape(label_spec, label.shape)
            )
            n_expected = n_elements * len(image) if batched else n_elements
        images.append(image if batched else image[None], n_expected)
        labels.append(label if batched else label[None])
    if not labels:
        raise ValueError(
            "Got an empty dataset, but expected one with at least one image. "
            "If it reads a one-shot generator, create it anew."
        )
    images = images.filled()
    target = _to_classes(np.concatenate(labels))
    if len(images) != len(target):
        raise ValueError(
            f"Got {len(images)} images, but {len(target)} labels. Check that both have "
            "the same batch size."
        )

    if return_X_y:
        return images, target
    data = Bunch(
        images=images,
        target=target,
        DESCR=(
            f"{len(images)} images of shape {images.shape[1:]} and dtype "
            f"{images.dtype}, in the order of one pass over a tf.data.Dataset."
        ),
    )
    class_names = getattr(ds, "class_names", None)
    if class_names is not None:
        data.target_names = np.array(class_names)
    return data


def _check_dataset(ds):
    """Return the specs of image and label."""
    spec = getattr(ds, "element_spec", None)
    if spec is None or not hasattr(ds, "as_numpy_iterator"):
        raise TypeError(
            f"Got ds of type {type(ds).__name__}, but expected a tf.data.Dataset of "
            "(image, label) pairs. Arrays need no conversion: pass them to fit."
        )
    if not isinstance(spec, (tuple, list)) or len(spec) != 2:
        if isinstance(spec, dict):
            found = f"a dict with the keys {sorted(spec)}"
            remedy = "ds.map(lambda element: (element['image'], element['label']))"
        elif isinstance(spec, (tuple, list)):
            found = f"tuples of {len(spec)} entries"
            remedy = "ds.map(lambda image, label, *rest: (image, label))"
        else:
            found = "images without labels"
            remedy = "a dataset with labels (label_mode='int')"
        raise TypeError(
            f"Got a dataset whose elements are {found}, but expected pairs "
            f"(image, label). Pass {remedy}."
        )
    for name, part in zip(("image", "label"), spec, strict=True):
        if type(part).__name__ != "TensorSpec":
            raise TypeError(
                f"Got a dataset whose {name} is a {type(part).__name__}, but expected "
                "a dense tensor. Resize images to one size in ds.map before batching; "
                "map dicts, ragged and sparse tensors to dense ones."
            )
    return spec


def _shape(spec, actual):
    """Shape with None where it varies, as far as the spec knows."""
    return actual if spec.shape.rank is None else tuple(spec.shape.as_list())


def _is_batched(image, label):
    """Whether elements of these shapes are batches."""
    if len(image) == 4:
        return True
    if len(image) == 2 and len(label) <= 1:
        return False
    if len(image) == 3:
        if len(label) == 0:
            return False
        if len(label) == 2:
            return True
        # Either a batch of grey images with plain labels, or one image with a one-hot
        # label: the former agree in the first axis, the latter end in channels. Where
        # only the first axis is open, it is that of a batch.
        if len(label) == 1:
            if image[0] is None and image[1] is not None:
                return label[0] is None
            return image[0] == label[0] and image[-1] not in (1, 3, 4)
    raise ValueError(
        f"Got a dataset with images of shape {image} and labels of shape {label}, but "
        "expected images (height, width, n_channels) or (height, width), with a label "
        "each, or batches of them."
    )


class _Stack:
    """Rows that come in batches, as uint8 for as long as that loses nothing."""

    def __init__(self):
        self.rows = None
        self.n = 0

    def append(self, batch, n_expected):
        kept_whole = batch if batch.dtype == np.uint8 else _as_bytes(batch)
        if self.rows is None:
            self.given = batch.dtype
            start = batch if kept_whole is None else kept_whole
            n = max(n_expected, len(batch))
            self.rows = np.empty((n, *batch.shape[1:]), start.dtype)
        if batch.shape[1:] != self.rows.shape[1:]:
            raise ValueError(
                f"Images differ in size: the first has the shape "
                f"{self.rows.shape[1:]}, but image {self.n} has {batch.shape[1:]}. "
                "Resize them in ds.map, for example by keras.ops.image.resize."
            )
        if self.rows.dtype == np.uint8 != self.given and kept_whole is None:
            self.rows = self.rows.astype(self.given)
        end = self.n + len(batch)
        if end > len(self.rows):  # of unknown length, or batches of several sizes
            grown = np.empty(
                (max(end, len(self.rows) * 3 // 2), *self.rows.shape[1:]),
                self.rows.dtype,
            )
            grown[: self.n] = self.rows[: self.n]
            self.rows = grown
        self.rows[self.n : end] = kept_whole if self.rows.dtype == np.uint8 else batch
        self.n = end

    def filled(self):
        return self.rows[: self.n]


def _as_bytes(batch):
    """`batch` as uint8 if no value changes by that, else None."""
    # bfloat16 is no floating type to NumPy, but compares as one.
    if batch.dtype.kind not in "iubf" and batch.dtype.name != "bfloat16":
        raise TypeError(
            f"Got images of dtype {batch.dtype}, but expected numbers. Decode them "
            "in ds.map, for example by tf.io.decode_image."
        )
    # Compared before the cast, as casting what is out of range is undefined.
    if not (np.all(batch >= 0) and np.all(batch <= 255)):
        return None
    whole = batch.astype(np.uint8)
    return whole if np.array_equal(whole, batch) else None


def _to_classes(labels):
    """One label for each row: integers or strings."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "iufb":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError(
                f"Got labels of shape (n, {labels.shape[1]}) that are not one-hot, but "
                "expected one class for each image. Several classes for an image and "
                "soft labels are not supported."
            )
        return labels.argmax(axis=1).astype(np.intp)
    if labels.ndim != 1:
        raise ValueError(
            f"Got labels of shape {labels.shape}, but expected one label for each "
            "image, or one-hot vectors."
        )
    if labels.dtype.kind in "OSU":
        return np.array(
            [x.decode() if isinstance(x, bytes) else str(x) for x in labels]
        )
    if labels.dtype.kind == "f" and not np.all(labels == np.rint(labels)):
        raise ValueError(
            f"Got labels such as {labels[labels != np.rint(labels)][0]}, but expected "
            "whole numbers, strings, or one-hot vectors."
        )
    return labels.astype(np.intp)
