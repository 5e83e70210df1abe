"""The scikit-learn classifier: parameters, fit, predict."""

import contextlib
import copy
import functools
import inspect
import os
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    type_of_target,
)
from sklearn.utils.validation import (
    check_is_fitted,
    validate_data,
)

from . import _data, _digest, _memory, _params, _saving, _train
from ._augment import as_fits_use, check_augment
from ._builder import as_units, build_cnn
from ._compat import (
    CallbackSupportMixin,
    NoContext,
    only_shows_progress,
    with_callbacks,
)
from ._seeding import SPLIT, WEIGHTS, draw_seed, fresh_names, seeded_build, stream
from ._tensorflow import import_tensorflow

_DTYPE_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
# The parameters of the built-in network; a builder passed as model= has its own.
_NETWORK = (
    "filters",
    "last_filters",
    "kernel_size",
    "stem_strides",
    "width_factor",
    "dense_units",
    "dropout",
    "last_dropout",
    "l2",
    "normalize",
    "batch_norm",
    "pooling",
)
# What training that goes on cannot change either, but for one number as the learning
# rate to another.
_TRAINED_WITH = (
    *("model", "label_smoothing", "optimizer", "learning_rate", "average"),
    "precision",
)
# What does not decide the weights after each epoch, or does so by what it is made to:
# weights of the samples, the shape of images, the seed.
_NOT_KEYED = frozenset(
    {
        *("epochs", "max_time", "memory", "verbose", "warm_start", "callbacks"),
        *("class_weight", "image_shape", "random_state"),
    }
)


class CNNClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Convolutional neural network for images, as a scikit-learn classifier.

    The built-in network is blocks of ``Conv2D -> BatchNormalization -> relu ->
    MaxPooling2D -> Dropout``, then ``GlobalAveragePooling2D -> Dense(softmax)``, with
    batch normalization of the input in front. It is trained on categorical
    cross-entropy. Images go in as they are stored, uint8 from 0 to 255 for example,
    without scaling.

    All parameters can be searched, with :class:`~sklearn.model_selection.GridSearchCV`
    and its like, those of a network builder of your own among them.

    Parameters
    ----------
    model : callable, default=None
        Builds another network than the built-in one: a function that returns a new
        `keras.Model`, compiled or not. It takes images ``(n, height, width,
        channels)`` and ends with one softmax output for each class, or with a single
        sigmoid for two classes; logits do as well if the compiled loss says
        ``from_logits=True``. A loss gets class numbers if its name has "sparse" in it,
        and one-hot rows if not. An argument named ``meta`` gets a dict of what the data
        tell: ``image_shape_``, ``n_classes_``, ``classes_``; one named
        ``compile_kwargs`` gets `optimizer`, loss and metrics for
        ``network.compile(**compile_kwargs)``. Any other argument ``<name>`` is a
        parameter of this estimator named ``model__<name>``: see :meth:`set_params`.
        The parameters `filters` to `label_smoothing` are those of the built-in network
        and cannot be set beside `model`.

    filters : array-like of int, default=(48, 96, 192, 384)
        Number of filters of the convolution in each block. An axis of the image that
        has shrunk to one pixel is not pooled any further, so small images do with
        many blocks.

    last_filters : int, default=None
        Replaces the last entry of `filters`, to tune it by itself.

    kernel_size : int, default=3
        Height and width of the convolutions, in pixels.

    stem_strides : int, default=None
        Strides of the first convolution, in pixels: above 1 makes the network coarser
        and faster. None stands for 2 on images of 32 x 32 pixels and more, and for 1
        on smaller ones.

    width_factor : float, default=1
        Multiplies all `filters`, rounded, to at least one.

    dense_units : int, array-like of int or None, default=None
        Units of the dense layers between the convolutions and the output.

    dropout : float, default=0.1
        Rate of dropout after each block but the last, in [0, 1).

    last_dropout : float, default=0.3
        Rate of dropout after the last block, in [0, 1).

    l2 : float, default=1e-4
        Factor of the L2 penalty on the kernels of all convolutions but the first.

    normalize : bool, default=True
        Whether the input is normalized by batch statistics, channel by channel.

    batch_norm : bool, default=True
        Whether there is batch normalization between each convolution and its
        activation.

    pooling : {"avg", "max"} or None, default="avg"
        What the maps of the last block are reduced to: the average or the maximum of
        each. None keeps all of their pixels, which makes the layer that follows large.

    label_smoothing : float, default=0.1
        Share of the target's probability that is spread evenly over all classes in
        the loss, in [0, 1). Losses in `history_` then do not go to zero.

    image_shape : tuple of int, default=None
        Shape ``(height, width)`` or ``(height, width, channels)`` of one image when
        `X` has flattened rows, as scalers, PCA, SMOTE or
        :class:`~sklearn.ensemble.BaggingClassifier` need them. One entry may be -1, as
        in :func:`numpy.reshape`: ``(1, -1, 1)`` takes any row as an image of one
        pixel's height.

    augment : "auto", bool, dict or keras.Layer, default="auto"
        Random changes of the images in training, and in training only. ``"auto"``
        stands for ``{"rotation": 0.03, "zoom": 0.2}``, which suits most images: nothing
        is mirrored, as digits and text must not be. True stands for
        ``{"flip": "horizontal", "rotation": 0.1, "zoom": 0.1}``: each image is mirrored
        with probability one half, turned by up to 0.1 of a full turn, and zoomed by up
        to 10 %, in or out; what comes from beyond the border is
        reflected. A dict has some of these keys; `flip` may also be ``"vertical"`` or
        ``"horizontal_and_vertical"``. A layer, or a `keras.Sequential` of layers, that
        keeps the shape of images is copied for each fit, and seeded for each epoch.

    optimizer : str, callable or keras.Optimizer, default="adam"
        Name of a Keras optimizer, a class or function that is called with
        ``learning_rate``, such as ``functools.partial(keras.optimizers.SGD,
        momentum=0.9)``, or an optimizer, which is copied for each fit and has a
        learning rate of its own.

    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule, \
            default=3e-3
        Learning rate, or a schedule over training steps: ``optimizer="sgd"`` with
        ``CosineDecay(0.1, decay_steps)`` is gradient descent with annealing.

    average : bool, default=True
        Whether the weights at the end of each epoch are averages over the last tenth,
        about, of all steps so far [1]_. Training goes on from those of the last step,
        as if there was no averaging. It does at a constant `learning_rate` what
        annealing does, without a length of training that would have to be known. No
        effect on an optimizer that has ``use_ema=True`` itself, that was passed as an
        object, or that a builder compiles with.

    batch_size : int, default=32
        Images in one step of training.

    epochs : int, default=40
        Passes over the training images. Can be the `resource` of
        :class:`~sklearn.model_selection.HalvingGridSearchCV`.

    precision : {"float32", "bfloat16"}, default="float32"
        ``"bfloat16"`` computes in 16 bits, with weights and probabilities in 32:
        faster on processors that have it.

    class_weight : dict or "balanced", default=None
        Weights of the classes in the loss, multiplied with `sample_weight`;
        ``"balanced"`` weights inversely to how often a class stands in the `y` of each
        fit. See :func:`sklearn.utils.class_weight.compute_class_weight`.

    warm_start : bool, default=False
        Whether :meth:`fit` goes on from the weights and the optimizer state of the
        last one. Two fits of 5 epochs give bit for bit what one of 10 gives (but not
        with an optimizer object of ``use_ema=True``, which puts averages in the place
        of weights for good at the end of each).

    validation_fraction : float, default=None
        Share of the images passed to :meth:`fit` that is held out, stratified by
        class, to report loss and accuracy on after each epoch. None holds out none.
        With `warm_start`, pass the same images again: among others, some are held out
        that the network was trained on before.

    early_stopping : bool, default=False
        Whether to stop when the loss on the held-out images has not fallen for
        `patience` epochs, and to go back to the weights of the best epoch. Needs
        `validation_fraction`.

    patience : int, default=5
        See `early_stopping`.

    callbacks : list of keras.callbacks.Callback, default=None
        Keras callbacks; each fit gets copies. One with hooks for batches makes
        training of a small network slower. scikit-learn's own callbacks are set with
        `set_callbacks` (scikit-learn 1.9 and newer).

    memory : None, str, path-like or joblib.Memory, default=None
        Folder in which fits are kept, as in :class:`~sklearn.pipeline.Pipeline`. The
        same fit again, with these parameters on these images by these versions, loads
        its result; one that was interrupted, even by ``kill -9``, goes on where it was;
        one with more `epochs` goes on where the shorter one ended. With the same number
        of threads, all of them give the same weights to the bit as a fit that runs
        through. Searches in several processes and on several machines can share a
        folder. Needs `random_state`, and does nothing for :meth:`partial_fit`, fits
        that `warm_start` goes on with, and with callbacks, whose doings are not known,
        but for scikit-learn's ``ProgressBar``. ``joblib.Memory(folder).clear()`` and
        ``.reduce_size(bytes_limit=..., age_limit=...)`` remove what is kept.

    max_time : float, default=None
        Seconds after which :meth:`fit` stops at the end of an epoch, with what it has
        learned by then. With `memory`, the same fit again goes on from there.

    random_state : int, RandomState instance or None, default=None
        Decides the initial weights, shuffling, dropout, augmentation and the inner
        split. With the same int, on the same machine with the same number of threads,
        a fit on the CPU gives the same weights to the bit, whatever was done before
        in the process.

    verbose : int, default=0
        0 is silent, 1 shows a progress bar for each epoch, 2 prints a line for each.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    model_ : keras.Model
        The trained network.

    history_ : dict of str to list of float
        For each epoch ``"loss"``, with the L2 penalty, and ``"accuracy"``, as averages
        over the epoch while it was trained; with `validation_fraction` also
        ``"val_loss"`` and ``"val_accuracy"``, at the end of the epoch.

    n_epochs_ : int
        Epochs trained: the length of the lists in `history_`.

    image_shape_ : tuple of int
        Height, width and channels of an image.

    n_features_in_ : int
        Values in an image: height x width x channels.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when `X` was a data frame of flattened rows.

    See Also
    --------
    underfitting_cnn, overfitting_cnn, optimized_cnn : Settings to compare with.
    sklearn.neural_network.MLPClassifier : Fully connected network.

    Notes
    -----
    `X` of uint8 stays uint8 until a batch is on the device, and a memory map is read
    piece by piece, so that images can be larger than memory.

    A step of training is that of ``keras.Model.fit``, and the same batches give the
    same weights; there is no Python between two batches.

    Ctrl-C during :meth:`fit` ends training with a `KeyboardInterrupt`; when an epoch
    or more was completed, the network is kept as it was at the end of the last, and
    :meth:`predict` works.

    A search with ``n_jobs=2`` or more gives each process its share of the processors,
    as :func:`joblib.parallel_config` sets it. Sums of floating-point numbers depend on
    the number of threads: for the same bits with any `n_jobs`, set
    ``inner_max_num_threads`` there. TensorFlow does not work in a process that was
    forked off one that has used it: there, an error says so.

    References
    ----------
    .. [1] Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion
       Models", CVPR 2024, section 3: averages by a power function.
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
        "optimizer": "no_validation",  # Keras has not been imported yet
        "learning_rate": [Interval(Real, 0, None, closed="neither"), callable],
        "average": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "precision": [StrOptions(set(_DTYPE_POLICY))],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "warm_start": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "early_stopping": ["boolean"],
        "patience": [Interval(Integral, 1, None, closed="left")],
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
        self.callbacks = callbacks
        self.memory = memory
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    # Called after each epoch, with the classifier as it is then: for epoch_curve.
    _after_epoch = None

    # Parameters, with those of a user's builder

    def get_params(self, deep=True):
        """Get parameters for this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the builder passed as `model`, as
            ``model__<name>``, where they have a value.

        Returns
        -------
        dict of str to object
        """
        params = super().get_params(deep=deep)
        if deep:
            values, _ = _params.builder_parameters(self.model)
            params |= {
                f"model__{name}": value
                for name, value in values.items()
                if value is not _params.NO_VALUE
            }
        return params

    def set_params(self, **params):
        """Set parameters of this estimator.

        ``model__<name>`` sets the parameter ``<name>`` of the builder passed as
        `model`: `model` becomes a `functools.partial` of it.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is no such parameter; a near name is suggested.
        """
        own = {k: v for k, v in params.items() if not k.startswith("model__")}
        known = self._get_param_names()
        for name in own:
            if name not in known:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator "
                    f"{type(self).__name__}.{_params.did_you_mean(name, known)} Valid "
                    f"parameters are: {known}; those of a builder passed as model= are "
                    "named model__<parameter>."
                )
        of_builder = {
            k.removeprefix("model__"): v for k, v in params.items() if k not in own
        }
        if of_builder:  # before anything is set: all of the parameters or none
            model = own.get("model", self.model)
            own["model"] = _params.bind_builder(model, **of_builder)
        return super().set_params(**own)

    def _check_params(self):
        """Refuse parameters that cannot be used, before any time is spent."""
        self._validate_params()
        _params.check_sizes("filters", self.filters)
        _params.check_sizes("dense_units", as_units(self.dense_units) or (1,))
        _params.check_image_shape(self.image_shape)
        if self.early_stopping and self.validation_fraction is None:
            raise ValueError(
                "Got early_stopping=True and validation_fraction=None, but early "
                "stopping watches the loss on held-out images. Set, for example, "
                "validation_fraction=0.1."
            )
        import_tensorflow()
        _params.check_builder(self.model)
        _params.check_layer(check_augment(self.augment))
        _params.check_learning_rate(self.learning_rate)
        _params.copy_callbacks(self.callbacks)
        _params.make_optimizer(self.optimizer, self.learning_rate, self.average)
        without_effect = []
        if self.model is not None:
            without_effect = self._not_default(*_NETWORK, "label_smoothing")
            reason = "model= builds the network, with parameters of its own"
        elif not isinstance(self.optimizer, str) and not callable(self.optimizer):
            without_effect = self._not_default("learning_rate")
            reason = "the optimizer object has a learning rate of its own"
        if without_effect:
            raise ValueError(
                f"Got {', '.join(f'{k}={v!r}' for k, v in without_effect.items())}, "
                f"which would have no effect: {reason}. Leave "
                f"{', '.join(without_effect)} at the default."
            )

    def _not_default(self, *names):
        """Those of the named parameters that are not at their default."""
        # A subclass may have other defaults, or set parameters by itself.
        signature = {
            **inspect.signature(CNNClassifier.__init__).parameters,
            **inspect.signature(type(self).__init__).parameters,
        }
        values = {name: getattr(self, name) for name in names}
        return {
            name: value
            for name, value in values.items()
            if not _params.same_value(value, signature[name].default)
        }

    # Data

    def _check_images(self, X, *, reset):
        """X as an array, neither copied nor converted where it can be used as it is.

        Sets, or compares with, `n_features_in_`, `feature_names_in_` and
        `image_shape_`.
        """
        X = _data.as_images(X)
        ndim = getattr(X, "ndim", None)
        if ndim is None or ndim <= 2:
            # Rows: scikit-learn's own checks, names of columns among them.
            X = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=True)
        else:
            X = check_array(
                X,
                dtype="numeric",
                allow_nd=True,
                estimator=self,
                input_name="X",
            )
            if reset:
                vars(self).pop("feature_names_in_", None)
        shape = _data.image_shape_of(X, _params.check_image_shape(self.image_shape))
        if reset:
            self.image_shape_ = shape
            self.n_features_in_ = int(np.prod(shape))
        elif shape != self.image_shape_:
            raise ValueError(
                f"X has images of shape {shape} (height, width, channels), but "
                f"{type(self).__name__} was fitted with images of shape "
                f"{self.image_shape_}. Load them with image_size="
                f"{self.image_shape_[:2]}; a single image is passed as X[np.newaxis]."
            )
        return X

    def _check_training_data(self, X, y, *, reset):
        """X and y as arrays of one length, y of class labels."""
        X = self._check_images(X, reset=reset)
        return X, _data.check_labels(y, X, type(self).__name__)

    # Training

    @with_callbacks
    def fit(self, X, y, sample_weight=None):
        """Train a new network, or go on training with ``warm_start=True``.

        Parameters
        ----------
        X : array-like of shape (n_samples, height, width, channels), \
                (n_samples, height, width) or (n_samples, n_features)
            Images, as integers or floats; flattened ones with `image_shape` set. An
            array of uint8 and a memory map are read as they are, never copied whole.
        y : array-like of shape (n_samples,)
            Class labels: integers, strings or booleans, of two classes or more.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the samples in the loss. A sample of weight zero
            is left out.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError, TypeError
            For parameters or data that cannot be used, before training starts, and
            for a loss that is not finite. The estimator is then as it was before.
        """
        with self._as_before_on_failure():
            self._check_params()
            continued = self.warm_start and self.__sklearn_is_fitted__()
            X, y = self._check_training_data(X, y, reset=not continued)
            classes = np.unique(y)
            if continued:
                classes = self._check_continued(y, classes)
            if len(classes) < 2:
                raise ValueError(
                    f"y has one class only, {classes.tolist()}, but expected two or "
                    "more classes: there is nothing to tell apart."
                )
            context = self._init_callback_context(max_subtasks=self.epochs)
            self._train(X, y, sample_weight, classes, continued, self.epochs, context)
        return self

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for one epoch, from the weights that there are.

        All of `X` is trained on: `validation_fraction` is for :meth:`fit`.

        Parameters
        ----------
        X : array-like
            As in :meth:`fit`.
        y : array-like of shape (n_samples,)
            Class labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that this call and later ones may bring. Required in the first
            call.
        sample_weight : array-like of shape (n_samples,), default=None
            As in :meth:`fit`.

        Returns
        -------
        self : CNNClassifier

        Raises
        ------
        ValueError
            If the first call has no `classes`, `y` has labels that are not among
            them, or with ``early_stopping=True``.
        """
        with self._as_before_on_failure():
            self._check_params()
            if self.early_stopping:
                raise ValueError(
                    "Got early_stopping=True, but partial_fit trains for one epoch and "
                    "has nothing to stop early. Set early_stopping=False, or use fit."
                )
            continued = self.__sklearn_is_fitted__()
            if classes is not None and len(np.unique(classes)) < 2:
                raise ValueError(
                    f"Got classes={np.unique(classes).tolist()}, but expected two or "
                    "more classes: there is nothing to tell apart."
                )
            _check_partial_fit_first_call(self, classes)
            X, y = self._check_training_data(X, y, reset=not continued)
            if continued:
                self._check_continued(y, np.unique(y))
            self._train(
                X, y, sample_weight, self.classes_, continued, 1, NoContext(), False
            )
        return self

    def _check_continued(self, y, classes):
        """Refuse to go on training a network that does not fit any more."""
        if self._compiled_by_builder:
            self._check_compiled_by_builder()
        changed = [
            name
            for name, value in self._built_with.items()
            if not _params.same_value(value, getattr(self, name))
            and not (name == "learning_rate" and self._follows_learning_rate())
        ]
        if changed:
            raise ValueError(
                f"The parameters {', '.join(changed)} have changed since the network "
                "was built, which training on cannot follow. Set them back, or train "
                "a new network with fit and warm_start=False."
            )
        _data.encode_labels(y, self.classes_)
        return self.classes_

    @contextlib.contextmanager
    def _as_before_on_failure(self):
        """Leave the estimator as it was when training fails.

        When training is interrupted after an epoch or more, what was learned stays.
        """
        before = self._learned()
        model = before.get("model_")
        values = None if model is None else _saving.snapshot(model)
        try:
            yield
        except BaseException as error:
            kept = isinstance(error, KeyboardInterrupt) and getattr(
                self, "_interrupted", False
            )
            if not kept:
                for name in self._learned():
                    delattr(self, name)
                vars(self).update(before)
                if model is not None:
                    _saving.assign(model, values)
            raise
        finally:
            vars(self).pop("_interrupted", None)

    def _learned(self):
        """Attributes that training sets."""
        private = ("_built_with", "_compiled_by_builder", "_predictor", "_seed")
        return {
            name: value
            for name, value in vars(self).items()
            if name in private or (name.endswith("_") and not name.startswith("_"))
        }

    def _build(self, seed, classes, images, y):
        """The network of a fit, and whether its builder has compiled it by itself."""
        from . import _scikeras

        policy = _DTYPE_POLICY[self.precision]
        sequence = stream(seed, WEIGHTS)
        if self.model is None:
            network = {name: getattr(self, name) for name in _NETWORK}
            builder = functools.partial(
                build_cnn, **network, dtype=policy, seed=sequence
            )
            context = fresh_names()
        else:
            builder = self.model
            context = seeded_build(sequence, policy)
        meta = {
            "image_shape_": self.image_shape_,
            "n_classes_": len(classes),
            "classes_": classes,
            # The names that builders written for scikeras know.
            "X_shape_": (len(images), *self.image_shape_),
            "X_dtype_": images.array.dtype,
            "n_features_in_": self.n_features_in_,
            "n_outputs_": 1,
            "n_outputs_expected_": 1,
            "target_type_": type_of_target(y),
        }
        optimizer = _params.make_optimizer(
            self.optimizer, self.learning_rate, self.average
        )
        smoothing = float(self.label_smoothing) if self.model is None else 0.0
        with context:
            model = _scikeras.build_model(
                builder, meta, optimizer=optimizer, label_smoothing=smoothing
            )
        _scikeras.check_network(model, images, len(classes))
        compiled_by_builder = model.optimizer is not optimizer
        if compiled_by_builder:
            self._check_compiled_by_builder()
        return model, compiled_by_builder

    def _check_compiled_by_builder(self):
        """Refuse settings of an optimizer that the builder does not use."""
        without_effect = self._not_default("optimizer", "learning_rate")
        if without_effect:
            raise ValueError(
                f"Got {', '.join(f'{k}={v!r}' for k, v in without_effect.items())}, "
                "but the builder passed as model= compiles its network with an "
                "optimizer of its own. Let it return the network uncompiled, or give "
                "it an argument `compile_kwargs` and call "
                "network.compile(**compile_kwargs)."
            )

    def _train(
        self,
        X,
        y,
        sample_weight,
        classes,
        continued,
        epochs,
        context,
        validate=True,
    ):
        """Train on checked data, and set what was learned."""
        from . import _scikeras

        codes = _data.encode_labels(y, classes)
        weight = _data.check_weights(sample_weight, self.class_weight, X, y, classes)
        # A weight of zero is the same as not being there: no rounding of batch
        # statistics, no time spent.
        rows = np.arange(len(X)) if weight is None else np.flatnonzero(weight)
        if not len(rows):
            raise ValueError(
                "No sample has a positive weight, by sample_weight and class_weight, "
                "but expected at least one that has."
            )
        if validate and len(np.unique(codes[rows])) < 2:
            raise ValueError(
                "All samples with a positive weight are of one class, but expected "
                "samples of two or more classes."
            )
        seed = self._seed if continued else draw_seed(self.random_state)
        validation_rows = None
        if validate and self.validation_fraction is not None:
            rows, validation_rows = _data.split_rows(
                rows, codes, self.validation_fraction, stream(seed, SPLIT)
            )
        images = _train.Images(X, self.image_shape_)
        if continued:
            model, compiled_by_builder = self.model_, self._compiled_by_builder
            history = {name: list(values) for name, values in self.history_.items()}
            if self._follows_learning_rate():
                model.optimizer.learning_rate = float(self.learning_rate)
        else:
            model, compiled_by_builder = self._build(seed, classes, images, y)
            history = {}
            _train.reseed_layers(model, seed)
        encode = _scikeras.target_encoding(model, len(classes))
        trainer = _train.Trainer(
            model,
            batch_size=int(self.batch_size),
            weighted=weight is not None,
            seed=seed,
            augment=check_augment(self.augment),
            image_shape=self.image_shape_,
        )

        def data(rows):
            return _train.Batches(images, codes, encode, weight, rows)

        def learned():
            return {
                "classes_": classes,
                "model_": model,
                "history_": history,
                "n_epochs_": len(history["loss"]),
                "_compiled_by_builder": compiled_by_builder,
                "_seed": seed,
                "_built_with": {
                    name: getattr(self, name) for name in (*_NETWORK, *_TRAINED_WITH)
                },
                "_predictor": predictor,
            }

        predictor = _train.Predictor(model)
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        task = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        context.call_on_fit_task_begin(**task)
        epoch_context = None

        def on_epoch_begin():
            nonlocal epoch_context
            epoch_context = context.subcontext(task_name="epoch")
            epoch_context.call_on_fit_task_begin(**task)

        def on_epoch_end():
            if self._after_epoch is not None:
                fitted = copy.copy(self)
                vars(fitted).update(learned())
                self._after_epoch(fitted)
            return epoch_context.call_on_fit_task_end(
                **task, reconstruction_attributes=learned
            )

        first_epoch = len(history.get("loss", ()))
        kept = _memory.NOTHING
        if validate and not continued:
            kept = self._kept(model, seed, X, codes, classes, weight)
        try:
            with kept:
                _train.train(
                    trainer,
                    data(rows),
                    None if validation_rows is None else data(validation_rows),
                    epochs=int(epochs),
                    first_epoch=first_epoch,
                    callbacks=_params.copy_callbacks(self.callbacks),
                    patience=self.patience if self.early_stopping else None,
                    verbose=int(self.verbose),
                    on_epoch_begin=on_epoch_begin,
                    on_epoch_end=on_epoch_end,
                    max_time=self.max_time if validate else None,
                    kept=kept,
                    history=history,
                )
        except KeyboardInterrupt:
            completed = len(history.get("loss", ())) - first_epoch
            if completed:
                vars(self).update(learned())
                self._interrupted = True
                # Where warnings are errors, Ctrl-C is Ctrl-C all the same.
                with contextlib.suppress(ConvergenceWarning):
                    warnings.warn(
                        f"Training was interrupted after {completed} of {epochs} "
                        "epochs. What was learned until then is kept, and predict "
                        "works.",
                        ConvergenceWarning,
                        stacklevel=3,
                    )
            raise
        vars(self).update(learned())
        context.call_on_fit_task_end(**task, reconstruction_attributes=learned)

    def _kept(self, model, seed, X, codes, classes, weight):
        """What `memory` knows of a training, and where it is to be kept."""
        if self.memory is None:
            return _memory.NOTHING
        try:
            if self.random_state is None:
                raise _digest.NotTold("without random_state no fit is like another")
            if self.callbacks or not only_shows_progress(self):
                raise _digest.NotTold("it is not known what the callbacks do")
            folder = _memory.location(self.memory)
            if folder is None:
                return _memory.NOTHING
            key = _digest.digest(
                _digest.versions(),
                type(self),
                self._keyed_params(),
                seed,
                (self.image_shape_, X),
                (classes, codes, weight),
                # What has built it may have known more than can be told.
                _saving.values(model),
            )
        except (_digest.NotTold, OSError) as error:
            warnings.warn(
                f"memory={self.memory!r} keeps nothing of this fit: {error}.",
                stacklevel=4,
            )
            return _memory.NOTHING
        return _memory.Kept(folder, key, int(self.epochs), _saving.shapes(model))

    def _keyed_params(self):
        """The parameters that decide the weights after each epoch."""
        params = {
            name: getattr(self, name)
            for name in self._get_param_names()
            if name not in _NOT_KEYED
        }
        if not self.early_stopping:
            del params["early_stopping"], params["patience"]
        if hasattr(self.augment, "get_config"):
            params["augment"] = as_fits_use(self.augment)
        return params

    def _follows_learning_rate(self):
        """Whether the learning rate has gone from one number to another."""
        rates = (self._built_with["learning_rate"], self.learning_rate)
        if not all(isinstance(rate, Real) for rate in rates) or rates[0] == rates[1]:
            return False
        # Made of it may be a schedule, by a function passed as optimizer.
        return isinstance(
            self.model_.optimizer.get_config().get("learning_rate"), float
        )

    # Prediction

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : array-like
            Images of the shape that `fit` was given; see :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), dtype float64
            In the order of `classes_`, also for two classes. Rows sum to 1.
        """
        check_is_fitted(self)
        import_tensorflow()
        X = self._check_images(X, reset=False)
        proba = self._predictor(_train.Images(X, self.image_shape_)).astype(np.float64)
        if proba.shape[1] == 1:  # one sigmoid: the probability of classes_[1]
            return np.hstack([1 - proba, proba])
        # A softmax in float32 sums to 1 within 1e-7. Ensembles add it up in float64,
        # and metrics warn of sums that are not 1 in that.
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        """The most probable class of each image.

        Parameters
        ----------
        X : array-like
            Images of the shape that `fit` was given; see :meth:`fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, of the dtype of those that `fit` was given.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    # What scikit-learn, pickle and copy ask

    def __sklearn_is_fitted__(self):
        return hasattr(self, "model_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Rows with image_shape, (n, h, w), and (n, h, w, c), which has no tag.
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self):
        state = dict(super().__getstate__())  # what comes may be __dict__ itself
        state.pop("_predictor", None)  # a compiled function; made again when needed
        if "model_" in state:
            state["model_"] = _saving.pack(state["model_"])
        return state

    def __setstate__(self, state):
        if "model_" in state:
            import_tensorflow()
            model = _saving.unpack(state["model_"])
            state = {**state, "model_": model, "_predictor": _train.Predictor(model)}
        super().__setstate__(state)
