"""Select the class to explain for each image."""

import numpy as np

from .._utils._validation import label_indices


def target_indices(target, proba, classes):
    """Return the index of the class to explain for each image.

    Parameters
    ----------
    target : None, label or array-like of shape (n_samples,)
        One label for all images, or one per image. None selects the predicted classes.
    proba : ndarray of shape (n_samples, n_classes)
        The predicted probabilities.
    classes : ndarray of shape (n_classes,)
        The labels of the classes, in the order of the columns of `proba`.

    Returns
    -------
    indices : ndarray of shape (n_samples,), dtype intp
        Indices into `classes`.
    """
    if target is None:
        return proba.argmax(axis=1)
    labels = np.asarray(target)
    if labels.ndim and labels.shape != (len(proba),):
        raise ValueError(
            f"Got target of shape {labels.shape}, but expected a single label, or one "
            f"label for each of the {len(proba)} images."
        )
    labels = np.broadcast_to(labels, len(proba))
    indices, unknown = label_indices(labels, classes)
    if len(unknown):
        raise ValueError(
            f"Got target with unknown labels {unknown.tolist()}, but expected labels "
            f"among the classes {np.asarray(classes).tolist()}."
        )
    return indices
