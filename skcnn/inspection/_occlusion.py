"""Occlusion: attribution by covering parts of an image."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._utils import _validation
from ._targets import target_indices


def occlusion(
    estimator, X, *, target=None, patch_size=None, strides=None, image_shape=None
):
    """Compute attributions for any classifier by covering parts of each image.

    A square patch with the mean colour of the image is moved over each image. The
    attribution of a region is the decrease in the predicted probability of the class
    when the patch covers this region.

    Parameters
    ----------
    estimator : classifier
        A fitted classifier with `predict_proba`, which may be a pipeline, a search or
        an ensemble.
    X : array-like of shape (n_samples, height, width, channels), \
            (n_samples, height, width) or (n_samples, n_features)
        The images to explain.
    target : label or array-like of shape (n_samples,), default=None
        The class to explain: one label for all images, or one label per image. If None,
        the predicted class of each image is explained.
    patch_size : int, default=None
        Height and width of the patch in pixels. If None, it is a sixth of the shorter
        side of the image, rounded down, but at least 1.
    strides : int, default=None
        Distance in pixels between adjacent positions of the patch. If None, it is half
        of `patch_size`, rounded down, but at least 1.
    image_shape : tuple of int, default=None
        Shape of each image if `X` is flattened. If None, the shape is taken from the
        estimator, if it has one.

    Returns
    -------
    attribution : ndarray of shape (n_samples, height, width), dtype float32
        For each pixel, the mean decrease in the probability over all patches that cover
        it. Positive values support the class, and negative values contradict it.

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If `patch_size` or `strides` is not a positive integer, the patch is larger than
        the image, `target` contains unknown labels, or the shape of `X` is invalid.

    See Also
    --------
    grad_cam : Compute attributions faster, but in coarser detail and only for a
        CNNClassifier.
    skcnn.display.AttributionDisplay : Draw the attributions.

    Notes
    -----
    `estimator` predicts each image once per position of the patch. With the default
    parameters, there are 121 positions for square images whose side is a multiple of
    12. Patches at the right and lower borders are moved inwards, so that every pixel is
    covered.

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
    X = np.asarray(_validation.as_image_array(X))
    images = _validation.to_images(X, image_shape, estimator)
    height, width = images.shape[1:3]
    patch = _check_positive_int(
        "patch_size", patch_size, default=max(1, min(height, width) // 6)
    )
    step = _check_positive_int("strides", strides, default=max(1, patch // 2))
    if patch > min(height, width):
        raise ValueError(
            f"Got patch_size={patch}, but expected at most {min(height, width)}, the "
            "length of the shorter side of the images."
        )
    proba = estimator.predict_proba(X)
    indices = target_indices(target, proba, estimator.classes_)
    corners = [
        (i, j)
        for i in _patch_offsets(height, patch, step)
        for j in _patch_offsets(width, patch, step)
    ]
    attribution = np.zeros((len(X), height, width), np.float32)
    n_patches = np.zeros((height, width), np.float32)  # patches per pixel
    for i, j in corners:
        n_patches[i : i + patch, j : j + patch] += 1
    for image, k, image_proba, image_attribution in zip(
        images, indices, proba, attribution, strict=True
    ):
        mean_colour = image.mean(axis=(0, 1))
        occluded = np.repeat(image[None], len(corners), axis=0)
        for occluded_image, (i, j) in zip(occluded, corners, strict=True):
            occluded_image[i : i + patch, j : j + patch] = mean_colour
        # The estimator expects images in the same form as in X, which may contain
        # flattened images.
        occluded_proba = estimator.predict_proba(
            occluded.reshape(len(corners), *X.shape[1:])
        )
        decreases = image_proba[k] - occluded_proba[:, k]
        for decrease, (i, j) in zip(decreases, corners, strict=True):
            image_attribution[i : i + patch, j : j + patch] += decrease
        image_attribution /= n_patches
    return attribution


def _patch_offsets(length, patch, step):
    """Return the offsets of the patches along an axis of `length` pixels.

    The last patch ends exactly at the border, even if this shortens the last step.
    """
    offsets = list(range(0, length - patch + 1, step))
    return offsets if offsets[-1] == length - patch else [*offsets, length - patch]


def _check_positive_int(name, value, *, default):
    """Return `value` as an int, or `default` if it is None."""
    if value is None:
        return default
    if not _validation.is_int(value) or value < 1:
        raise ValueError(f"Got {name}={value!r}, but expected a positive integer.")
    return int(value)
