"""The class that is explained for each image."""

import numpy as np

from .._data import find_labels


def target_codes(target, proba, classes):
    """Numbers of the classes: the predicted ones, or those of labels.

    Parameters
    ----------
    target : None, label or array-like of shape (n,)
    proba : ndarray of shape (n, n_classes)
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    ndarray of shape (n,)
    """
    if target is None:
        return proba.argmax(axis=1)
    labels = np.asarray(target)
    if labels.ndim and labels.shape != (len(proba),):
        raise ValueError(
            f"Got target of shape {labels.shape}, but expected one class, or one for "
            f"each of the {len(proba)} images."
        )
    labels = np.broadcast_to(labels, len(proba))
    codes, unknown = find_labels(labels, classes)
    if len(unknown):
        raise ValueError(
            f"Got target with {unknown.tolist()}, but the classes are "
            f"{np.asarray(classes).tolist()}."
        )
    return codes
