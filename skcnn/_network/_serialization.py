"""A network as plain data that can be pickled, and back."""

import types

import numpy as np

from .._utils._fixes import compile_arguments, is_from_keras, is_weight_decayed
from .._utils._keras_config import keras_config
from .._utils._random import seeded_build
from ._trainable import TrainableNetwork


def pack(network):
    """Configuration and values of a network, ready to pickle.

    Keras pickles a model as the file that ``Model.save`` writes. That file lacks the
    states of dropout layers, so that a copy would not continue training like its
    original.

    Parameters
    ----------
    network : TrainableNetwork

    Returns
    -------
    dict
    """
    from keras.saving import serialize_keras_object

    config = serialize_keras_object(network.model)
    return {
        "config": config,
        "custom_objects": _custom_objects(network.model, config),
        "excluded_from_decay": _excluded_from_decay(network.model),
        "average": network.averages is not None,
        "keras_config": network.keras_config,
        "values": network.values(),
    }


def unpack(packed):
    """The TrainableNetwork that :func:`pack` was given."""
    from keras.saving import deserialize_keras_object

    # A layer without a seed draws one from Python's global generator.
    with (
        seeded_build(np.random.SeedSequence(0)),
        keras_config(packed["keras_config"]),
    ):
        model = deserialize_keras_object(
            packed["config"], packed["custom_objects"], safe_mode=False
        )
        _exclude_from_decay(model, packed["excluded_from_decay"])
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
    network = TrainableNetwork(
        model, average=packed["average"], keras_config=packed["keras_config"]
    )
    network.assign(packed["values"])
    return network


def _custom_objects(model, config):
    """The user's classes and functions that `config` names, by these names.

    Those that are registered with Keras are left out, as Keras finds them by itself.
    """
    names = set(_custom_names(config))
    if not names:
        return {}
    from keras import KerasTensor, Variable
    from keras.saving import get_registered_name, get_registered_object

    found, seen = {}, set()
    queue = [model, compile_arguments(model)]
    while queue:
        part = queue.pop()
        if id(part) in seen or isinstance(part, (KerasTensor, Variable)):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            queue.extend(part.values())
            continue
        if isinstance(part, (list, tuple, set)):
            queue.extend(part)
            continue
        is_code = isinstance(part, (type, types.FunctionType))
        code = part if is_code else type(part)
        name = get_registered_name(code)
        is_named = not is_from_keras(code) and name in names
        if is_named and get_registered_object(name) is not code:
            found[name] = code
        if not is_code and (is_named or is_from_keras(code)):
            queue.extend(getattr(part, "__dict__", {}).values())
    return found


def _custom_names(config):
    if isinstance(config, (list, tuple)):
        for part in config:
            yield from _custom_names(part)
    elif isinstance(config, dict):
        if config.get("class_name") == "function":
            yield config["config"]
        elif config.get("registered_name"):  # Keras' own objects have none
            yield config["registered_name"]
        for part in config.values():
            yield from _custom_names(part)


def _excluded_from_decay(model):
    """Positions of the weights that the optimizer does not decay.

    The configuration of an optimizer does not contain them.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return [
        i
        for i, variable in enumerate(model.trainable_variables)
        if not is_weight_decayed(optimizer, variable)
    ]


def _exclude_from_decay(model, positions):
    """Exclude weights from decay, which is possible before the first step only."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if positions:
        excluded = [model.trainable_variables[i] for i in positions]
        optimizer.exclude_from_weight_decay(var_list=excluded)
