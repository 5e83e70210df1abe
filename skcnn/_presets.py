"""Three settings of `CNNClassifier`: too small, too large, regularized."""

from ._classifier import CNNClassifier

_LARGE = {
    "filters": (32, 64, 128, 256, 512),
    "stem_strides": 1,
    "dense_units": 256,
    "epochs": 50,
    "batch_size": 16,
}
# The reference networks have none of what the default owes its accuracy to.
_PLAIN = {
    "batch_norm": False,
    "pooling": None,
    "label_smoothing": 0.0,
    "learning_rate": 1e-3,
    "average": False,
}
_UNREGULARIZED = {
    "normalize": False,
    "dropout": 0.0,
    "last_dropout": 0.0,
    "l2": 0.0,
    "augment": False,
}


def underfitting_cnn(**params):
    """Make a classifier that is too small for photographs: it underfits.

    Two convolutions of 6 filters, the first with strides of 3 pixels, and the output:
    4,823 parameters for five classes of 150 x 150 x 3. Trained for 30 epochs in
    batches of 32.

    Parameters
    ----------
    **params : dict
        Parameters of :class:`CNNClassifier` that are to differ.

    Returns
    -------
    CNNClassifier
        Not fitted.

    See Also
    --------
    overfitting_cnn : Too large, and nothing that holds it back.
    optimized_cnn : Large, and regularized.

    Examples
    --------
    >>> from skcnn import underfitting_cnn
    >>> underfitting_cnn(epochs=5).filters
    (6, 6)
    """
    settings = {
        "filters": (6, 6),
        "stem_strides": 3,
        "dense_units": None,
        "epochs": 30,
        "batch_size": 32,
        **_PLAIN,
        **_UNREGULARIZED,
    }
    return CNNClassifier(**settings | params)


def overfitting_cnn(**params):
    """Make a classifier that learns its training images by heart: it overfits.

    Five convolutions of 32 to 512 filters and a dense layer of 256 units, without any
    regularization: 3,667,269 parameters for five classes of 150 x 150 x 3. Trained
    for 50 epochs in batches of 16.

    Parameters
    ----------
    **params : dict
        Parameters of :class:`CNNClassifier` that are to differ.

    Returns
    -------
    CNNClassifier
        Not fitted.

    See Also
    --------
    underfitting_cnn : Too small.
    optimized_cnn : As large, and regularized.

    Examples
    --------
    >>> from skcnn import overfitting_cnn
    >>> overfitting_cnn().dropout
    0.0
    """
    settings = _LARGE | _PLAIN | _UNREGULARIZED
    return CNNClassifier(**settings | params)


def optimized_cnn(**params):
    """Make a large classifier that is held back enough to generalize.

    The network of :func:`overfitting_cnn` behind a normalization of its input, with
    dropout of 0.3 and 0.4, an L2 penalty of 1e-3 and random flips, rotations and
    zooms. With ``width_factor=2``, as its final model was trained, it has 10,466,449
    parameters for five classes of 150 x 150 x 3. Trained for 50 epochs in batches of
    16.

    Parameters
    ----------
    **params : dict
        Parameters of :class:`CNNClassifier` that are to differ.

    Returns
    -------
    CNNClassifier
        Not fitted.

    See Also
    --------
    overfitting_cnn : The same without regularization.

    Examples
    --------
    >>> from skcnn import optimized_cnn
    >>> optimized_cnn(width_factor=2).augment
    True
    """
    regularized = {
        "dropout": 0.3,
        "last_dropout": 0.4,
        "l2": 1e-3,
        "normalize": True,
        "augment": True,
    }
    settings = _LARGE | _PLAIN | regularized
    return CNNClassifier(**settings | params)
