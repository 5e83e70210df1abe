"""Presets of `CNNClassifier` that underfit, overfit, or are regularized."""

from ._classifier import CNNClassifier

_LARGE = {
    "filters": (32, 64, 128, 256, 512),
    "stem_strides": 1,
    "dense_units": 256,
    "epochs": 50,
    "batch_size": 16,
}
# The presets switch off the features that make the default network more accurate.
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
    """Make a classifier that is too small for photographs and underfits them.

    The network has two convolutions with 6 filters each, and an output layer. The first
    convolution has strides of 3 pixels. For five classes and RGB images of 150 x 150
    pixels, the network has 4,823 parameters. It is trained for 30 epochs in batches of
    32.

    Parameters
    ----------
    **params : dict
        Parameters of :class:`CNNClassifier` that replace those of the preset.

    Returns
    -------
    CNNClassifier
        An unfitted classifier.

    See Also
    --------
    overfitting_cnn : Make a large classifier without regularization.
    optimized_cnn : Make a large classifier with regularization.

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
    """Make a classifier that memorizes its training images and thus overfits.

    The network has five convolutions with 32 to 512 filters and a dense layer of 256
    units, without any regularization. For five classes and RGB images of 150 x 150
    pixels, the network has 3,667,269 parameters. It is trained for 50 epochs in batches
    of 16.

    Parameters
    ----------
    **params : dict
        Parameters of :class:`CNNClassifier` that replace those of the preset.

    Returns
    -------
    CNNClassifier
        An unfitted classifier.

    See Also
    --------
    underfitting_cnn : Make a classifier that is too small.
    optimized_cnn : Make an equally large classifier with regularization.

    Examples
    --------
    >>> from skcnn import overfitting_cnn
    >>> overfitting_cnn().dropout
    0.0
    """
    settings = _LARGE | _PLAIN | _UNREGULARIZED
    return CNNClassifier(**settings | params)


def optimized_cnn(**params):
    """Make a large classifier that is regularized enough to generalize.

    The network is that of :func:`overfitting_cnn`, plus normalization of the input,
    dropout rates of 0.3 (0.4 after the last block), an L2 penalty of 1e-3, and
    augmentation by random flips, rotations and zooms. With ``width_factor=2``, the
    network has 10,466,449 parameters for five classes and RGB images of 150 x 150
    pixels. It is trained for 50 epochs in batches of 16.

    Parameters
    ----------
    **params : dict
        Parameters of :class:`CNNClassifier` that replace those of the preset.

    Returns
    -------
    CNNClassifier
        An unfitted classifier.

    See Also
    --------
    overfitting_cnn : Make an equally large classifier without regularization.

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
