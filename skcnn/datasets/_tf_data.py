"""Convert a tf.data.Dataset to arrays."""

import numpy as np
from sklearn.utils import Bunch

# The value of tf.data.INFINITE_CARDINALITY, which cardinality() returns for an infinite
# dataset. It is copied here so that this module does not import TensorFlow.
_INFINITE_CARDINALITY = -1


def from_dataset(ds, *, return_X_y=False):
    """Convert a `tf.data.Dataset` of (image, label) pairs to arrays.

    This function iterates over the dataset once and collects images and labels
    together. Two separate iterations, one for the images and one for the labels, would
    mismatch them if the dataset reshuffles at each iteration, as datasets returned by
    ``keras.utils.image_dataset_from_directory`` do.

    Parameters
    ----------
    ds : tf.data.Dataset
        The dataset to convert. Each element is either a pair of an image and its label,
        or a pair of a batch of images and a batch of their labels. An image has the
        shape (height, width, n_channels) or (height, width). A label is an integer, a
        string or a one-hot vector.

    return_X_y : bool, default=False
        If True, return `(images, target)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_images, height, width, n_channels) or \
                (n_images, height, width)
            The images, in the order in which `ds` yields them. The dtype is uint8 if
            all values are integers from 0 to 255, even if they are stored as floats;
            otherwise it is the dtype of the images in `ds`.
        target : ndarray of shape (n_images,), dtype intp or str
            The label of each image. One-hot vectors are converted to class indices.
        target_names : ndarray of shape (n_classes,), dtype str
            The names of the classes. Only present if `ds` has the attribute
            `class_names`. Methods such as `map` and `shuffle` return datasets without
            this attribute.
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        Only returned if `return_X_y` is True.

    Raises
    ------
    TypeError
        If `ds` is not a `tf.data.Dataset`, its elements are not pairs of dense tensors,
        or the images are not numeric.
    ValueError
        If `ds` is empty or infinite, images differ in size, the numbers of images and
        labels differ, or labels are not integers, strings or one-hot vectors.

    See Also
    --------
    load_image_folder : Load a folder of images directly, without TensorFlow.

    Notes
    -----
    TensorFlow converts photographs to float32. This function stores them as uint8,
    which takes a quarter of the memory. The output array is filled batch by batch. If
    the length of the dataset is known, this array need not be enlarged.

    An infinite dataset, for example after ``repeat()``, raises an error if TensorFlow
    knows that it is infinite. TensorFlow does not know this for datasets made from a
    generator. Truncate such datasets with ``ds.take(n)``.

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
    if n_elements == _INFINITE_CARDINALITY:
        raise ValueError(
            "Got an infinite dataset, but expected a finite one. Remove repeat(), or "
            "pass ds.take(n)."
        )

    images, labels, batched = _ImageBuffer(), [], None
    for image, label in ds.as_numpy_iterator():
        image, label = np.asarray(image), np.asarray(label)
        if batched is None:
            batched = _is_batched(
                _static_shape(image_spec, image.shape),
                _static_shape(label_spec, label.shape),
            )
            n_expected = n_elements * len(image) if batched else n_elements
        images.append(image if batched else image[None], n_expected)
        labels.append(label if batched else label[None])
    if not labels:
        raise ValueError(
            "Got an empty dataset, but expected at least one image. If the dataset "
            "reads a generator that is exhausted, create it again."
        )
    images = images.to_array()
    target = _convert_labels(np.concatenate(labels))
    if len(images) != len(target):
        raise ValueError(
            f"Got {len(images)} images, but {len(target)} labels. Make sure that each "
            "batch has as many labels as images."
        )

    if return_X_y:
        return images, target
    data = Bunch(
        images=images,
        target=target,
        DESCR=(
            f"{len(images)} images of shape {images.shape[1:]} and dtype "
            f"{images.dtype}, in the order in which a tf.data.Dataset yielded them."
        ),
    )
    class_names = getattr(ds, "class_names", None)
    if class_names is not None:
        data.target_names = np.array(class_names)
    return data


def _check_dataset(ds):
    """Return the TensorSpecs of the images and of the labels, or raise."""
    spec = getattr(ds, "element_spec", None)
    if spec is None or not hasattr(ds, "as_numpy_iterator"):
        raise TypeError(
            f"Got ds of type {type(ds).__name__}, but expected a tf.data.Dataset of "
            "(image, label) pairs. Arrays need no conversion: pass them directly to "
            "fit."
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
                "a dense tensor. Resize all images to the same size in ds.map before "
                "batching; convert dicts, ragged and sparse tensors to dense tensors."
            )
    return spec


def _static_shape(spec, actual):
    """Return the shape in `spec`, with None for unknown sizes.

    If even the rank is unknown, return `actual`, the shape of the first element.
    """
    return actual if spec.shape.rank is None else tuple(spec.shape.as_list())


def _is_batched(image_shape, label_shape):
    """Return whether elements of these shapes are batches of images and labels."""
    if len(image_shape) == 4:
        return True
    if len(image_shape) == 2 and len(label_shape) <= 1:
        return False
    if len(image_shape) == 3:
        if len(label_shape) == 0:
            return False
        if len(label_shape) == 2:
            return True
        # These shapes are ambiguous. They may be a batch of images without a channel
        # axis and with scalar labels, or a single image with a one-hot label. In a
        # batch, the first axes of images and labels have the same size. In a single
        # image, the last axis contains the channels. If only the first axis has an
        # unknown size, it is the batch axis.
        if len(label_shape) == 1:
            if image_shape[0] is None and image_shape[1] is not None:
                return label_shape[0] is None
            return image_shape[0] == label_shape[0] and image_shape[-1] not in (1, 3, 4)
    raise ValueError(
        f"Got a dataset with images of shape {image_shape} and labels of shape "
        f"{label_shape}, but expected images of shape (height, width, n_channels) or "
        "(height, width) with one label each, or batches of these. Decode or reshape "
        "them in ds.map."
    )


class _ImageBuffer:
    """Array that grows as batches of images are appended.

    The dtype is uint8 as long as uint8 represents all batches exactly. At the first
    batch for which this fails, the array is converted to the dtype of the dataset.
    """

    def __init__(self):
        self.rows = None
        self.n_images = 0

    def append(self, batch, n_expected):
        """Append a batch of images.

        Parameters
        ----------
        batch : ndarray of shape (batch_size, height, width[, n_channels])
            The images.
        n_expected : int
            Expected total number of images, for which the first call allocates memory.
            Negative if unknown.
        """
        batch_uint8 = batch if batch.dtype == np.uint8 else _to_uint8(batch)
        if self.rows is None:
            self.source_dtype = batch.dtype
            dtype = batch.dtype if batch_uint8 is None else np.uint8
            n_rows = max(n_expected, len(batch))
            self.rows = np.empty((n_rows, *batch.shape[1:]), dtype)
        if batch.shape[1:] != self.rows.shape[1:]:
            raise ValueError(
                f"Images differ in size: the first has the shape "
                f"{self.rows.shape[1:]}, but image {self.n_images} has "
                f"{batch.shape[1:]}. Resize them in ds.map, for example with "
                "keras.ops.image.resize."
            )
        if self.rows.dtype == np.uint8 != self.source_dtype and batch_uint8 is None:
            self.rows = self.rows.astype(self.source_dtype)
        end = self.n_images + len(batch)
        # The expected number of rows is too small if the dataset's length is unknown,
        # or if later batches are larger than the first.
        if end > len(self.rows):
            n_rows = max(end, len(self.rows) * 3 // 2)
            larger = np.empty((n_rows, *self.rows.shape[1:]), self.rows.dtype)
            larger[: self.n_images] = self.rows[: self.n_images]
            self.rows = larger
        is_uint8 = self.rows.dtype == np.uint8
        self.rows[self.n_images : end] = batch_uint8 if is_uint8 else batch
        self.n_images = end

    def to_array(self):
        """Return the images appended so far, as a view of the buffer."""
        return self.rows[: self.n_images]


def _to_uint8(batch):
    """Return `batch` as uint8, or None if that would change a value."""
    # NumPy does not classify bfloat16 as a floating-point dtype.
    if batch.dtype.kind not in "iubf" and batch.dtype.name != "bfloat16":
        raise TypeError(
            f"Got images of dtype {batch.dtype}, but expected numbers. Decode them "
            "in ds.map, for example with tf.io.decode_image."
        )
    # Check the range first, because casting a float that is out of range is undefined.
    if not (np.all(batch >= 0) and np.all(batch <= 255)):
        return None
    converted = batch.astype(np.uint8)
    return converted if np.array_equal(converted, batch) else None


def _convert_labels(labels):
    """Convert labels to a 1-D array of integers or strings.

    Parameters
    ----------
    labels : ndarray of shape (n,), (n, 1) or (n, n_classes)
        Integers, strings, or one-hot vectors.

    Returns
    -------
    ndarray of shape (n,), dtype intp or str
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "iufb":
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError(
                f"Got labels of shape (n, {labels.shape[1]}) that are not one-hot, but "
                "expected exactly one class per image. Multi-label and soft targets "
                "are not supported; convert them to one class per image in ds.map."
            )
        return labels.argmax(axis=1).astype(np.intp)
    if labels.ndim != 1:
        raise ValueError(
            f"Got labels of shape {labels.shape}, but expected one label or one-hot "
            "vector per image. Reshape them in ds.map."
        )
    if labels.dtype.kind in "OSU":
        return np.array(
            [x.decode() if isinstance(x, bytes) else str(x) for x in labels]
        )
    if labels.dtype.kind == "f" and not np.all(labels == np.rint(labels)):
        raise ValueError(
            f"Got labels such as {labels[labels != np.rint(labels)][0]}, but expected "
            "integers, strings or one-hot vectors. Convert them to class labels in "
            "ds.map."
        )
    return labels.astype(np.intp)
