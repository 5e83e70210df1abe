"""Labels, probabilities and names of classes as displays take them."""

import numpy as np
from sklearn.utils import check_consistent_length

from .._data import find_labels


def names_of(classes, display_labels):
    """A name for each class, as an array of str."""
    if display_labels is None:
        return np.asarray(classes).astype(str)
    if len(display_labels) != len(classes):
        raise ValueError(
            f"Got display_labels with {len(display_labels)} names, but expected one "
            f"for each of the {len(classes)} classes {np.asarray(classes).tolist()}."
        )
    return np.asarray(display_labels).astype(str)


def check_predictions(y_true, y_proba, classes, display_labels):
    """Labels as numbers of classes, probabilities, and the classes' names.

    Returns
    -------
    codes : ndarray of shape (n,)
    proba : ndarray of shape (n, n_classes)
    names : ndarray of shape (n_classes,)
    """
    y_true, proba = np.asarray(y_true), np.asarray(y_proba)
    classes = np.unique(y_true) if classes is None else np.asarray(classes)
    if proba.ndim != 2 or proba.shape[1] != len(classes):
        raise ValueError(
            f"Got y_proba of shape {proba.shape}, but expected (n_samples, "
            f"{len(classes)}): a column for each of the classes {classes.tolist()}. "
            "Pass what predict_proba returns, and the estimator's classes_ as classes."
        )
    check_consistent_length(y_true, proba)
    codes, unknown = find_labels(y_true, classes)
    if len(unknown):
        raise ValueError(
            f"y_true has labels {unknown.tolist()} that are not among the classes "
            f"{classes.tolist()}."
        )
    return codes, proba, names_of(classes, display_labels)
