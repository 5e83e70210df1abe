"""Adapter to scikeras that calls a builder, and compiles and checks its network.

Only this module uses scikeras, and no public signature, attribute or error message
mentions it. The adapter uses scikeras to pass arguments to builders (``meta``,
``compile_kwargs`` and routed parameters) and to compile networks. skcnn has its own
training, prediction and data checks.
"""

import inspect
import sys

import keras
import numpy as np

from .._utils._fixes import compile_arguments, is_from_keras
from ._outputs import output_activation, single_loss

_MISSING = object()
# Importing scikeras replaces these methods for the whole process. We restore them,
# because Keras 3 can pickle and copy its objects without the replacements.
_REPLACED_METHODS = [
    (keras.Model, "__reduce__"),
    (keras.Model, "__deepcopy__"),
    (keras.losses.Loss, "__reduce__"),
    (keras.metrics.Metric, "__reduce__"),
    (keras.optimizers.Optimizer, "__reduce__"),
]


def _import_scikeras():
    """Import scikeras, and undo its changes to Keras' classes.

    If the user has already imported scikeras, its changes to Keras are kept.
    """
    if "scikeras" in sys.modules:
        import scikeras.wrappers

        return scikeras
    before = [
        (cls, name, vars(cls).get(name, _MISSING)) for cls, name in _REPLACED_METHODS
    ]
    try:
        import scikeras.wrappers
    finally:
        for cls, name, value in before:
            if value is not _MISSING:
                setattr(cls, name, value)
            elif name in vars(cls):
                delattr(cls, name)
    return scikeras


_scikeras = _import_scikeras()


def _with_named_arguments_only(builder):
    """Wrap a builder so that it gets ``meta`` only if its signature contains ``meta``.

    If a builder takes ``**kwargs``, scikeras passes all available arguments to it. Such
    a builder often passes them on to layers, which would reject them.
    """
    signature = inspect.signature(builder)

    def build(**given):
        return builder(**{k: v for k, v in given.items() if k in signature.parameters})

    # scikeras reads only the signature. Do not use functools.wraps: it gives the user's
    # partial a `__dict__`, which changes how the partial is pickled.
    build.__signature__ = signature
    return build


class _Adapter(_scikeras.wrappers.KerasClassifier):
    """scikeras' classifier, reduced to building and compiling one network.

    It overrides ``_check_model_param`` and calls ``_build_keras_model`` and
    ``_ensure_compiled_model``. These methods are private, so pyproject.toml pins
    scikeras to 0.13.
    """

    def _check_model_param(self):
        # scikeras accepts only functions, partials and built Keras models. We accept
        # any callable except a model, which would keep its weights from fit to fit.
        # CNNClassifier has already checked the builder.
        return _with_named_arguments_only(self.model)

    def compiled_model(self, meta, label_smoothing):
        """Call the builder, and compile the network unless the builder did."""
        vars(self).update(meta)  # scikeras passes these attributes as `meta`
        # With a random state, scikeras would switch TensorFlow's op determinism on and
        # off for the whole process. The caller seeds the builder instead.
        self._random_state = None
        model = self._build_keras_model()
        if not isinstance(model, keras.Model):
            is_legacy = type(model).__module__.startswith("tf_keras")
            hint = " Import keras instead of tf.keras in the builder."
            raise TypeError(
                f"The builder model={self.model!r} returned {type(model).__name__}, "
                f"but expected a keras.Model.{hint if is_legacy else ''}"
            )
        check_single_output(model)
        if not model.built:
            model.build((None, *meta["image_shape_"]))
        if not is_from_keras(model):
            # A subclass of keras.Model may create its variables when first called.
            model(np.zeros((1, *meta["image_shape_"]), np.float32), training=False)
        self.loss = default_loss(model, label_smoothing)
        if model.compiled and model.loss is None:
            # The builder has compiled the model with `compile_kwargs`. As in scikeras,
            # these contain no loss, because the loss depends on the model's outputs.
            # Replace only the loss.
            arguments = compile_arguments(model) or {"optimizer": model.optimizer}
            model.compile(**arguments | {"loss": self.loss})
        self.model_ = model
        try:
            self._ensure_compiled_model()
        finally:
            del self.model_
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        return model


def default_loss(model, label_smoothing):
    """Return the loss to use by default for the outputs of a network."""
    if getattr(model, "output_shape", (None,))[-1] == 1:
        return "binary_crossentropy"
    if label_smoothing:
        return keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    return "sparse_categorical_crossentropy"


def build_model(builder, meta, *, optimizer, label_smoothing=0.0):
    """Build and compile the network of one fit.

    Parameters
    ----------
    builder : callable
        Function that returns a `keras.Model`, compiled or not. It is called with
        ``meta`` and ``compile_kwargs`` if its signature names them.
    meta : dict
        Properties of the training data: ``image_shape_``, ``n_classes_``,
        ``classes_``, and, for builders written for scikeras, ``X_shape_``,
        ``X_dtype_``, ``n_features_in_``, ``target_type_``, ``n_outputs_expected_``.
    optimizer : keras.optimizers.Optimizer
        The optimizer to use unless the builder sets its own.
    label_smoothing : float
        Label smoothing of the loss, unless the builder sets a loss.

    Returns
    -------
    keras.Model
        The built and compiled network.
    """
    adapter = _Adapter(builder, optimizer=optimizer, metrics=["accuracy"])
    return adapter.compiled_model(meta, label_smoothing)


def check_single_output(model):
    """Raise a ValueError if a network has several inputs or outputs."""
    for name in ("inputs", "outputs"):
        tensors = getattr(model, name, None)
        if isinstance(tensors, (list, tuple)) and len(tensors) > 1:
            raise ValueError(
                f"The network built by model= has {len(tensors)} {name}, but expected "
                "one. For several labels for each image, train one classifier for each "
                "label, with sklearn.multioutput.MultiOutputClassifier."
            )


def _loss_name(model):
    loss = single_loss(model)
    name = loss if isinstance(loss, str) else getattr(loss, "name", None)
    if name is None:
        name = getattr(loss, "__name__", type(loss).__name__)
    return str(name).lower()


def check_network(model, images, n_classes):
    """Raise a ValueError if a network does not fit the images and `n_classes`."""
    check_single_output(model)
    image_shape = images.shape
    taken = getattr(model, "input_shape", None)
    if taken is None and type(model) is not keras.Sequential:
        raise ValueError(
            f"The builder passed as model= returned {type(model).__name__}, a network "
            "whose input and output shapes are not known, but expected "
            "keras.Sequential, or keras.Model(inputs, outputs)."
        )
    fits = (
        isinstance(taken, tuple)
        and len(taken) == 4
        and all(t in (None, s) for t, s in zip(taken[1:], image_shape, strict=True))
    )
    if not fits:
        raise ValueError(
            f"The network built by model= takes input of shape {taken}, but the images "
            f"are {image_shape}: start it with keras.Input(meta['image_shape_']), "
            "where `meta` is an argument of the builder."
        )
    given = getattr(model, "output_shape", None)
    expected = [(None, n_classes)] + ([(None, 1)] if n_classes == 2 else [])
    if given not in expected:
        raise ValueError(
            f"The network built by model= has outputs of shape {given}, but y has "
            f"{n_classes} classes: end it with Dense(meta['n_classes_'], "
            "activation='softmax'), where `meta` is an argument of the builder."
        )
    if given[-1] == 1 and "categorical" in _loss_name(model):
        raise ValueError(
            f"The network built by model= has one output, but the loss {model.loss!r} "
            "needs one for each class: compile it with loss='binary_crossentropy', or "
            "end it with Dense(meta['n_classes_'], activation='softmax')."
        )
    if output_activation(model) is None and not _gives_probabilities(model, images):
        right = "sigmoid" if given[-1] == 1 else "softmax"
        raise ValueError(
            "The network built by model= has outputs that are not probabilities. Give "
            f"the last layer activation={right!r}, or leave its activation out and "
            "compile the network with a loss that has from_logits=True."
        )


def _gives_probabilities(model, images):
    """Return whether all outputs are in [0, 1] and, if there are several, sum to 1."""
    several = model.output_shape[-1] > 1
    last = model.layers[-1]
    while isinstance(last, keras.Model):
        last = last.layers[-1]
    activation = getattr(last, "activation", None)
    if isinstance(last, keras.layers.Softmax):
        return several
    if activation is not None and is_from_keras(activation):
        right = keras.activations.softmax if several else keras.activations.sigmoid
        return activation is right
    # For a user-defined last layer or activation, check the outputs for a few images.
    some = images.take(np.arange(min(8, len(images)))).astype(np.float32)
    outputs = keras.ops.convert_to_numpy(model(some, training=False))
    outputs = outputs.astype(np.float64)
    if not np.isfinite(outputs).all():
        return True
    inside = np.all((outputs >= 0) & (outputs <= 1))
    return inside and (not several or np.allclose(outputs.sum(axis=1), 1, atol=0.02))


def target_encoder(model, n_classes):
    """Return a function that converts class indices to targets for the loss.

    In scikeras, the loss must also be passed as a parameter if the builder compiles the
    network with it. This function uses the loss of the compiled network instead.
    """
    if model.output_shape[-1] == 1:
        return lambda y_encoded: y_encoded.astype(np.float32).reshape(-1, 1)
    if _takes_class_indices(model, n_classes):
        return lambda y_encoded: y_encoded.astype(np.int32)
    # Targets are encoded one chunk at a time, because one-hot rows of many classes take
    # more memory than the images.
    return np.eye(n_classes, dtype=np.float32).__getitem__


def _takes_class_indices(model, n_classes):
    """Return whether the loss expects class indices rather than one-hot rows.

    For Keras' own losses, the name decides. A user-defined loss is tried with both
    kinds of targets. With the kind that it expects, such a loss is lower for outputs
    that favor the right class than for outputs that favor a wrong class. If this holds
    for both kinds or for neither, the name decides.
    """
    loss = single_loss(model)
    by_name = "sparse" in _loss_name(model)
    if isinstance(loss, str) or is_from_keras(loss) or not callable(loss):
        return by_name
    with_indices, with_one_hot = (
        _prefers_right_class(model, loss, encode, n_classes)
        for encode in (_as_indices, np.eye(n_classes, dtype=np.float32).__getitem__)
    )
    return with_indices if with_indices != with_one_hot else by_name


def _as_indices(y_encoded):
    return y_encoded.astype(np.int32)


def _prefers_right_class(model, loss, encode, n_classes):
    """Return whether a loss is lower for outputs that favor the right class.

    Targets are encoded by `encode`. Up to five classes are tried, each with confident
    outputs for the class itself and for a different class.
    """
    is_logits = output_activation(model) is not None
    high, low = (4.0, -4.0) if is_logits else (0.9, 0.1 / (n_classes - 1))
    outputs = np.full((n_classes, n_classes), low, np.float32)
    np.fill_diagonal(outputs, high)

    def mean_loss(target, predicted):
        targets = encode(np.array([target, target]))
        value = loss(*map(keras.ops.convert_to_tensor, (targets, outputs[predicted])))
        return float(keras.ops.mean(value))

    try:
        return all(
            mean_loss(k, [k, k]) < mean_loss(k, [(k + 1) % n_classes] * 2)
            for k in np.unique(np.linspace(0, n_classes - 1, 5, dtype=int))
        )
    except Exception:  # the loss does not accept these targets
        return False
