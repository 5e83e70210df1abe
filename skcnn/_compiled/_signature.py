"""Graph signatures, which determine whether networks can share a graph.

Two networks have the same signature if the same operations train them. They may differ
in the values of their variables, including the learning rate, and in numbers that
graphs take as inputs. These are the rates of dropout layers, the scale and offset of
each channel in a rescaling, and the factors of L2 penalties. The signature is the
configuration of the network, loss and optimizer, without names, seeds, initial values
and these numbers.

A configuration determines the operations only if it refers to no code but Keras' own. A
network with a user-defined layer, loss or metric therefore has no signature, and its
graph is not shared.
"""

import json

import keras

from .._network._config import without_names
from .._utils._fixes import compile_arguments, is_from_keras, weight_decay_exclusions
from ._template import get_scalars, is_active_dropout

# Layers whose operations depend only on their configuration. `Normalization` is not
# among them, because its operations contain constants that `adapt` computes.
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
        keras.layers.Resizing,
        keras.layers.SeparableConv2D,
        keras.layers.Softmax,
        keras.layers.SpatialDropout2D,
        keras.layers.Subtract,
        keras.layers.UpSampling2D,
        keras.layers.ZeroPadding2D,
    }
)


class UnsupportedModelError(Exception):
    """Raised if the configuration of a network does not determine its graph."""


def graph_signature(network):
    """Return everything that determines the graphs of a network, as text.

    Parameters
    ----------
    network : TrainableNetwork

    Returns
    -------
    str or None
        None if the configuration does not determine the graphs. This is the case for
        subclasses of `keras.Model` and for user-defined layers, losses and metrics.
    """
    try:
        return _signature(network)
    except (
        UnsupportedModelError,
        AttributeError,
        KeyError,
        NotImplementedError,
        TypeError,
        ValueError,
    ):
        return None


def _signature(network):
    model = network.model
    is_plain = type(model).__module__.startswith("keras.")
    if not is_plain or not all(map(_is_builtin_layer, model.layers)):
        raise UnsupportedModelError
    compiled, loss = compile_arguments(model), model.loss
    if compiled is None or not (
        is_from_keras(model.optimizer)
        and (isinstance(loss, str) or is_from_keras(loss))
        and compiled["metrics"] in (None, [], ["accuracy"])
        and not compiled["weighted_metrics"]
        and not compiled["loss_weights"]
    ):
        raise UnsupportedModelError
    if not isinstance(loss, str):
        loss = getattr(loss, "__name__", None) or keras.losses.serialize(loss)
    config = model.get_config()
    if not _has_only_layers(config):
        raise UnsupportedModelError
    optimizer = dict(keras.optimizers.serialize(model.optimizer)["config"])
    if (
        "learning_rate" not in optimizer  # wraps another optimizer
        or optimizer.get("loss_scale_factor")
        or optimizer.get("gradient_accumulation_steps")
        or any(weight_decay_exclusions(model.optimizer))
    ):
        raise UnsupportedModelError
    del optimizer["name"]
    if isinstance(optimizer["learning_rate"], float):
        # Graphs read a fixed learning rate from a variable, so they do not depend on
        # its value. A schedule is part of the graph.
        del optimizer["learning_rate"]
    scalars = []
    parts = [
        without_names(config),
        loss,
        type(model.optimizer).__name__,
        optimizer,
        network.averages is not None,
        network.keras_config,
    ]
    signature = json.dumps(_without_values(parts, scalars))
    if len(scalars) != len(get_scalars(model)):
        raise UnsupportedModelError  # for example, a penalty on activations
    return signature


def _has_only_layers(config):
    """Return whether a network has no operations between layers, such as ``x + y``."""
    return all(
        _has_only_layers(layer["config"])
        if "layers" in layer["config"]
        else layer["module"] == "keras.layers"
        for layer in config["layers"]
    )


def _is_builtin_layer(layer):
    if isinstance(layer, keras.Model):  # a network that is a layer of another network
        return is_from_keras(type(layer)) and all(map(_is_builtin_layer, layer.layers))
    activation = getattr(layer, "activation", None)
    # Reject layers with a lambda, for example as an initializer, because Keras issues a
    # warning when it serializes a lambda.
    has_lambda = any(
        getattr(value, "__name__", None) == "<lambda>" for value in vars(layer).values()
    )
    is_known = activation is None or is_from_keras(activation)
    return type(layer) in _LAYERS and is_known and not has_lambda


def _without_values(config, scalars):
    """Return `config` without seeds, initial values and scalar inputs of graphs.

    The scalar inputs, which :func:`~skcnn._compiled._template.get_scalars` lists, are
    appended to `scalars`.
    """
    if isinstance(config, (list, tuple)):
        return [_without_values(item, scalars) for item in config]
    if not isinstance(config, dict):
        return config
    kind, module = config.get("class_name"), config.get("module")
    if module is not None and module.partition(".")[0] != "keras":
        raise UnsupportedModelError
    if module is None and config.get("registered_name"):  # a class without a module
        raise UnsupportedModelError
    if kind == "L2" or (kind == "Dropout" and is_active_dropout(config["config"])):
        key = "l2" if kind == "L2" else "rate"
        scalars.append(config["config"][key])
        config = config | {"config": {**config["config"], key: "scalar"}}
    if kind == "Rescaling":
        settings = dict(config["config"])
        for key in ("scale", "offset"):
            if isinstance(settings[key], list):
                scalars.extend(settings[key])
                settings[key] = f"{len(settings[key])} scalars"
        config = config | {"config": settings}
    return {
        key: _without_values(value, scalars)
        for key, value in config.items()
        if key != "seed" and not key.endswith("_initializer")
    }
