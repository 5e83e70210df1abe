"""Split a network into a part that training does not change, and the layers after it.

The outputs of the frozen part can be computed once, instead of in every epoch.
"""

import hashlib
import json

import keras
import numpy as np

from .._utils._fixes import compile_arguments, is_from_keras, output_tensor
from .._utils._keras_config import keras_config
from .._utils._random import WEIGHTS, is_seed_state, seed_sequence, seeded_build
from ._config import entry_name, without_names
from ._trainable import TrainableNetwork, nested_layers

# Layers that run code from outside Keras.
_FOREIGN = frozenset(
    {"Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"}
)
# Layers that differ in training even if they are not trainable.
_UPDATED_IN_TRAINING = frozenset({"SpectralNormalization", "StochasticDepth"})


class FrozenPart:
    """The layers at the start of a network that training does not change.

    Parameters
    ----------
    extractor : keras.Model
        The frozen layers, which turn images into features.
    head : HeadNetwork
        The other layers, as a network that takes these features.
    config : dict
        The configuration of the frozen layers.
    """

    def __init__(self, extractor, head, config):
        self.network = TrainableNetwork(
            extractor, average=False, keras_config=head.keras_config
        )
        self.head = head
        self.feature_shape = tuple(extractor.output_shape[1:])
        # Names are left out, because automatic names differ between networks.
        self._config = json.dumps(_without_initial_values(without_names(config)))

    def key(self):
        """Return 32 hexadecimal digits that identify the function of the frozen part.

        The user can change the network weights at any time, so they are hashed anew.
        """
        digest = hashlib.sha256(self._config.encode())
        digest.update(json.dumps(self.head.keras_config).encode())
        for variable in self.network.model.variables:
            digest.update(np.ascontiguousarray(variable.numpy()))
        return digest.hexdigest()[:32]


class HeadNetwork(TrainableNetwork):
    """The layers of a network after its frozen part.

    `model` is a copy of these layers. It determines the graphs, but its weights are
    never used: `variables` are those of the network itself. If the model shared its
    layers with the network, the attribute `output` of the layers would be ambiguous.
    """

    needs_shared_graph = True

    def __init__(self, model, variables, network):
        self.model = model
        self.averages = network.averages
        self.keras_config = network.keras_config
        self._variables = variables

    @property
    def variables(self):
        return [*self._variables, *self.own_variables]


def split_frozen(network):
    """Return the FrozenPart of a network, or None if there is none.

    The frozen part ends at the last layer whose output depends only on layers that are
    not trainable and draw nothing at random. All paths through the network must pass
    through this layer. A frozen part without weights is not worth splitting off.

    Parameters
    ----------
    network : TrainableNetwork
    """
    if network.frozen_part is network.UNKNOWN:
        with network.training_flags():
            network.frozen_part = _split(network)
    return network.frozen_part


def _split(network):
    model = network.model
    if not is_from_keras(type(model)) or compile_arguments(model) is None:
        return None
    layers = list(nested_layers(model))
    has_frozen = any(layer.variables and not layer.trainable for layer in layers)
    if not has_frozen or not all(map(_runs_only_keras, layers)):
        return None
    with keras_config(network.keras_config), seeded_build(seed_sequence(0, WEIGHTS)):
        for layer in reversed(model.layers):
            if not _is_frozen(layer) or isinstance(layer, keras.layers.InputLayer):
                continue
            features = output_tensor(layer)
            try:
                extractor = keras.Model(model.inputs[0], features)
            except (ValueError, TypeError, AttributeError):
                continue
            if not all(map(_is_frozen, extractor.operations)):
                continue
            if not extractor.variables:
                return None
            config, rest = _split_config(model, extractor, layer)
            head = _copy_head(network, rest, layer.name)
            if head is not None:
                # Prediction reads the optimizer and the loss of a model.
                extractor.compile("sgd")
                return FrozenPart(extractor, head, config)
    return None


def _runs_only_keras(layer):
    """Return whether a layer and the functions that it uses are defined by Keras."""
    return (
        is_from_keras(type(layer))
        and type(layer).__name__ not in _FOREIGN
        and is_from_keras(getattr(layer, "activation", None) or keras.layers.Layer)
        # Keras issues a warning when it serializes a lambda.
        and not any(
            getattr(value, "__name__", None) == "<lambda>"
            for value in vars(layer).values()
        )
    )


def _is_frozen(layer):
    """Return whether a layer or operation computes the same in training as otherwise.

    The argument ``training=False`` of a call in the graph of a model does not help,
    because Keras 3 replaces it when the model is called with ``training=True``.
    """
    if not isinstance(layer, keras.Layer):  # an operation between layers
        return is_from_keras(type(layer))
    parts = [layer, *nested_layers(layer)]
    if any(
        type(part).__name__ in _UPDATED_IN_TRAINING
        or getattr(part, "activity_regularizer", None) is not None
        for part in parts
    ) or any(map(is_seed_state, layer.variables)):
        return False
    leaves = [part for part in parts if not any(nested_layers(part))]
    return not any(leaf.trainable and leaf.variables for leaf in leaves)


def _split_config(model, extractor, last):
    """Return the configurations of the frozen layers and of the layers after them.

    In the second configuration, an input takes the place of the layer `last`.
    """
    config = dict(model.get_config())
    upstream = {operation.name for operation in extractor.operations}
    parts = {True: [], False: []}
    for entry in config["layers"]:
        parts[entry_name(entry) in upstream].append(entry)
    placeholder = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {
            "batch_shape": (None, *extractor.output_shape[1:]),
            "dtype": "float32",
            "name": last.name,
        },
        "registered_name": None,
        "name": last.name,
        "inbound_nodes": [],
    }
    reference = [last.name, 0, 0]
    rest = config | {"layers": [placeholder, *parts[False]]}
    rest.pop("build_input_shape", None)
    if "input_layers" in rest:
        is_nested = isinstance(rest["input_layers"][0], (list, tuple))
        rest["input_layers"] = [reference] if is_nested else reference
    return {"layers": parts[True], "output_layers": [reference]}, rest


def _copy_head(network, config, input_name):
    """Return the layers in a configuration as a HeadNetwork, or None."""
    model = network.model
    try:
        head = type(model).from_config(config)
    except (KeyError, TypeError, ValueError):  # another path bypasses the frozen layers
        return None
    originals = {
        id(copied): original
        for layer in head.layers
        if layer.name != input_name
        for copied, original in zip(
            layer.variables, model.get_layer(layer.name).variables, strict=True
        )
    }
    trained = [id(originals[id(v)]) for v in head.trainable_variables]
    if trained != [id(v) for v in model.trainable_variables]:
        return None
    head.compile(**compile_arguments(model) | {"optimizer": model.optimizer})
    return HeadNetwork(head, [originals[id(v)] for v in head.variables], network)


def _without_initial_values(config):
    """Return a configuration without settings that only affect initial weights."""
    if isinstance(config, (list, tuple)):
        return [_without_initial_values(item) for item in config]
    if not isinstance(config, dict):
        return config
    return {
        key: _without_initial_values(value)
        for key, value in config.items()
        if key != "seed" and not key.endswith("_initializer")
    }
