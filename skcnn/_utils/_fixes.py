"""Code that depends on the version or on a private API of another library.

Each such dependency has its own function. The docstring of the function names the
versions on which it was checked, and says when it can be removed. If a private API is
missing, the return value of the function says so, and the caller falls back to slower,
public functions with the same result. ``tests/utils/test_fixes.py`` fails if a private
API that we use has been removed.

Subclasses of other libraries' classes are elsewhere: the adapter to scikeras is in
``_network/_build.py``, and faster layers and optimizers are in
``_compiled/_template.py``. Both modules use the functions of this module.
"""

import contextlib
import functools
import inspect

# These names exist in scikit-learn 1.6 to 1.9. All of them are private, but
# other third-party libraries, such as imbalanced-learn and skrub, use them too.
from sklearn.base import _clone_parametrized
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.fixes import parse_version
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "NullCallbackContext",
    "StrOptions",
    "_check_partial_fit_first_call",
    "_check_sample_weight",
    "_safe_indexing",
    "adam_slots",
    "box_orientation",
    "clone_with_shared",
    "compile_arguments",
    "fresh_auto_names",
    "has_only_progress_callbacks",
    "is_from_keras",
    "is_fused_adam_possible",
    "is_noinline_quiet",
    "is_weight_decayed",
    "output_tensor",
    "unreduced_gradients",
    "weight_decay_exclusions",
    "with_callbacks",
]


# scikit-learn: clones


def clone_with_shared(estimator, name):
    """Clone an estimator, and share the value of one parameter instead of cloning it.

    For use in ``__sklearn_clone__``. ``clone`` itself would call this method again.
    """
    template = object.__new__(type(estimator))
    vars(template).update(vars(estimator) | {name: None})
    shared = {name: getattr(estimator, name)}
    return _clone_parametrized(template).set_params(**shared)


# scikit-learn: callbacks


class NullCallbackContext:
    """A callback context without callbacks."""

    def subcontext(self, **kwargs):
        return self

    def call_on_fit_task_begin(self, **kwargs):
        return self

    def call_on_fit_task_end(self, **kwargs):
        return False


try:  # scikit-learn >= 1.9. Remove the fallback when 1.9 is the minimum.
    from sklearn.callback import CallbackSupportMixin, ProgressBar, with_callbacks
except ImportError:
    ProgressBar = None

    class CallbackSupportMixin:
        """Stand-in for scikit-learn's mixin; it does not provide ``set_callbacks``."""

        def _init_callback_context(self, **kwargs):
            return NullCallbackContext()

    def with_callbacks(method):
        @functools.wraps(method)
        def unmanaged(estimator, *args, **kwargs):
            return method(estimator, *args, **kwargs)

        return unmanaged


def has_only_progress_callbacks(estimator):
    """Return whether an estimator's scikit-learn callbacks only show progress.

    The private ``_skl_callbacks`` exists in scikit-learn 1.9. An estimator without this
    attribute has no callbacks.
    """
    callbacks = getattr(estimator, "_skl_callbacks", ())
    return all(isinstance(callback, ProgressBar) for callback in callbacks)


# Matplotlib


def box_orientation(vertical):
    """Return the keyword argument of `boxplot` that sets the direction of the boxes.

    Matplotlib 3.10 renamed ``vert`` to ``orientation``. Remove this function when 3.10
    is the oldest supported version.
    """
    from matplotlib import axes

    if "orientation" in inspect.signature(axes.Axes.boxplot).parameters:
        return {"orientation": "vertical" if vertical else "horizontal"}
    return {"vert": vertical}


# TensorFlow


def is_noinline_quiet():
    """Return whether TensorFlow prints no errors about functions that are not inlined.

    TensorFlow 2.18 prints "Error in PredictCost()" for each softmax in such a function.
    Remove this check when 2.19 is the oldest supported version.
    """
    import tensorflow as tf

    return parse_version(tf.__version__) >= parse_version("2.19")


# Keras: optimizers


@contextlib.contextmanager
def unreduced_gradients(optimizer):
    """Keep an optimizer from summing gradients over devices.

    On one device, the sum changes nothing. However, TensorFlow registers a gradient
    function for the sum and never removes it. The function keeps the graph, the network
    and the state of the optimizer alive, so memory would grow with each fit. Keras has
    no public option to disable the sum.

    The private method ``_all_reduce_sum_gradients`` exists in Keras 3.5 to 3.15. If it
    is missing, the gradients are summed, and memory may grow.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer or None
        The optimizer to change, together with any optimizers that it wraps.
    """
    import tensorflow as tf

    method = "_all_reduce_sum_gradients"
    changed = []
    while optimizer is not None and not tf.distribute.has_strategy():
        if hasattr(optimizer, method):
            changed.append(optimizer)
        optimizer = getattr(optimizer, "inner_optimizer", None)
    for each in changed:
        setattr(each, method, lambda grads_and_vars: grads_and_vars)
    try:
        yield
    finally:
        for each in changed:
            delattr(each, method)


def is_fused_adam_possible():
    """Return whether :func:`adam_slots` works with the installed version of Keras."""
    from keras import optimizers

    if not hasattr(optimizers.Adam, "_get_variable_index"):
        return False
    adam = optimizers.Adam()
    adam.build([])
    return all(hasattr(adam, name) for name in ("_momentums", "_velocities"))


def adam_slots(optimizer, variable):
    """Return Adam's two moment estimates for a variable, each as a keras.Variable.

    The private ``_get_variable_index``, ``_momentums`` and ``_velocities`` exist in
    Keras 3.5 to 3.15. Callers must check :func:`is_fused_adam_possible` first.
    """
    index = optimizer._get_variable_index(variable)
    return optimizer._momentums[index], optimizer._velocities[index]


def weight_decay_exclusions(optimizer):
    """Return the arguments that ``exclude_from_weight_decay`` was called with.

    The configuration of an optimizer does not contain these arguments. The private
    ``_exclude_from_weight_decay`` (ids of variables) and
    ``_exclude_from_weight_decay_pattern`` (a compiled regular expression) exist in
    Keras 3.5 to 3.15.

    Returns
    -------
    variable_ids : set, or None
    pattern : str, or None
    """
    ids = getattr(optimizer, "_exclude_from_weight_decay", None) or None
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return ids, getattr(pattern, "pattern", None)


def is_weight_decayed(optimizer, variable):
    """Return whether an optimizer applies weight decay to a variable.

    The private ``_use_weight_decay`` exists in Keras 3.5 to 3.15. If it is missing,
    weight decay is assumed to apply to all variables, which is Keras' default.
    """
    decays = getattr(optimizer, "_use_weight_decay", None)
    return True if decays is None else bool(decays(variable))


# Keras: models and layers


def is_from_keras(thing):
    """Return whether Keras defines a function, a class or the class of an object.

    The first part of the module name decides. It is the same for the public and private
    modules of Keras.
    """
    return getattr(thing, "__module__", "").partition(".")[0] == "keras"


def compile_arguments(model):
    """Return the arguments that a model was compiled with, or None if unknown.

    The private ``_compile_config`` exists in Keras 3.5 to 3.15. The public
    ``get_compile_config()`` is no substitute: it returns serialized arguments instead
    of the objects, and warns about user-defined functions.
    """
    return getattr(getattr(model, "_compile_config", None), "config", None)


def output_tensor(layer):
    """Return the output of a layer in the graph of its model, or None.

    If the layer is itself a model, its ``output`` belongs to its own, inner graph. Only
    the private ``_inbound_nodes`` records the last call to the layer. It exists in
    Keras 3.5 to 3.15. If this attribute is missing, the public ``output`` is used,
    which works for layers that are called only once, and models have no output.
    """
    nodes = getattr(layer, "_inbound_nodes", None)
    if nodes is None:
        from keras import Model

        if isinstance(layer, Model):
            return None
        try:
            return layer.output
        except (AttributeError, ValueError):  # never called, or called repeatedly
            return None
    return nodes[-1].output_tensors[0] if nodes else None


@contextlib.contextmanager
def fresh_auto_names():
    """Restart the numbering of Keras' automatic names inside a ``with`` block.

    Each fit then creates the same names as the first fit. Otherwise, memory would grow
    with each fit, because TensorFlow keeps 34 KB for each name that a variable has ever
    had.

    Keras counts names in its private global state, which exists in Keras 3.5 to 3.15.
    If this state is not accessible, the numbers keep growing, which does not change
    results.
    """
    key = "object_name_uids"
    state = _keras_global_state()
    if state is None:
        yield
        return
    counts = state.get_global_attribute(key)  # Keras counts per thread
    state.set_global_attribute(key, None)
    try:
        yield
    finally:
        state.set_global_attribute(key, counts)


def _keras_global_state():
    try:
        from keras.src.backend.common import global_state
    except ImportError:
        return None
    names = ("get_global_attribute", "set_global_attribute")
    return global_state if all(hasattr(global_state, name) for name in names) else None
