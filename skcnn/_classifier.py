"""The class `CNNClassifier`, with its parameters and all of its public methods."""

import inspect
import os
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from ._fit import FIXED_ON_WARM_START, NETWORK_PARAMS, FitMixin
from ._network import _builder_params
from ._network._augmentation import check_augment, check_layer
from ._network._builder import as_units
from ._network._optimizers import check_learning_rate, make_optimizer
from ._network._serialization import pack, unpack
from ._network._trainable import TrainableNetwork
from ._training._callbacks import copy_callbacks
from ._training._data import ImageReader
from ._training._stages import make_predictor
from ._utils._fixes import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    NullCallbackContext,
    StrOptions,
    _check_partial_fit_first_call,
    clone_with_shared,
    with_callbacks,
)
from ._utils._image_input import ImageInputMixin
from ._utils._keras_config import (
    DTYPE_POLICY,
    check_execution_mode,
    config_for_builders,
    keras_config,
)
from ._utils._random import draw_seed
from ._utils._tensorflow import import_tensorflow
from ._utils._validation import (
    check_image_shape,
    check_labels,
    check_sizes,
    did_you_mean,
    same_value,
)


class CNNClassifier(
    CallbackSupportMixin, ClassifierMixin, FitMixin, ImageInputMixin, BaseEstimator
):
    """Convolutional neural network for image classification.

    The built-in network is a sequence of blocks ``Conv2D -> BatchNormalization -> relu
    -> MaxPooling2D -> Dropout``, followed by ``GlobalAveragePooling2D ->
    Dense(softmax)``. The input is normalized by the mean and standard deviation of the
    training images, so images need no scaling. Pass them as they are stored, for
    example as uint8 from 0 to 255. The loss is categorical cross-entropy.

    All parameters, including those of your own network builder, can be tuned with
    :class:`~sklearn.model_selection.GridSearchCV` and other searches.

    Parameters
    ----------
    model : callable, default=None
        Function that builds your own network instead of the built-in network. It
        returns a new `keras.Model`, compiled or not. The network takes images of shape
        ``(n, height, width, channels)``. Its output is a softmax over the classes, or a
        single sigmoid for two classes. The output may also be logits if the network is
        compiled with a loss that has ``from_logits=True``. Keras losses with "sparse"
        in their name get class indices as targets, and all other Keras losses get
        one-hot vectors. A custom loss is called with both kinds of targets before
        training, to determine which kind it expects.

        The function may accept these arguments:

        - ``meta``, a dict of properties of the training data: ``image_shape_``,
          ``n_classes_`` and ``classes_``;
        - ``compile_kwargs``, a dict with the optimizer, the loss and the metrics for
          ``network.compile(**compile_kwargs)``;
        - any other argument ``<name>``, which becomes the parameter ``model__<name>``
          of this estimator; see :meth:`set_params`.

        The parameters from `filters` to `label_smoothing` belong to the built-in
        network and cannot be combined with `model`.

    filters : array-like of int, default=(48, 96, 192, 384)
        Number of filters in the convolution of each block. An axis that has shrunk to
        one pixel is not pooled further, so that small images can also pass through many
        blocks.

    last_filters : int, default=None
        Number of filters in the last block. If not None, this number replaces the last
        entry of `filters`, so that the last entry can be tuned separately.

    kernel_size : int, default=3
        Height and width of the convolutions, in pixels.

    stem_strides : int, default=None
        Strides of the first convolution, in pixels. Values above 1 make the network
        faster, but reduce the resolution of its feature maps. None means 2 for images
        of at least 32 x 32 pixels, and 1 for smaller images.

    width_factor : float, default=1
        Factor by which the number of filters in each block is multiplied. The products
        are rounded, and are at least 1.

    dense_units : int, array-like of int or None, default=None
        Number of units in each dense layer between the convolutions and the output.
        None adds no such layers.

    dropout : float, default=0.1
        Dropout rate after each block except the last, in [0, 1).

    last_dropout : float, default=0.3
        Dropout rate after the last block, in [0, 1).

    l2 : float, default=1e-4
        Factor of the L2 penalty on the kernels of all convolutions except the first.

    normalize : bool, default=True
        Whether to normalize the input by the mean and standard deviation of the
        training images, separately for each channel. :meth:`fit` computes these
        statistics from all images that it trains on, and :meth:`partial_fit` from all
        images seen so far. The scale and offset of the images therefore do not matter.
        The normalization is followed by a learned scale and offset.

    batch_norm : bool, default=True
        Whether to add batch normalization between each convolution and its activation.

    pooling : {"avg", "max"} or None, default="avg"
        How to pool the feature maps of the last block: ``"avg"`` takes the average of
        each map, and ``"max"`` takes its maximum. None flattens the feature maps, which
        makes the next layer large.

    label_smoothing : float, default=0.1
        Share of the target probability that the loss spreads evenly over all classes,
        in [0, 1). With label smoothing, the losses in `history_` do not approach zero.

    image_shape : tuple of int, default=None
        Shape ``(height, width)`` or ``(height, width, channels)`` of one image.
        Required if the images in `X` are flattened, for example for scalers, PCA, SMOTE
        or :class:`~sklearn.ensemble.BaggingClassifier`. One entry may be -1, as in
        :func:`numpy.reshape`. For example, ``(1, -1, 1)`` treats each row as an image
        with a height of one pixel.

    augment : "auto", bool, dict or keras.Layer, default="auto"
        Random changes to the images during training. Prediction and validation use the
        original images.

        - ``"auto"`` means ``{"rotation": 0.03, "zoom": 0.2}``, which suits most images.
          It does not flip images, because flipping would change the meaning of digits
          and text.
        - True means ``{"flip": "horizontal", "rotation": 0.1, "zoom": 0.1}``: flip with
          probability 0.5, rotate by up to 0.1 of a full turn, and zoom in or out by up
          to 10%. Pixels beyond the border are filled by reflection.
        - A dict may have any of the keys `flip`, `rotation` and `zoom`. An operation
          whose key is omitted is not applied. `flip` may also be ``"vertical"`` or
          ``"horizontal_and_vertical"``.
        - A layer, or a `keras.Sequential` of layers, must preserve the shape of the
          images. Each fit uses its own copy of the layer, which gets a new seed in each
          epoch.

    optimizer : str, callable or keras.Optimizer, default="adam"
        Name of a Keras optimizer, a callable that returns an optimizer, or an optimizer
        object. A callable, such as ``functools.partial(keras.optimizers.SGD,
        momentum=0.9)``, is called with the argument ``learning_rate``. An optimizer
        object is copied for each fit and keeps its own learning rate.

    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule, \
            default=3e-3
        Learning rate, or a schedule of learning rates over training steps. For example,
        ``optimizer="sgd"`` with ``CosineDecay(0.1, decay_steps)`` trains by gradient
        descent with an annealed learning rate.

    average : bool, default=True
        Whether to average the network weights [1]_. The weights after each epoch are
        then averages over roughly the last tenth of all training steps so far, but
        training itself continues from the weights of the last step. Averaging has much
        the same effect as annealing the learning rate, without fixing the number of
        epochs in advance. `average` has no effect if the optimizer is passed as an
        object, has ``use_ema=True``, or is set by a builder that compiles its own
        network.

    batch_size : int, default=32
        Number of images in one training step.

    epochs : int, default=40
        Number of passes over the training images. It can be the `resource` of
        :class:`~sklearn.model_selection.HalvingGridSearchCV`.

    precision : {"float32", "bfloat16"}, default="float32"
        ``"bfloat16"`` computes in 16 bits, but keeps network weights and probabilities
        in 32 bits. It is faster on processors with bfloat16 instructions.

    class_weight : dict or "balanced", default=None
        Weights of the classes in the loss, multiplied by `sample_weight`.
        ``"balanced"`` makes them inversely proportional to the class frequencies in
        the `y` of each fit, as
        :func:`sklearn.utils.class_weight.compute_class_weight` does.

    warm_start : bool, default=False
        Whether :meth:`fit` continues from the network weights and the optimizer state
        of the previous fit. Two fits of 5 epochs then give exactly the same weights as
        one fit of 10 epochs. The exception is an optimizer object with
        ``use_ema=True``, which replaces the weights with their averages at the end of
        each fit.

    validation_fraction : float, default=None
        Fraction of the images passed to :meth:`fit` that is held out, stratified by
        class, to report loss and accuracy after each epoch. If None, no images are held
        out. With `warm_start`, pass the same images to each fit. Otherwise, an earlier
        fit may have trained on some of the held-out images.

    early_stopping : bool, default=False
        Whether to stop training when the loss on the held-out images has not decreased
        for `patience` epochs, and to restore the network weights of the best epoch.
        Requires `validation_fraction`, or `X_val` and `y_val` in :meth:`fit`.

    patience : int, default=5
        Number of epochs to wait for an improvement; see `early_stopping`.

    tol : float, default=1e-4
        Tolerance of `early_stopping`. If the loss decreases by less than `tol`, this
        does not count as an improvement.

    callbacks : list of keras.callbacks.Callback, default=None
        Keras callbacks. Each fit uses shallow copies of the callbacks. Attributes that
        a callback sets therefore start from their initial values in each fit, but
        objects that a callback refers to, such as an Optuna trial, a list or an open
        file, are shared by all fits. A callback with batch-level hooks slows down the
        training of a small network. For scikit-learn's own callbacks, use
        `set_callbacks` (scikit-learn 1.9 and later).

    memory : None, str, path-like or joblib.Memory, default=None
        Folder for checkpoints, or a `joblib.Memory` object with a folder, as in
        :class:`~sklearn.pipeline.Pipeline`. If a fit with the same parameters, images
        and package versions has been stored, its result is loaded, and the network is
        not trained again. If a fit was interrupted, even by ``kill -9``, running it
        again resumes it from its last checkpoint. A fit that differs from a stored fit
        only in having more `epochs` resumes where the stored fit ended. With the same
        number of threads, each of these fits gives exactly the same weights as an
        uninterrupted fit. Searches in several processes or on several machines can
        share a folder.

        `memory` requires `random_state`. It has no effect on :meth:`partial_fit`, on
        fits that continue with `warm_start`, or on fits with callbacks other than
        scikit-learn's ``ProgressBar``, because the side effects of callbacks cannot be
        replayed. ``joblib.Memory(folder).clear()`` and ``.reduce_size(bytes_limit=...,
        age_limit=...)`` remove checkpoints.

    max_time : float, default=None
        Time limit in seconds. :meth:`fit` stops at the end of the epoch in which the
        limit is exceeded, and keeps the network trained so far. With `memory`, training
        resumes after this epoch when the same fit is run again.

    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, shuffling, dropout, augmentation and the split
        by `validation_fraction`. With the same int, on the same machine and with the
        same number of threads, a fit on the CPU always gives exactly the same weights,
        regardless of earlier computations in the process.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar for each epoch, and 2 prints one line per
        epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    model_ : keras.Model
        The trained network.

    history_ : dict of str to list of float
        The training ``"loss"`` (including the L2 penalty) and ``"accuracy"``, averaged
        over each epoch. With `validation_fraction` or `X_val`, the dict also contains
        ``"val_loss"`` and ``"val_accuracy"``, computed at the end of each epoch. If a
        builder compiles its own network, the dict contains the metrics that the builder
        sets.

    n_epochs_ : int
        Number of epochs trained, which is the length of the lists in `history_`.

    image_shape_ : tuple of int
        Height, width and channels of an image.

    n_features_in_ : int
        Number of values in an image: height x width x channels.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`. Defined only if `X` is a data frame of flattened
        images.

    See Also
    --------
    underfitting_cnn, overfitting_cnn, optimized_cnn : Presets for comparison.
    sklearn.neural_network.MLPClassifier : Fully connected network.

    Notes
    -----
    Images of dtype uint8 are not converted until they are on the device, and memory
    maps are read in chunks. The training set may therefore be larger than memory.

    A training step performs the same update as a step of ``keras.Model.fit``, so the
    same batches give the same weights. However, Python code runs only after each chunk
    of batches, not after every batch.

    Ctrl-C during :meth:`fit` raises a `KeyboardInterrupt`. If at least one epoch was
    completed, the estimator keeps the network of the last completed epoch, so that
    :meth:`predict` works.

    In a search with ``n_jobs=2`` or more, each process gets its share of the
    processors, as set by :func:`joblib.parallel_config`. The rounding of floating-point
    sums depends on the number of threads. To get exactly the same results with any
    `n_jobs`, set ``inner_max_num_threads`` in :func:`joblib.parallel_config`.
    TensorFlow does not work in a process that was forked from a process in which
    TensorFlow was used before. In such a forked process, :meth:`fit` raises a
    `RuntimeError`.

    References
    ----------
    .. [1] Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion
       Models", CVPR 2024, section 3, on power function averages.
       https://arxiv.org/abs/2312.02696

    - Keras `Model training APIs <https://keras.io/api/models/model_training_apis/>`_
    - `Developing scikit-learn estimators
      <https://scikit-learn.org/stable/developers/develop.html>`_

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from skcnn import CNNClassifier
    >>> from skcnn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> X.shape, X.dtype
    ((1797, 8, 8, 1), dtype('uint8'))
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, y, stratify=y, random_state=0
    ... )
    >>> cnn = CNNClassifier(filters=(16, 32), epochs=8, random_state=0)
    >>> cnn.fit(X_train, y_train).score(X_test, y_test) > 0.95
    True
    >>> cnn.predict_proba(X_test).shape
    (450, 10)
    """

    _parameter_constraints = {
        "model": [callable, None],
        "filters": ["array-like"],
        "last_filters": [Interval(Integral, 1, None, closed="left"), None],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "stem_strides": [Interval(Integral, 1, None, closed="left"), None],
        "width_factor": [Interval(Real, 0, None, closed="neither")],
        "dense_units": [Interval(Integral, 1, None, closed="left"), "array-like", None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "last_dropout": [Interval(Real, 0, 1, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "normalize": ["boolean"],
        "batch_norm": ["boolean"],
        "pooling": [StrOptions({"avg", "max"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "image_shape": ["array-like", None],
        "augment": [StrOptions({"auto"}), "boolean", dict, callable],
        "optimizer": "no_validation",  # checked in fit, because importing Keras is slow
        "learning_rate": [Interval(Real, 0, None, closed="neither"), callable],
        "average": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions(set(DTYPE_POLICY))],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "early_stopping": ["boolean"],
        "patience": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, tuple, None],
        "memory": [None, str, os.PathLike, HasMethods("cache")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model=None,
        *,
        filters=(48, 96, 192, 384),
        last_filters=None,
        kernel_size=3,
        stem_strides=None,
        width_factor=1,
        dense_units=None,
        dropout=0.1,
        last_dropout=0.3,
        l2=1e-4,
        normalize=True,
        batch_norm=True,
        pooling="avg",
        label_smoothing=0.1,
        image_shape=None,
        augment="auto",
        optimizer="adam",
        learning_rate=3e-3,
        average=True,
        batch_size=32,
        epochs=40,
        precision="float32",
        class_weight=None,
        warm_start=False,
        validation_fraction=None,
        early_stopping=False,
        patience=5,
        tol=1e-4,
        callbacks=None,
        memory=None,
        max_time=None,
        random_state=None,
        verbose=0,
    ):
        self.model = model
        self.filters = filters
        self.last_filters = last_filters
        self.kernel_size = kernel_size
        self.stem_strides = stem_strides
        self.width_factor = width_factor
        self.dense_units = dense_units
        self.dropout = dropout
        self.last_dropout = last_dropout
        self.l2 = l2
        self.normalize = normalize
        self.batch_norm = batch_norm
        self.pooling = pooling
        self.label_smoothing = label_smoothing
        self.image_shape = image_shape
        self.augment = augment
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.average = average
        self.batch_size = batch_size
        self.epochs = epochs
        self.precision = precision
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.patience = patience
        self.tol = tol
        self.callbacks = callbacks
        self.memory = memory
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    # If epoch_curve sets this hook, fit passes the classifier to it after each epoch.
    _after_epoch = None

    @classmethod
    def from_keras(cls, model, classes, **params):
        """Make a fitted classifier from a trained Keras model, without training.

        As with any other fitted classifier, you can evaluate it with scikit-learn's
        metrics, calibrate it, tune its decision threshold and draw its predictions.
        :meth:`fit` trains a new network with the same architecture or, with
        ``warm_start=True``, continues from the weights of `model`.

        Parameters
        ----------
        model : keras.Model
            A trained model. Its output is a softmax over the classes, a single sigmoid
            for two classes, or logits if the model is compiled with a loss that has
            ``from_logits=True``. The model itself, not a copy, is stored as `model_`,
            and is compiled if necessary. However, if `classes` is not sorted, `model_`
            is a new model that shares the layers of `model` and is compiled with Adam.
        classes : array-like of shape (n_classes,)
            Class labels, in the order of the outputs. The attribute `classes_` is
            sorted, and the columns of :meth:`predict_proba` are in the order of
            `classes_`.
        **params : dict
            Parameters of the returned classifier, which affect only later fits.

        Returns
        -------
        CNNClassifier
            A fitted classifier with an empty `history_`. The classifier does not scale
            images, so pass them as `model` expects them.

        Raises
        ------
        TypeError
            If `model` is not a `keras.Model`.
        ValueError
            If the number of classes does not match the number of outputs, or `model`
            does not specify the shape of the images.

        Examples
        --------
        >>> import keras
        >>> from skcnn import CNNClassifier
        >>> from skcnn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> network = keras.Sequential(
        ...     [
        ...         keras.Input((8, 8, 1)),
        ...         keras.layers.Rescaling(1 / 255),
        ...         keras.layers.Flatten(),
        ...         keras.layers.Dense(10, activation="softmax"),
        ...     ]
        ... )
        >>> network.compile("adam", "sparse_categorical_crossentropy")
        >>> _ = network.fit(X, y, epochs=5, verbose=0)
        >>> cnn = CNNClassifier.from_keras(network, classes=range(10))
        >>> cnn.predict_proba(X[:3]).shape
        (3, 10)
        """
        import_tensorflow()
        check_execution_mode()
        from ._network._from_keras import Architecture, prepare_model

        def dummy_images(shape):
            return ImageReader(np.zeros((2, *shape), np.float32), shape)

        settings = config_for_builders()
        with keras_config(settings):
            classes = column_or_1d(np.asarray(classes))
            model, classes = prepare_model(model, classes, dummy_images)
            network = TrainableNetwork(model, average=False, keras_config=settings)
        self = cls(**{"augment": False} | params, model=Architecture(model))
        self.image_shape_ = tuple(model.input_shape[1:])
        self.n_features_in_ = int(np.prod(self.image_shape_))
        vars(self).update(
            classes_=classes,
            model_=model,
            history_={},
            n_epochs_=0,
            _network=network,
            _predictor=make_predictor(network),
            _seed=draw_seed(self.random_state),
            _input_statistics=None,
            _compiled_by_builder=True,
            _params_at_build={n: getattr(self, n) for n in FIXED_ON_WARM_START},
        )
        return self

    # Parameters, including those of a user's builder

    def get_params(self, deep=True):
        """Get parameters for this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the builder passed as `model`, named
            ``model__<name>``. Parameters of the builder that have no value are omitted.

        Returns
        -------
        dict of str to object
        """
        params = super().get_params(deep=deep)
        if deep:
            values, _ = _builder_params.builder_parameters(self.model)
            params |= {
                f"model__{name}": value
                for name, value in values.items()
                if value is not _builder_params.NO_VALUE
            }
        return params

    def set_params(self, **params):
        """Set parameters of this estimator.

        ``model__<name>`` sets the parameter ``<name>`` of the builder passed as
        `model`. The parameter `model` is then replaced by a `functools.partial` of this
        builder.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter does not exist. The message suggests a similar name.
        """
        own = {k: v for k, v in params.items() if not k.startswith("model__")}
        known = self._get_param_names()
        for name in own:
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator "
                    f"{type(self).__name__}.{did_you_mean(name, known)} Valid "
                    f"parameters are: {known}. Those of a builder passed as model= are "
                    "named model__<parameter>."
                )
        of_builder = {
            k.removeprefix("model__"): v for k, v in params.items() if k not in own
        }
        if of_builder:  # bind first: if this fails, no parameter is changed
            model = own.get("model", self.model)
            own["model"] = _builder_params.bind_builder(model, **of_builder)
        return super().set_params(**own)

    def _check_params(self):
        """Raise an error for invalid parameters before training starts."""
        self._validate_params()
        check_sizes("filters", self.filters)
        check_sizes("dense_units", as_units(self.dense_units) or (1,))
        check_image_shape(self.image_shape)
        import_tensorflow()
        check_execution_mode()
        _builder_params.check_builder(self.model)
        check_layer(check_augment(self.augment))
        check_learning_rate(self.learning_rate)
        copy_callbacks(self.callbacks)
        make_optimizer(self.optimizer, self.learning_rate)
        without_effect = []
        if self.model is not None:
            without_effect = self._not_default(*NETWORK_PARAMS, "label_smoothing")
            reason = "they belong to the built-in network, and model= builds another"
        elif not isinstance(self.optimizer, str) and not callable(self.optimizer):
            without_effect = self._not_default("learning_rate")
            reason = "the optimizer object has its own learning rate"
        if without_effect:
            raise ValueError(
                f"Got {', '.join(f'{k}={v!r}' for k, v in without_effect.items())}, "
                f"which would have no effect: {reason}. Leave "
                f"{', '.join(without_effect)} at the default."
            )

    def _check_early_stopping(self, X_val, y_val):
        """Raise a ValueError if a required validation set is missing or incomplete.

        Early stopping requires a validation set. `X_val` and `y_val` must be passed
        together.
        """
        if (X_val is None) != (y_val is None):
            given, missing = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"Got {given} without {missing}, but expected both.")
        if self.early_stopping and self.validation_fraction is None and X_val is None:
            raise ValueError(
                "Got early_stopping=True and validation_fraction=None, but early "
                "stopping monitors the loss on held-out images. Set, for example, "
                "validation_fraction=0.1, or pass X_val and y_val to fit."
            )

    def _not_default(self, *names):
        """Return the parameters among `names` that do not have their default values."""
        # A subclass may have different defaults, or lack some of the parameters.
        signature = {
            **inspect.signature(CNNClassifier.__init__).parameters,
            **inspect.signature(type(self).__init__).parameters,
        }
        values = {name: getattr(self, name) for name in names}
        return {
            name: value
            for name, value in values.items()
            if not same_value(value, signature[name].default)
        }

    # Data

    def _check_training_data(self, X, y, *, reset):
        """Check X and y and return them as arrays of the same length."""
        X = self._check_images(X, reset=reset)
        return X, check_labels(y, X, type(self).__name__)

    def _check_validation_set(self, X_val, y_val, classes):
        """Check X_val and y_val and return them as arrays."""
        try:
            X_val, y_val = self._check_training_data(X_val, y_val, reset=False)
        except (ValueError, TypeError) as error:
            raise type(error)(
                f"Got an invalid validation set X_val, y_val: {error}"
            ) from error
        unknown = np.setdiff1d(y_val, classes)
        if len(unknown):
            raise ValueError(
                f"Got y_val with labels {unknown.tolist()}, but expected labels among "
                f"the classes of y, {classes.tolist()}."
            )
        return X_val, y_val

    # Training

    @with_callbacks
    def fit(self, X, y, sample_weight=None, *, groups=None, X_val=None, y_val=None):
        """Train a new network or, with ``warm_start=True``, continue training.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            Images, as integers or floats. Flattened images require `image_shape`.
            Arrays of uint8 and memory maps are read in chunks and never copied as a
            whole.
        y : array-like of shape (n_samples,)
            Class labels, which may be integers, strings or booleans. There must be at
            least two classes.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples in the loss. Samples with weight zero
            are ignored.
        groups : array-like of shape (n_samples,), default=None
            Group of each sample, for example the patient, or the original image of
            augmented copies. The split by `validation_fraction` keeps the samples of a
            group together, so the fraction of held-out images is only approximate.
        X_val : array-like, default=None
            Images to validate on after each epoch. They replace the part of `X` that
            `validation_fraction` would hold out, so `fit` trains on all of `X`.
        y_val : array-like of shape (n_val_samples,), default=None
            Class labels of `X_val`.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError, TypeError
            If parameters or data are invalid. These errors are raised before training
            starts. A ValueError is also raised if the loss is not finite. In each case,
            the estimator is left in its previous state.
        """
        with self._rollback_on_error():
            self._check_params()
            self._check_early_stopping(X_val, y_val)
            incremental = self.warm_start and self.__sklearn_is_fitted__()
            X, y = self._check_training_data(X, y, reset=not incremental)
            if incremental:
                self._check_warm_start(y)
                classes = self.classes_
            else:
                classes = np.unique(y)
            if len(classes) < 2:
                raise ValueError(
                    f"y has one class only, {classes.tolist()}, but expected two or "
                    "more classes."
                )
            validation_set = None
            if X_val is not None:
                validation_set = self._check_validation_set(X_val, y_val, classes)
            if groups is not None:
                groups = column_or_1d(groups)
                check_consistent_length(X, groups)
            context = self._init_callback_context(max_subtasks=self.epochs)
            self._train(
                X,
                y,
                sample_weight=sample_weight,
                groups=groups,
                validation_set=validation_set,
                classes=classes,
                incremental=incremental,
                epochs=self.epochs,
                context=context,
                is_partial=False,
            )
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, starting from the current network weights.

        This method ignores `validation_fraction` and trains on all of `X`.

        Parameters
        ----------
        X : array-like
            Images, as in :meth:`fit`.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All class labels that may occur in this call or in later calls. Required in
            the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, as in :meth:`fit`.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If the first call lacks `classes`, if `y` has labels that are not in
            `classes`, or if ``early_stopping=True``.
        """
        with self._rollback_on_error():
            self._check_params()
            if self.early_stopping:
                raise ValueError(
                    "Got early_stopping=True, but partial_fit trains for one epoch "
                    "only. Set early_stopping=False, or use fit."
                )
            incremental = self.__sklearn_is_fitted__()
            if classes is not None and len(np.unique(classes)) < 2:
                raise ValueError(
                    f"Got classes={np.unique(classes).tolist()}, but expected two or "
                    "more classes."
                )
            _check_partial_fit_first_call(self, classes)
            X, y = self._check_training_data(X, y, reset=not incremental)
            if incremental:
                self._check_warm_start(y)
            self._train(
                X,
                y,
                sample_weight=sample_weight,
                groups=None,
                validation_set=None,
                classes=self.classes_,
                incremental=incremental,
                epochs=1,
                context=NullCallbackContext(),
                is_partial=True,
            )
        return self

    # Prediction

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like
            Images of the same shape as those passed to :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            Probabilities, with one column per class in the order of `classes_`, even if
            there are only two classes. Each row sums to 1.
        """
        check_is_fitted(self)
        import_tensorflow()
        X = self._check_images(X, reset=False)
        proba = self._predictor(ImageReader(X, self.image_shape_)).astype(np.float64)
        if proba.shape[1] == 1:  # a sigmoid output, the probability of classes_[1]
            return np.hstack([1 - proba, proba])
        # The rows of a float32 softmax sum to 1 only within 1e-7. Normalize them in
        # float64, because ensembles average the rows in float64, and metrics warn if
        # float64 probabilities do not sum to 1.
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Predict the most probable class of each image.

        Parameters
        ----------
        X : array-like
            Images of the same shape as those passed to :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            The predicted class labels, of the same dtype as those passed to `fit`.
        """
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def predict_log_proba(self, X):
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like
            Images of the same shape as those passed to :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            The logarithms of the probabilities. The logarithm of a probability of 0 is
            -inf.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # Support for scikit-learn, pickle and copy

    def __sklearn_clone__(self):
        # Clones share callbacks, because deep copies would also copy the objects that a
        # callback refers to, such as an Optuna study. Each fit makes its own shallow
        # copies of the callbacks.
        return clone_with_shared(self, "callbacks")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __getstate__(self):
        # Copy the state, because it may be the __dict__ of the estimator.
        state = dict(super().__getstate__())
        # The predictor holds compiled functions, so __setstate__ creates it again.
        state.pop("_predictor", None)
        network = state.pop("_network", None)
        if network is not None:
            state["model_"] = pack(network)
        return state

    def __setstate__(self, state):
        if "model_" in state:
            import_tensorflow()
            network = unpack(state["model_"])
            state = {
                **state,
                "model_": network.model,
                "_network": network,
                "_predictor": make_predictor(network),
            }
        super().__setstate__(state)
