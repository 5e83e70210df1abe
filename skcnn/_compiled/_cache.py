"""Graphs that are traced once and then bound to the variables of many networks.

Tracing a graph takes longer than training a small network, and a search consists of
many short fits. The networks of these fits usually differ only in numeric values, and
networks that do so have the same graph signature. A graph is therefore traced only once
for each signature. A separate network, the template, is used for this, and the graph is
stored under the signature. TensorFlow passes variables to a graph as inputs ("captured
inputs"). If a graph is called with the variables of another network that has the same
signature, it computes the results of that network.
"""

import collections
import threading

import tensorflow as tf

from .._network._trainable import shapes
from .._utils._fixes import unreduced_gradients
from .._utils._keras_config import keras_config
from ._signature import UnsupportedModelError, graph_signature
from ._template import make_template

# Number of graphs to keep. One network needs up to three (training, validation and
# prediction). The least recently used graph is removed first.
_CACHE_SIZE = 16
_cache = collections.OrderedDict()
_lock = threading.RLock()


def trace(function, signature, keras_settings, optimizer=None):
    """Trace a function into a graph for the given input signature.

    Parameters
    ----------
    function : callable
    signature : list of tf.TensorSpec
    keras_settings : dict
        The network's Keras settings, which apply while the function is traced.
    optimizer : keras.optimizers.Optimizer, default=None
        The optimizer that `function` calls, if any.

    Returns
    -------
    tf.types.experimental.ConcreteFunction
    """
    function = tf.function(function, input_signature=signature, autograph=False)
    with keras_config(keras_settings), unreduced_gradients(optimizer):
        return function.get_concrete_function()


class SharedGraph:
    """Graph that all networks with the same signature share.

    Parameters
    ----------
    make_function : callable
        Function that takes a template and returns a function and its input signature.
    network : TrainableNetwork
        Any network that has this signature.

    Raises
    ------
    UnsupportedModelError
        If the graph depends on a variable that does not belong to the template, or if
        the template's variables differ from those of the network in shape or dtype.
    """

    def __init__(self, make_function, network):
        settings = network.keras_config
        with keras_config(settings):
            template = make_template(network)
        if shapes(template.variables) != shapes(network.variables):
            raise UnsupportedModelError
        function, signature = make_function(template)
        self._graph = trace(function, signature, settings, template.model.optimizer)
        self._dtypes = [output.dtype for output in self._graph.outputs]
        variables = template.variables
        positions = {id(v.value.handle): i for i, v in enumerate(variables)}
        captured = self._graph.captured_inputs
        if not all(id(handle) in positions for handle in captured):
            raise UnsupportedModelError
        self._order = [positions[id(handle)] for handle in captured]
        # The graph keeps the template's variables alive, but never uses their values.
        # Replace these values with empty tensors to free memory.
        for variable in variables:
            tf.raw_ops.AssignVariableOp(
                resource=variable.value.handle, value=tf.zeros(0, variable.dtype)
            )

    def bind(self, network):
        """Return a function that runs the graph with the variables of `network`."""
        handles = [v.value.handle for v in network.variables]
        captured = [handles[i] for i in self._order]

        def run(*inputs):
            return tf.raw_ops.StatefulPartitionedCall(
                args=[*inputs, *captured], Tout=self._dtypes, f=self._graph
            )

        return run


def can_share_graphs(network):
    """Return whether other networks could share the graphs of a network."""
    return graph_signature(network) is not None


def get_or_trace(key, make_function, network):
    """Return the graph for all networks that have the same signature as `network`.

    Parameters
    ----------
    key : tuple
        Distinguishes different graphs for the same signature, such as the graphs for
        training and for prediction.
    make_function : callable
        As for :class:`SharedGraph`.
    network : TrainableNetwork

    Returns
    -------
    SharedGraph or None
        None if this network cannot share its graph.

    Raises
    ------
    RuntimeError
        If this network cannot share its graph, but has no other.
    """
    signature = graph_signature(network)
    graph = None
    if signature is not None:
        key = (signature, *key)
        with _lock:
            if key not in _cache:
                try:
                    _cache[key] = SharedGraph(make_function, network)
                except UnsupportedModelError:
                    _cache[key] = None
                while len(_cache) > _CACHE_SIZE:
                    _cache.popitem(last=False)
            _cache.move_to_end(key)
            graph = _cache[key]
    if graph is None and network.needs_shared_graph:
        raise RuntimeError("The layers after the frozen part have no shared graph.")
    return graph
