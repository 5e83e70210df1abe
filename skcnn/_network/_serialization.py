"""Convert a network to plain data that can be pickled, and back.

Keras' configuration of a model refers to classes and functions by name. From these
names, Keras can find only its own classes and functions. User-defined ones are stored
next to the configuration, in a :class:`UserCode` object. No other part of a packed
network can run code when the network is unpacked.
"""

import contextlib
import dataclasses
import functools
import inspect
import operator
import types

import joblib
import numpy as np

from .._utils._fixes import compile_arguments, is_from_keras, is_weight_decayed
from .._utils._keras_config import keras_config
from .._utils._random import seeded_build
from .._utils._warnings import warn_user
from ._trainable import FineTuning, TrainableNetwork, nested_layers


class UserCode:
    """User-defined classes and functions that a network needs.

    They are pickled with cloudpickle, which stores the code itself if it is defined in
    a notebook or inside a function. Unpickling may run this code.

    Parameters
    ----------
    objects : dict of str to class or function
        The classes and functions, keyed by their names in the configuration of the
        network.
    """

    def __init__(self, objects):
        self.objects = objects

    def __getstate__(self):
        wrap = joblib.wrap_non_picklable_objects
        return {"objects": wrap(self.objects, keep_wrapper=False)}

    def __deepcopy__(self, memo):
        return self  # copies can share the code, which never changes


def pack(network):
    """Return the configuration and values of a network, ready to pickle.

    Keras pickles a model as the file that ``Model.save`` writes. This file lacks the
    states of dropout layers, so a copy made from it would not continue training in the
    same way as the original.

    Parameters
    ----------
    network : TrainableNetwork

    Returns
    -------
    dict
    """
    config, objects = _pack_model(network.model)
    return {
        "config": config,
        "user_code": UserCode(objects) if objects else None,
        "excluded_from_decay": _excluded_from_decay(network.model),
        "average": network.averages is not None,
        "keras_config": network.keras_config,
        "fine_tuning": network.fine_tuning and dataclasses.astuple(network.fine_tuning),
        "values": network.values(),
    }


def _pack_model(model):
    """Return the configuration of a model, and the user's code that it refers to."""
    from keras.saving import serialize_keras_object

    with _named_functions(model) as functions:
        config = serialize_keras_object(model)
        return config, _custom_objects(model, config) | functions


def unpack(packed):
    """Return a copy of the TrainableNetwork that was passed to :func:`pack`."""
    from keras.saving import deserialize_keras_object

    user_code = packed["user_code"]
    # Seed the build, because a layer without a seed draws one from Python's global
    # generator.
    with (
        seeded_build(np.random.SeedSequence(0)),
        keras_config(packed["keras_config"]),
    ):
        model = deserialize_keras_object(
            packed["config"], {} if user_code is None else user_code.objects
        )
        _exclude_from_decay(model, packed["excluded_from_decay"])
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        fine_tuning = packed["fine_tuning"]
        network = TrainableNetwork(
            model,
            average=packed["average"],
            keras_config=packed["keras_config"],
            fine_tuning=fine_tuning and FineTuning(*fine_tuning),
        )
    network.assign(packed["values"])
    for layer in nested_layers(model):
        # After `adapt`, a Normalization layer uses constants computed from its
        # variables. Recompute the constants, because the variables have new values.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return network


def warn_if_not_copyable(network):
    """Warn if a user's network cannot be pickled and copied.

    Such a network can still be trained, so this is not an error. The warning is issued
    before training, so that no time is spent on a network that cannot be saved.
    """
    try:
        _, objects = _pack_model(network.model)
        if not objects:
            return  # all of the network's classes and functions are from Keras
        unpack(pack(network))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        warn_user(
            "The network built by model= can be trained, but neither pickled nor "
            f"copied, and so not used in other processes: {type(error).__name__}: "
            f"{reason} Define its layers, losses and regularizers as classes with "
            "get_config, and its functions with def, with the modules that they use "
            "imported inside."
        )


@contextlib.contextmanager
def _named_functions(model):
    """Temporarily replace functions in a model with uniquely named placeholders.

    Keras serializes a function as its name, from which it cannot recover every
    function. It serializes a lambda as bytecode, which lacks the modules that the
    lambda uses.

    Yields
    ------
    dict of str to callable
        The functions, keyed by the names of their placeholders.
    """
    functions, replaced = {}, []

    def placeholder(function):
        def unused():
            """Stand in for a user-defined function in a configuration."""

        unused.__name__ = f"function_{len(functions)}_of_skcnn"
        functions[unused.__name__] = function
        return unused

    for layer in set(nested_layers(model)):
        names = inspect.signature(type(layer).__init__).parameters
        for name in names & vars(layer).keys():
            value = getattr(layer, name)
            if _is_function(value) and (
                type(layer).__name__ == "Lambda" or not is_from_keras(value)
            ):
                replaced.append((setattr, layer, name, value))
                setattr(layer, name, placeholder(value))
    arguments = compile_arguments(model) or {}
    for name in ("loss", "metrics", "weighted_metrics"):
        value = arguments.get(name)
        if _is_function(value) and not is_from_keras(value):
            replaced.append((operator.setitem, arguments, name, value))
            arguments[name] = placeholder(value)
        elif isinstance(value, list) and any(map(_is_function, value)):
            replaced.append((operator.setitem, arguments, name, value))
            arguments[name] = [placeholder(v) if _is_function(v) else v for v in value]
    try:
        yield functions
    finally:
        for restore, *where in replaced:
            restore(*where)


def _is_function(value):
    return isinstance(value, (types.FunctionType, functools.partial, np.ufunc))


def _custom_objects(model, config):
    """Return the user's classes and functions that `config` refers to, keyed by name.

    Those that are registered with Keras are omitted, because Keras can find them.
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
        elif config.get("registered_name"):  # None for Keras' own classes
            yield config["registered_name"]
        for part in config.values():
            yield from _custom_names(part)


def _excluded_from_decay(model):
    """Return the positions of the network weights that are excluded from weight decay.

    The configuration of an optimizer does not contain these exclusions.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return [
        i
        for i, variable in enumerate(model.trainable_variables)
        if not is_weight_decayed(optimizer, variable)
    ]


def _exclude_from_decay(model, positions):
    """Exclude the weights at the given positions from weight decay."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if positions:
        excluded = [model.trainable_variables[i] for i in positions]
        optimizer.exclude_from_weight_decay(var_list=excluded)
