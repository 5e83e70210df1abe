"""Checks of user input: images, labels, sample and class weights, and parameters."""

import difflib
import functools
import os
import reprlib
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from ._fixes import _check_sample_weight

# Images


def as_image_array(images):
    """Return a list or a column of images as an array, and other input unchanged.

    A list, an object array or a data frame column that contains one array for each
    image becomes one array of all images.

    Raises
    ------
    TypeError
        If `images` are paths, an iterator, a dataset or a dict. The message says how to
        turn them into an array. Iterators are not read, because they may be endless.
    ValueError
        If images differ in shape.
    """
    if hasattr(images, "element_spec"):
        raise TypeError(
            f"Got X={images!r}, but expected an array of images. Load a "
            "tf.data.Dataset with skcnn.datasets.from_dataset."
        )
    if isinstance(images, Mapping):
        raise TypeError(
            f"Got X of type {type(images).__name__} with the keys {list(images)}, but "
            "expected an array of images. For a Bunch, pass .images as X and .target "
            "as y."
        )
    _check_no_iterator("X", images)
    first = images[0] if isinstance(images, Sequence) and len(images) else images
    if isinstance(first, (str, os.PathLike)) or getattr(
        getattr(first, "dtype", None), "kind", None
    ) in ("U", "S"):
        raise TypeError(
            f"Got X={reprlib.repr(images)}, but expected an array of images, not "
            "paths. Load them with skcnn.datasets.load_image_folder."
        )
    if isinstance(images, Sequence):
        return _stack(images)
    column = _object_column(images)
    return images if column is None else _stack(column)


def _check_no_iterator(name, values):
    """Raise a TypeError if `values` can be iterated over but is not array-like."""
    is_array_like = (
        isinstance(values, Sequence)
        or any(hasattr(values, a) for a in ("__array__", "__array_interface__"))
        or any(hasattr(values, a) for a in ("toarray", "__dataframe__", "__dlpack__"))
    )
    is_iterable = hasattr(values, "__iter__") or hasattr(values, "__getitem__")
    if is_array_like or not is_iterable:
        return
    raise TypeError(
        f"Got {name} of type {type(values).__name__}, which is read piece by piece, "
        "but expected an array. If the pieces come to an end, collect them first, for "
        "example by np.concatenate([images for images, labels in batches]). To load a "
        "folder, use skcnn.datasets.load_image_folder."
    )


def _object_column(images):
    """Return the arrays in a column of objects as a list, or None for other input."""
    values = images
    if hasattr(images, "iloc"):  # a data frame or a series
        values = images.to_numpy()
    if getattr(getattr(values, "dtype", None), "kind", None) != "O":
        return None
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    is_column = values.ndim == 1 and len(values) and np.ndim(values[0]) >= 1
    return list(values) if is_column else None


def _stack(images):
    try:
        stacked = np.asarray(images)
        if stacked.dtype == object:
            stacked = np.stack([np.asarray(image) for image in images])
    except ValueError as error:
        if len({np.shape(image) for image in images}) == 1:
            raise
        raise ValueError(
            "X has images that differ in shape, but expected images of one shape. "
            "Resize them, as load_image_folder does with image_size."
        ) from error
    return stacked


def infer_image_shape(X, requested):
    """Return the height, width and channels of the images in X.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels), (n, height, width) or (n, k)
    requested : tuple or None
        The return value of :func:`check_image_shape`. Required for flattened images.

    Returns
    -------
    tuple (height, width, channels)
    """
    if X.ndim == 2:
        shape = _shape_of_rows(X, requested)
    elif X.ndim in (3, 4):
        shape = (*X.shape[1:], 1)[:3]
        if requested is None and _looks_channels_first(shape):
            raise ValueError(
                f"X has images of shape {shape}, which looks like (channels, height, "
                "width), but expected (height, width, channels). Pass "
                "X.transpose(0, 2, 3, 1). If the images really have this height and "
                f"width, set image_shape={shape}."
            )
        if requested is not None and not all(
            r in (-1, s) for r, s in zip(requested, shape, strict=True)
        ):
            raise ValueError(
                f"X has images of shape {shape} (height, width, channels), but "
                f"image_shape={requested}. Leave image_shape=None for images that are "
                "not flattened."
            )
    else:
        raise ValueError(
            f"X has {X.ndim} dimensions, but expected (n_samples, height, width, "
            "channels), (n_samples, height, width), or flattened (n_samples, "
            "n_features) with image_shape."
        )
    if 0 in shape:
        raise ValueError(
            f"X has images of shape {shape} (height, width, channels), but expected at "
            "least one pixel and one channel."
        )
    return shape


def _looks_channels_first(shape):
    """Return whether a shape looks like (channels, height, width), as in PyTorch.

    Images with a height of 1, 3 or 4 pixels and many channels are rare. Images with a
    single row and a few channels are common, because signals have this shape.
    """
    first, second, third = shape
    return (
        first in (1, 3, 4)
        and min(second, third) > 4
        and (first > 1 or second == third or third >= 16)
    )


def shape_advice(shape, expected):
    """Return a sentence that says how to convert images to the expected shape."""
    if (*shape[1:], shape[0]) == expected:
        return "Move the channels to the last axis: X.transpose(0, 2, 3, 1)."
    if shape[:2] == expected[:2]:
        if expected[2] == 1:
            return 'Load them with color_mode="grayscale", or average the channels.'
        if shape[2] == 1:
            return (
                'Load them with color_mode="rgb", or repeat the channel: '
                f"np.repeat(X, {expected[2]}, axis=-1)."
            )
        return f"Pass the {expected[2]} channels that it was fitted with."
    return (
        f"Load them with image_size={expected[:2]}. Pass a single image as "
        "X[np.newaxis]."
    )


def _shape_of_rows(X, requested):
    n_features = X.shape[1]
    if requested is None:
        raise ValueError(
            f"X has flattened images, of shape {X.shape}, but image_shape=None. Set "
            "image_shape=(height, width, channels) to the shape of one image, or pass "
            "X as (n_samples, height, width, channels)."
        )
    known = int(np.prod([n for n in requested if n != -1]))
    shape = tuple(n_features // known if n == -1 else n for n in requested)
    if int(np.prod(shape)) != n_features:
        multiple = "a multiple of " if -1 in requested else ""
        raise ValueError(
            f"X has {n_features} features, but image_shape={requested} requires "
            f"{multiple}{known}."
        )
    return shape


def final_estimator(estimator):
    """Return the last step of a pipeline, and any other estimator unchanged.

    A fitted search is first replaced by its best estimator.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def to_images(X, image_shape=None, estimator=None):
    """Return X as an array of shape (n, height, width, channels).

    If the images are flattened, their shape is `image_shape` or, if that is None, the
    image shape of `estimator`.
    """
    X = np.asarray(as_image_array(X))
    if X.ndim == 2 and image_shape is None:
        network = final_estimator(estimator)
        image_shape = getattr(network, "image_shape_", None) or getattr(
            network, "image_shape", None
        )
    shape = infer_image_shape(X, check_image_shape(image_shape))
    return X.reshape(len(X), *shape)


# Labels and weights


def check_labels(y, X, estimator_name):
    """Check `y` and return it as an array with one class label for each image in X."""
    if y is None:
        raise ValueError(
            f"This {estimator_name} estimator requires y to be passed, but the target "
            "y is None."
        )
    _check_no_iterator("y", y)
    if not hasattr(y, "dtype"):
        try:
            y = np.asarray(y)
        except ValueError as error:  # rows of different lengths
            raise ValueError(f"y has rows of different lengths, {_SEVERAL}") from error
    if getattr(y, "ndim", 1) == 2 and y.shape[1] > 1:
        raise ValueError(f"y has shape {y.shape}, {_advice_on_rows(y)}")
    y = column_or_1d(y, warn=True)
    if (
        y.dtype == object
        and len(y)
        and isinstance(y[0], (list, tuple, set, np.ndarray))
    ):
        raise ValueError(f"y has a {type(y[0]).__name__} for each image, {_SEVERAL}")
    assert_all_finite(y, estimator_name=estimator_name, input_name="y")
    check_consistent_length(X, y)
    try:
        np.unique(y)
    except TypeError:
        types = sorted({type(label).__name__ for label in y})
        raise TypeError(
            f"y has labels of the types {', '.join(types)}, which cannot be sorted, "
            "but expected labels of one type: integers, strings or booleans, none "
            "missing."
        ) from None
    check_classification_targets(y)
    return y


_SEVERAL = (
    "but expected one label for each image, of shape (n_samples,). For several labels "
    "for each image, train one classifier for each label: "
    "sklearn.multioutput.MultiOutputClassifier(CNNClassifier()) takes the columns of "
    "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)."
)


def _advice_on_rows(y):
    values = np.asarray(y)
    is_one_hot = values.dtype != object and np.all(np.isin(values, (0, 1)))
    if is_one_hot and np.all(values.sum(axis=1) == 1):
        return (
            "but expected one label for each image, of shape (n_samples,). Turn "
            "one-hot rows into labels with y.argmax(axis=1)."
        )
    return _SEVERAL


def encode_targets(y, classes):
    """Return the index of each label in the sorted array `classes`.

    Raises
    ------
    ValueError
        If a label is not among `classes`.
    """
    y_encoded = np.searchsorted(classes, y)
    y_encoded[y_encoded == len(classes)] = 0
    unknown = classes[y_encoded] != y
    if np.any(unknown):
        raise ValueError(
            f"y has labels {np.unique(y[unknown]).tolist()} that are not among the "
            f"classes {classes.tolist()}. Pass all labels as classes= to the first "
            "call to partial_fit, or train a new network with warm_start=False."
        )
    return y_encoded


def label_indices(labels, classes):
    """Return the indices of labels in the unsorted array `classes`.

    Returns
    -------
    indices : ndarray or None
        None if there are unknown labels.
    unknown : ndarray
        Labels that are not in `classes`.
    """
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):  # NumPy 1 cannot compare labels of different types
        return None, unknown
    return (labels[:, None] == classes).argmax(axis=1), unknown


def check_weights(sample_weight, class_weight, X, y, classes):
    """Return the weight of each sample in the loss, or None if no weights are given."""
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if np.any(sample_weight < 0):
            raise ValueError(
                f"Got sample_weight with {sample_weight.min()}, but expected no "
                "negative weights."
            )
        if not np.any(sample_weight):
            raise ValueError(
                "Got sample_weight with nothing but zeros, but expected at least one "
                "positive weight."
            )
    if class_weight is not None:
        if isinstance(class_weight, dict):
            by_class = _weights_from_dict(class_weight, y, classes)
        else:
            by_class = compute_sample_weight(class_weight, y)
        sample_weight = by_class * (1 if sample_weight is None else sample_weight)
    return None if sample_weight is None else sample_weight.astype(np.float32)


def _weights_from_dict(class_weight, y, classes):
    """Return the weight of each sample, given the weights of the classes.

    A key that is not a class is an error only if some class has no weight, because a
    fold may lack a rare class. scikit-learn follows the same rule.
    """
    weight = np.ones(len(y))
    all_weighted = set(classes.tolist()) <= set(class_weight)
    for label, value in class_weight.items():
        if label not in classes.tolist() and not all_weighted:
            raise ValueError(
                f"Got class_weight={class_weight!r}, but expected labels that are "
                f"among the classes {classes.tolist()}."
            )
        if not isinstance(value, Real) or not 0 <= value < np.inf:
            raise ValueError(
                f"Got class_weight={class_weight!r}, but expected numbers that are "
                "finite and not negative."
            )
        weight[y == label] = value
    return weight


# Parameters


def is_int(value):
    """Return whether `value` is a Python or NumPy integer, and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_sizes(name, value):
    """Return `value`, the parameter called `name`, as a tuple of positive ints."""
    sizes = tuple(value)
    if not sizes or not all(is_int(n) and n >= 1 for n in sizes):
        raise ValueError(
            f"Got {name}={value!r}, but expected one or more positive integers."
        )
    return tuple(int(n) for n in sizes)


def check_image_shape(image_shape):
    """Return `image_shape` as a tuple (height, width, channels), or None.

    One entry may be -1, which is inferred later from the number of features.
    """
    if image_shape is None:
        return None
    shape = tuple(image_shape)
    valid = len(shape) in (2, 3) and all(
        is_int(n) and (n >= 1 or n == -1) for n in shape
    )
    if not valid or shape.count(-1) > 1:
        raise ValueError(
            f"Got image_shape={image_shape!r}, but expected (height, width) or "
            "(height, width, channels) of positive integers, one of which may be -1."
        )
    return (*map(int, shape), 1)[:3]


def same_value(a, b):
    """Return whether two parameter values are equal, comparing partials by content."""
    if a is b:
        return True
    if isinstance(a, functools.partial) and isinstance(b, functools.partial):
        return (
            a.func == b.func
            and same_value(a.args, b.args)
            and same_value(a.keywords, b.keywords)
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_value(a[k], b[k]) for k in a)
    if _is_sequence(a) and _is_sequence(b):
        return len(a) == len(b) and all(map(same_value, a, b))
    return not (_is_sequence(a) or _is_sequence(b)) and bool(a == b)


def _is_sequence(value):
    return isinstance(value, (list, tuple)) or np.ndim(value) > 0


def did_you_mean(name, known, prefix="", cutoff=0.6):
    """Suggest the known name most similar to `name`, or return an empty string."""
    near = difflib.get_close_matches(name, known, 1, cutoff)
    return f" Did you mean {prefix + near[0]!r}?" if near else ""
