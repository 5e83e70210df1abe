"""Graphs: traced once, and run on all networks that are alike.

Tracing costs more than the training of a small network, and a search is many short
fits whose networks differ in numbers only: in their weights, the learning rate, rates
of dropout, factors of penalties. So a graph is traced on a twin of the network, and
called with the variables of whichever network of that structure is trained.
"""

import collections
import contextlib
import threading

import tensorflow as tf

from . import _saving
from ._params import averages_weights
from ._structure import NotTold, structure
from ._twin import twin

# Graphs that are kept: those of a search, of its validation and prediction, and some
# more. The one that was used longest ago goes first.
_MOST_KEPT = 16
_kept = collections.OrderedDict()
_lock = threading.RLock()


def traced(function, signature, optimizer=None):
    """`function` as one graph, traced on purpose and not by what it is called with.

    `optimizer` is the one that `function` calls, if any.
    """
    function = tf.function(function, input_signature=signature, autograph=False)
    with _on_one_device(optimizer), _averaging(optimizer):
        return function.get_concrete_function()


@contextlib.contextmanager
def _averaging(optimizer):
    """Let an optimizer of ours average weights over the last tenth, about, of steps.

    Keras' own averages are of a fixed number of steps: too long for short fits, and
    short for long ones. Here the share of the newest weights falls with the number of
    steps, so that no length has to be chosen, and the first weights are forgotten: the
    power function of Karras et al. (2024), section 3, https://arxiv.org/abs/2312.02696.
    """
    if optimizer is None or not averages_weights(optimizer):
        yield
        return

    def update(trainable_variables):
        step = tf.cast(optimizer.iterations.value, tf.float32)
        share = 9 / (step + 9)
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            difference = variable.value - average.value
            average.value.assign_add(difference * tf.cast(share, average.dtype))

    optimizer._update_model_variables_moving_average = update
    try:
        yield
    finally:
        del optimizer._update_model_variables_moving_average


@contextlib.contextmanager
def _on_one_device(optimizer):
    """Let `optimizer` take gradients as they are, not summed over devices.

    On one device the sum changes nothing, but TensorFlow registers a gradient of the
    sum for good, and with it the graph, the network and the optimizer's state: memory
    would grow with each fit.
    """
    optimizers = []
    while optimizer is not None and not tf.distribute.has_strategy():
        optimizers.append(optimizer)
        optimizer = getattr(optimizer, "inner_optimizer", None)
    for each in optimizers:
        each._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
    try:
        yield
    finally:
        for each in optimizers:
            del each._all_reduce_sum_gradients


class _Graph:
    """A graph that was traced on a twin and runs on other networks' variables."""

    def __init__(self, make, model):
        copy = twin(model)
        if _saving.shapes(copy) != _saving.shapes(model):
            raise NotTold
        function, signature = make(copy)
        self._graph = traced(function, signature, copy.optimizer)
        self._dtypes = [output.dtype for output in self._graph.outputs]
        variables = [v.value.handle for v in _saving.variables(copy)]
        places = {id(handle): i for i, handle in enumerate(variables)}
        captured = self._graph.captured_inputs
        if not all(id(handle) in places for handle in captured):
            raise NotTold
        self._order = [places[id(handle)] for handle in captured]
        # The twin's own values are never used, and the graph keeps its variables:
        # their memory is given back.
        for variable in _saving.variables(copy):
            tf.raw_ops.AssignVariableOp(
                resource=variable.value.handle, value=tf.zeros(0, variable.dtype)
            )

    def on(self, model):
        """The graph as a function of its inputs, on this network's variables."""
        handles = [v.value.handle for v in _saving.variables(model)]
        captured = [handles[i] for i in self._order]

        def run(*inputs):
            return tf.raw_ops.StatefulPartitionedCall(
                args=[*inputs, *captured], Tout=self._dtypes, f=self._graph
            )

        return run


def shared(key, make, model):
    """The graph for all networks like this one; None if there can be none."""
    alike = structure(model)
    if alike is None:
        return None
    key = (alike, *key)
    with _lock:
        if key not in _kept:
            try:
                _kept[key] = _Graph(make, model)
            except NotTold:
                _kept[key] = None
            while len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]
