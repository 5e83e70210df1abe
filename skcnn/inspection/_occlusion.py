"""What a covered place of an image costs the probability of its class."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import _data
from ._targets import target_codes


def occlusion(
    estimator, X, *, target=None, patch_size=None, strides=None, image_shape=None
):
    """Attribution by covering parts of the images, for any classifier.

    A square of the image's mean colour is moved over each image. What the probability
    of the class loses by it is the attribution of the place that it covers.

    Parameters
    ----------
    estimator : classifier
        Fitted, with `predict_proba`; a pipeline, a search or an ensemble as well.
    X : array-like of shape (n_samples, height, width, channels), \
            (n_samples, height, width) or (n_samples, n_features)
        Images; flattened ones with `image_shape`.
    target : label or array-like of shape (n_samples,), default=None
        The class to explain, or one for each image. None stands for the one that is
        predicted.
    patch_size : int, default=None
        Height and width of the square, in pixels. None stands for a sixth of the
        shorter side.
    strides : int, default=None
        Pixels from one place to the next. None stands for half of `patch_size`.
    image_shape : tuple of int, default=None
        Shape of an image where `X` has flattened ones. None takes that of the
        estimator, if it has one.

    Returns
    -------
    attribution : ndarray of shape (n_samples, height, width), dtype float32
        For each pixel the mean loss of probability of all squares over it: positive
        where the class is found, negative where something speaks against it.

    Raises
    ------
    ValueError
        For data or settings that cannot be used.

    See Also
    --------
    grad_cam : By gradients; faster, coarser, for networks only.
    skcnn.display.AttributionDisplay : Draws it.

    Notes
    -----
    Each image is predicted once for each place of the square: 121 times by default.

    References
    ----------
    M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks",
    ECCV 2014, section 4.2. https://arxiv.org/abs/1311.2901

    Examples
    --------
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> from skcnn.inspection import occlusion
    >>> X, y = load_digits(return_X_y=True)
    >>> cnn = CNNClassifier(filters=(8, 16), epochs=3, random_state=0).fit(X, y)
    >>> occlusion(cnn, X[:5]).shape
    (5, 8, 8)
    """
    check_is_fitted(estimator)
    X = np.asarray(_data.as_images(X))
    images = _data.images_of(X, image_shape, estimator)
    height, width = images.shape[1:3]
    patch = _checked("patch_size", patch_size, max(1, min(height, width) // 6))
    step = _checked("strides", strides, max(1, patch // 2))
    if patch > min(height, width):
        raise ValueError(
            f"Got patch_size={patch}, but expected at most {min(height, width)}, the "
            "shorter side of the images."
        )
    proba = estimator.predict_proba(X)
    codes = target_codes(target, proba, estimator.classes_)
    corners = [
        (i, j)
        for i in _starts(height, patch, step)
        for j in _starts(width, patch, step)
    ]
    attribution = np.zeros((len(X), height, width), np.float32)
    covers = np.zeros((height, width), np.float32)  # squares over each pixel
    for i, j in corners:
        covers[i : i + patch, j : j + patch] += 1
    for image, code, known, found in zip(
        images, codes, proba, attribution, strict=True
    ):
        colour = image.mean(axis=(0, 1))
        covered = np.repeat(image[None], len(corners), axis=0)
        for one, (i, j) in zip(covered, corners, strict=True):
            one[i : i + patch, j : j + patch] = colour
        lost = (
            known[code]
            - estimator.predict_proba(covered.reshape(len(corners), *X.shape[1:]))[
                :, code
            ]
        )
        for loss, (i, j) in zip(lost, corners, strict=True):
            found[i : i + patch, j : j + patch] += loss
        found /= covers
    return attribution


def _starts(length, patch, step):
    """Where squares begin: each `step` pixels, and at the far border."""
    starts = list(range(0, length - patch + 1, step))
    return starts if starts[-1] == length - patch else [*starts, length - patch]


def _checked(name, value, default):
    if value is None:
        return default
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"Got {name}={value!r}, but expected a positive integer.")
    return int(value)
