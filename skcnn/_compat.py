"""Everything that depends on the version of a library, and when it can go."""

import functools
import inspect

from sklearn.utils.fixes import parse_version


class NoContext:
    """A callback context that has no callbacks to call."""

    def subcontext(self, **kwargs):
        return self

    def call_on_fit_task_begin(self, **kwargs):
        return self

    def call_on_fit_task_end(self, **kwargs):
        return False


try:  # scikit-learn >= 1.9; the other branch can go when 1.9 is the oldest supported
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """Stands in for scikit-learn's mixin, without ``set_callbacks``."""

        def _init_callback_context(self, **kwargs):
            return NoContext()

    def with_callbacks(method):
        @functools.wraps(method)
        def unmanaged(estimator, *args, **kwargs):
            return method(estimator, *args, **kwargs)

        return unmanaged


def only_shows_progress(estimator):
    """Whether scikit-learn's callbacks of an estimator do nothing but show progress."""
    callbacks = getattr(estimator, "_skl_callbacks", ())
    return all(type(callback).__name__ == "ProgressBar" for callback in callbacks)


def steps_are_functions():
    """Whether a function that is not inlined costs no lines on standard error.

    TensorFlow 2.18 prints an "Error in PredictCost()" for each softmax in one; this can
    go when 2.19 is the oldest supported.
    """
    import tensorflow as tf

    return parse_version(tf.__version__) >= parse_version("2.19")


def box_orientation(vertical):
    """Arguments of matplotlib's `boxplot`: `vert` until 3.9, which 3.11 warns about."""
    from matplotlib import axes

    if "orientation" in inspect.signature(axes.Axes.boxplot).parameters:
        return {"orientation": "vertical" if vertical else "horizontal"}
    return {"vert": vertical}


__all__ = [
    "CallbackSupportMixin",
    "NoContext",
    "box_orientation",
    "only_shows_progress",
    "steps_are_functions",
    "with_callbacks",
]
