"""What networks have in common, so that they can share a graph."""

import json

import keras

from . import _twin

# Layers that compute what their configuration says: no code of a user's, and no
# constants that are learned outside of variables, as `Normalization.adapt` does.
_LAYERS = frozenset(
    {
        keras.layers.Activation,
        keras.layers.Add,
        keras.layers.Average,
        keras.layers.AveragePooling2D,
        keras.layers.BatchNormalization,
        keras.layers.Concatenate,
        keras.layers.Conv2D,
        keras.layers.Conv2DTranspose,
        keras.layers.Cropping2D,
        keras.layers.Dense,
        keras.layers.DepthwiseConv2D,
        keras.layers.Dropout,
        keras.layers.ELU,
        keras.layers.Flatten,
        keras.layers.GlobalAveragePooling2D,
        keras.layers.GlobalMaxPooling2D,
        keras.layers.GroupNormalization,
        keras.layers.InputLayer,
        keras.layers.LayerNormalization,
        keras.layers.LeakyReLU,
        keras.layers.MaxPooling2D,
        keras.layers.Maximum,
        keras.layers.Multiply,
        keras.layers.PReLU,
        keras.layers.Permute,
        keras.layers.ReLU,
        keras.layers.Rescaling,
        keras.layers.Reshape,
        keras.layers.SeparableConv2D,
        keras.layers.Softmax,
        keras.layers.SpatialDropout2D,
        keras.layers.Subtract,
        keras.layers.UpSampling2D,
        keras.layers.ZeroPadding2D,
    }
)


class NotTold(Exception):
    """A configuration does not tell all that a graph depends on."""


def structure(model):
    """What decides the graphs of a network, of its loss and its optimizer, as text.

    Networks of one structure differ in the values of their variables, the learning
    rate among them, in the rates of dropout layers, and in the factors of L2
    penalties.

    Parameters
    ----------
    model : keras.Model
        Built and compiled.

    Returns
    -------
    str or None
        None where the configuration does not tell all: for a subclass, or layers,
        losses or metrics of a user's own.
    """
    try:
        return _structure(model)
    except (
        NotTold,
        AttributeError,
        KeyError,
        NotImplementedError,
        TypeError,
        ValueError,
    ):
        return None


def _structure(model):
    plain = type(model).__module__.startswith("keras.")  # no subclass of a user's
    if not plain or not all(map(_computes_what_it_says, model.layers)):
        raise NotTold
    compiled, loss = compiled_with(model), model.loss
    if not (
        _is_of_keras(model.optimizer)
        and (isinstance(loss, str) or _is_of_keras(loss))
        and compiled["metrics"] in (None, [], ["accuracy"])
        and not compiled["weighted_metrics"]
        and not compiled["loss_weights"]
    ):
        raise NotTold
    if not isinstance(loss, str):
        loss = getattr(loss, "__name__", None) or keras.losses.serialize(loss)
    config = model.get_config()
    if any(layer["module"] != "keras.layers" for layer in config["layers"]):
        raise NotTold  # operations between layers
    optimizer = dict(keras.optimizers.serialize(model.optimizer)["config"])
    if (
        "learning_rate" not in optimizer  # it wraps another one
        or optimizer.get("loss_scale_factor")
        or optimizer.get("gradient_accumulation_steps")
        or getattr(model.optimizer, "_exclude_from_weight_decay_pattern", None)
        or getattr(model.optimizer, "_exclude_from_weight_decay", None)
    ):
        raise NotTold
    del optimizer["name"]
    if isinstance(optimizer["learning_rate"], float):  # a schedule is part of the graph
        del optimizer["learning_rate"]
    numbers = []
    told = json.dumps(
        _without_numbers(
            [_without_names(config), loss, type(model.optimizer).__name__, optimizer],
            numbers,
        )
    )
    if len(numbers) != len(_twin.numbers_of(model)):
        raise NotTold  # a penalty on something else than weights, for example
    return told


def _without_names(config):
    """A network's `config` with its layers numbered: automatic names count upwards.

    Only where names stand: a layer may be called as one of its settings.
    """
    layers = config["layers"]
    names = {layer["config"]["name"]: i for i, layer in enumerate(layers)}

    def numbered(part):
        if isinstance(part, (list, tuple)):
            return [numbered(item) for item in part]
        if not isinstance(part, dict):
            return part
        return {
            key: [names[value[0]], *value[1:]]
            if key == "keras_history"
            else numbered(value)
            for key, value in part.items()
        }

    def references(part):
        if isinstance(part, (list, tuple)):
            return [references(item) for item in part]
        return names.get(part, part) if isinstance(part, str) else part

    config = {key: value for key, value in config.items() if key != "name"}
    for key in ("input_layers", "output_layers"):
        if key in config:
            config[key] = references(config[key])
    config["layers"] = [
        numbered(
            {key: value for key, value in layer.items() if key != "name"}
            | {"config": {k: v for k, v in layer["config"].items() if k != "name"}}
        )
        for layer in layers
    ]
    return config


def compiled_with(model):
    """Arguments of ``compile`` as they came: to serialize what is a user's may warn."""
    try:
        return model._compile_config.config
    except AttributeError:
        raise NotTold from None


def _computes_what_it_says(layer):
    activation = getattr(layer, "activation", None)
    return type(layer) in _LAYERS and (activation is None or _is_of_keras(activation))


def _is_of_keras(thing):
    """Whether a function, or an object's class, is defined in Keras."""
    return getattr(thing, "__module__", "").partition(".")[0] == "keras"


def _without_numbers(config, numbers):
    """`config` without what graphs do not depend on; what they get as input is noted.

    Those are seeds and initial values, and the rates and factors that
    :func:`~skcnn._twin.numbers_of` lists.
    """
    if isinstance(config, (list, tuple)):
        return [_without_numbers(item, numbers) for item in config]
    if not isinstance(config, dict):
        return config
    kind, module = config.get("class_name"), config.get("module")
    if module is not None and module.partition(".")[0] != "keras":
        raise NotTold
    if module is None and config.get("registered_name"):  # a user's, of no module
        raise NotTold
    if kind == "L2" or (kind == "Dropout" and _twin.has_rate(config["config"])):
        key = "l2" if kind == "L2" else "rate"
        numbers.append(config["config"][key])
        config = config | {"config": {**config["config"], key: "a number"}}
    return {
        key: _without_numbers(value, numbers)
        for key, value in config.items()
        if key != "seed" and not key.endswith("_initializer")
    }
