"""What is passed to `fit` and `predict`: images, labels and weights, checked."""

import os
import reprlib
from collections.abc import Mapping
from numbers import Real

import numpy as np
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from . import _params


def as_images(images):
    """What was passed as X, with a list of images as one array."""
    first = images[0] if isinstance(images, (list, tuple)) and images else images
    if isinstance(first, (str, os.PathLike)) or getattr(
        getattr(first, "dtype", None), "kind", None
    ) in ("U", "S"):
        raise TypeError(
            f"Got X={reprlib.repr(images)}, but expected images, not where they are. "
            "Load them with skcnn.datasets.load_image_folder."
        )
    if hasattr(images, "element_spec"):
        raise TypeError(
            f"Got X={images!r}, but expected an array of images. Load a "
            "tf.data.Dataset with skcnn.datasets.from_dataset."
        )
    if isinstance(images, Mapping):
        raise TypeError(
            f"Got X of type {type(images).__name__} with the keys {list(images)}, but "
            "expected an array of images. Of a Bunch pass .images as X and .target as "
            "y."
        )
    if not isinstance(images, (list, tuple)):
        return images
    try:
        return np.asarray(images)
    except ValueError as error:  # ragged
        raise ValueError(
            "X is a list of images that differ in shape, but expected images of one "
            "shape: resize them, as load_image_folder does with image_size."
        ) from error


def image_shape_of(X, requested):
    """Height, width and channels of the images in X."""
    shape = _image_shape_of(X, requested)
    if 0 in shape:
        raise ValueError(
            f"X has images of shape {shape} (height, width, channels), but expected at "
            "least one pixel and one channel."
        )
    return shape


def _image_shape_of(X, requested):
    if X.ndim in (3, 4):
        shape = (*X.shape[1:], 1)[:3]
        if requested is not None and not all(
            r in (-1, s) for r, s in zip(requested, shape, strict=True)
        ):
            raise ValueError(
                f"X has images of shape {shape} (height, width, channels), but "
                f"image_shape={requested}. Leave image_shape=None for images that are "
                "not flattened."
            )
        return shape
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimensions, but expected (n_samples, height, width, "
            "channels), (n_samples, height, width), or flattened (n_samples, "
            "n_features) with image_shape."
        )
    n_features = X.shape[1]
    if requested is None:
        raise ValueError(
            f"X has flattened images, of shape {X.shape}, but image_shape=None. Say "
            "what shape a row has with image_shape=(height, width, channels), or pass "
            "X as (n_samples, height, width, channels)."
        )
    known = int(np.prod([n for n in requested if n != -1]))
    shape = tuple(n_features // known if n == -1 else n for n in requested)
    if int(np.prod(shape)) != n_features:
        raise ValueError(
            f"X has {n_features} features, but image_shape={requested} makes "
            f"{known}{' times a whole number' if -1 in requested else ''} of them."
        )
    return shape


def last_step(estimator):
    """The classifier in a pipeline or in a fitted search, or what was passed."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def images_of(X, image_shape=None, estimator=None):
    """X as images (n, height, width, channels), by the estimator's shape if it has."""
    X = np.asarray(as_images(X))
    if X.ndim == 2 and image_shape is None:
        network = last_step(estimator)
        image_shape = getattr(network, "image_shape_", None) or getattr(
            network, "image_shape", None
        )
    shape = image_shape_of(X, _params.check_image_shape(image_shape))
    return X.reshape(len(X), *shape)


def check_labels(y, X, estimator_name):
    """`y` as an array of one label for each image."""
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
            f"y has labels of the types {', '.join(types)}, which have no order, but "
            "expected labels of one type: integers, strings or booleans, none missing."
        ) from None
    check_classification_targets(y)
    return y


def encode_labels(y, classes):
    """Number of each label among the sorted `classes`; an unknown one is an error."""
    codes = np.searchsorted(classes, y)
    codes[codes == len(classes)] = 0
    unknown = classes[codes] != y
    if np.any(unknown):
        raise ValueError(
            f"y has labels {np.unique(y[unknown]).tolist()} that are not among the "
            f"classes {classes.tolist()}. Pass all labels as classes= to the first "
            "call of partial_fit, or fit afresh with warm_start=False."
        )
    return codes


def find_labels(labels, classes):
    """Numbers of labels among `classes`, in whatever order, or None; unknown ones."""
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):  # of another type even, which NumPy 1 does not compare
        return None, unknown
    return (labels[:, None] == classes).argmax(axis=1), unknown


def check_weights(sample_weight, class_weight, X, y, classes):
    """Weight of each sample in the loss, float32, or None where all are one."""
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
            balance = _weights_of_classes(class_weight, y, classes)
        else:
            balance = compute_sample_weight(class_weight, y)
        sample_weight = balance * (1 if sample_weight is None else sample_weight)
    return None if sample_weight is None else sample_weight.astype(np.float32)


def _weights_of_classes(class_weight, y, classes):
    """Weights by label; a class that none of these samples is of may have one.

    As in scikit-learn, a label that is no class at all is taken for a mistake only
    where some class has no weight: folds may lack a rare class.
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


def split_rows(rows, codes, validation_fraction, sequence):
    """Rows to train on and rows to validate on, stratified by class."""
    split = StratifiedShuffleSplit(
        n_splits=1,
        test_size=validation_fraction,
        random_state=int(sequence.generate_state(1)[0]),
    )
    try:
        train, validation = next(split.split(rows, codes[rows]))
    except ValueError as error:
        raise ValueError(
            f"Got validation_fraction={validation_fraction!r}, but {len(rows)} images "
            "cannot be split that way into two parts with every class in both: "
            f"{str(error).rstrip('.')}. Pass more images, or another fraction."
        ) from error
    return rows[np.sort(train)], rows[np.sort(validation)]
