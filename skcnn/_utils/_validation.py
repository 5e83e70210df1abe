"""Checks of what users pass: images, labels, weights and parameters."""

import difflib
import functools
import os
import reprlib
from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from ._fixes import _check_sample_weight

# Images


def as_image_array(images):
    """`images` unchanged, or as one array if it is a list of images.

    Raises
    ------
    TypeError
        For paths, `tf.data` datasets and dicts, with the way to turn them into arrays.
    ValueError
        For a list of images that differ in shape.
    """
    first = images[0] if isinstance(images, (list, tuple)) and images else images
    if isinstance(first, (str, os.PathLike)) or getattr(
        getattr(first, "dtype", None), "kind", None
    ) in ("U", "S"):
        raise TypeError(
            f"Got X={reprlib.repr(images)}, but expected an array of images, not "
            "paths. Load them with skcnn.datasets.load_image_folder."
        )
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
    if not isinstance(images, (list, tuple)):
        return images
    try:
        return np.asarray(images)
    except ValueError as error:  # ragged
        raise ValueError(
            "X is a list of images that differ in shape, but expected images of one "
            "shape. Resize them, as load_image_folder does with image_size."
        ) from error


def infer_image_shape(X, requested):
    """Height, width and channels of the images in X.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels), (n, height, width) or (n, k)
    requested : tuple or None
        From :func:`check_image_shape`. Required for flattened images.

    Returns
    -------
    tuple (height, width, channels)
    """
    if X.ndim == 2:
        shape = _shape_of_rows(X, requested)
    elif X.ndim in (3, 4):
        shape = (*X.shape[1:], 1)[:3]
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
    """The last step of a pipeline, also inside a fitted search; else `estimator`."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def to_images(X, image_shape=None, estimator=None):
    """X as an array (n, height, width, channels).

    The shape of flattened images is `image_shape`, or else that of the network in
    `estimator`.
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
    """`y` as an array with one class label for each image in X."""
    if y is None:
        raise ValueError(
            f"This {estimator_name} estimator requires y to be passed, but the target "
            "y is None."
        )
    y = np.asarray(y) if not hasattr(y, "dtype") else y
    if getattr(y, "ndim", 1) == 2 and y.shape[1] > 1:
        raise ValueError(
            f"y has shape {y.shape}, but expected one label for each image, of shape "
            "(n_samples,). Turn one-hot rows into labels with y.argmax(axis=1)."
        )
    y = column_or_1d(y, warn=True)
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


def encode_targets(y, classes):
    """Index of each label in the sorted array `classes`.

    Raises
    ------
    ValueError
        For a label that is not among `classes`.
    """
    y_encoded = np.searchsorted(classes, y)
    y_encoded[y_encoded == len(classes)] = 0
    unknown = classes[y_encoded] != y
    if np.any(unknown):
        raise ValueError(
            f"y has labels {np.unique(y[unknown]).tolist()} that are not among the "
            f"classes {classes.tolist()}. Pass all labels as classes= to the first "
            "call of partial_fit, or train a new network with warm_start=False."
        )
    return y_encoded


def label_indices(labels, classes):
    """Index of each label in the unsorted array `classes`, and the unknown labels.

    Returns
    -------
    indices : ndarray or None
        None if there are unknown labels.
    unknown : ndarray
    """
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):  # perhaps of another type, which NumPy 1 does not compare
        return None, unknown
    return (labels[:, None] == classes).argmax(axis=1), unknown


def check_weights(sample_weight, class_weight, X, y, classes):
    """Weight of each sample in the loss as float32, or None if all are one."""
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
    """Weight of each sample by its label.

    A fold may lack a rare class, so a key that is no class is an error only if some
    class has no weight. This is scikit-learn's rule too.
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
    """Return whether `value` is an integer of Python or NumPy, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_sizes(name, value):
    """The parameter `name` as a non-empty tuple of positive ints."""
    sizes = tuple(value)
    if not sizes or not all(is_int(n) and n >= 1 for n in sizes):
        raise ValueError(
            f"Got {name}={value!r}, but expected one or more positive integers."
        )
    return tuple(int(n) for n in sizes)


def check_image_shape(image_shape):
    """`image_shape` as a tuple (height, width, channels), or None.

    One entry may be -1: it is inferred from the number of features.
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
    """Return whether two parameter values are equal, partials by their contents."""
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
    """A hint at the known name that is most similar to `name`, or an empty string."""
    near = difflib.get_close_matches(name, known, 1, cutoff)
    return f" Did you mean {prefix + near[0]!r}?" if near else ""
