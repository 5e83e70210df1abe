"""A Keras network as plain data, and back."""

import types

import numpy as np

from ._seeding import seeded_build


def variables(model):
    """All that training changes: weights, states of dropout, optimizer."""
    return [*model.variables, *model.optimizer.variables]


def shapes(model):
    """Shape and dtype of each of :func:`variables`."""
    return [
        (tuple(v.shape), np.dtype(v.value.dtype.as_numpy_dtype))
        for v in variables(model)
    ]


def values(model):
    """The values of :func:`variables`, as arrays."""
    return [v.value.numpy() for v in variables(model)]


def snapshot(model):
    """The values of :func:`variables`, as tensors.

    They share their memory with the variables until those change: what is not trained
    on is not copied.
    """
    return [v.value.read_value() for v in variables(model)]


def assign(model, arrays):
    """Set what :func:`values` or :func:`snapshot` has returned."""
    for variable, array in zip(variables(model), arrays, strict=True):
        variable.assign(array)


def pack(model):
    """Configuration and values of a built and compiled network, ready to pickle.

    Keras pickles a network by the file that ``Model.save`` writes, which leaves out
    the states of dropout layers: a copy would not go on training like its original.
    """
    from keras.saving import serialize_keras_object

    config = serialize_keras_object(model)
    return {
        "config": config,
        "custom_objects": _custom_objects(model, config),
        "excluded_from_decay": excluded_from_decay(model),
        "values": values(model),
    }


def unpack(packed):
    """The network that :func:`pack` was given."""
    from keras import config
    from keras.saving import deserialize_keras_object

    # Layers that have no seed of their own draw one from Python's generator.
    with seeded_build(np.random.SeedSequence(0), config.dtype_policy()):
        model = deserialize_keras_object(
            packed["config"], packed["custom_objects"], safe_mode=False
        )
    exclude_from_decay(model, packed["excluded_from_decay"])
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    assign(model, packed["values"])
    return model


def _custom_objects(model, config):
    """Classes and functions of a user's that `config` names, by these names.

    Keras itself finds those that were registered with it.
    """
    names = set(_custom_names(config))
    if not names:
        return {}
    from keras import KerasTensor, Variable
    from keras.saving import get_registered_name, get_registered_object

    found, seen = {}, set()
    left = [model, model._compile_config.config]
    while left:
        part = left.pop()
        if id(part) in seen or isinstance(part, (KerasTensor, Variable)):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            left.extend(part.values())
            continue
        if isinstance(part, (list, tuple, set)):
            left.extend(part)
            continue
        is_code = isinstance(part, (type, types.FunctionType))
        code = part if is_code else type(part)
        of_keras = code.__module__.partition(".")[0] == "keras"
        name = get_registered_name(code)
        is_named = not of_keras and name in names
        if is_named and get_registered_object(name) is not code:
            found[name] = code
        if not is_code and (is_named or of_keras):
            left.extend(getattr(part, "__dict__", {}).values())
    return found


def _custom_names(config):
    if isinstance(config, (list, tuple)):
        for part in config:
            yield from _custom_names(part)
    elif isinstance(config, dict):
        if config.get("class_name") == "function":
            yield config["config"]
        elif config.get("registered_name"):  # what is of Keras has none
            yield config["registered_name"]
        for part in config.values():
            yield from _custom_names(part)


def excluded_from_decay(model):
    """Which of a network's weights its optimizer does not decay, by their places.

    No configuration of an optimizer tells.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    decays = getattr(optimizer, "_use_weight_decay", lambda variable: True)
    return [i for i, v in enumerate(model.trainable_variables) if not decays(v)]


def exclude_from_decay(model, places):
    """Set what :func:`excluded_from_decay` has returned, before the first step."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if places:
        excluded = [model.trainable_variables[i] for i in places]
        optimizer.exclude_from_weight_decay(var_list=excluded)
