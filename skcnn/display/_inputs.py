"""Check labels, probabilities and class names for the displays."""

import numpy as np
from sklearn.utils import check_consistent_length

from .._utils._validation import label_indices


def class_names(classes, display_labels):
    """Return the name of each class as an array of str."""
    if display_labels is None:
        return np.asarray(classes).astype(str)
    if len(display_labels) != len(classes):
        raise ValueError(
            f"Got display_labels with {len(display_labels)} names, but expected one "
            f"for each of the {len(classes)} classes {np.asarray(classes).tolist()}. "
            "Pass them in this order."
        )
    return np.asarray(display_labels).astype(str)


def check_predictions(y_true, y_proba, classes, display_labels):
    """Check labels and predicted probabilities, and encode the labels.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The true labels.
    y_proba : array-like of shape (n_samples, n_classes)
        The predicted probabilities.
    classes : array-like of shape (n_classes,) or None
        The class of each column of `y_proba`. If None, the sorted labels in `y_true`
        are used.
    display_labels : array-like of shape (n_classes,) or None
        The names of the classes. If None, the labels are used.

    Returns
    -------
    y_encoded : ndarray of shape (n_samples,)
        The labels as class indices, which are also the column indices of `proba`.
    proba : ndarray of shape (n_samples, n_classes)
        The predicted probabilities.
    names : ndarray of shape (n_classes,), dtype str
        The names of the classes.
    """
    y_true, proba = np.asarray(y_true), np.asarray(y_proba)
    classes = np.unique(y_true) if classes is None else np.asarray(classes)
    if proba.ndim != 2 or proba.shape[1] != len(classes):
        raise ValueError(
            f"Got y_proba of shape {proba.shape}, but expected (n_samples, "
            f"{len(classes)}), with one column for each of the classes "
            f"{classes.tolist()}. Pass the output of predict_proba as y_proba, and the "
            "classes_ of the estimator as classes."
        )
    check_consistent_length(y_true, proba)
    y_encoded, unknown = label_indices(y_true, classes)
    if len(unknown):
        raise ValueError(
            f"y_true has labels {unknown.tolist()} that are not among the classes "
            f"{classes.tolist()}. Pass the classes_ of the estimator as classes."
        )
    return y_encoded, proba, class_names(classes, display_labels)
