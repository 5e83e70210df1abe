"""Make optimizers from constructor parameters, and check learning rates."""

import copy
import functools
import inspect
from numbers import Real

from .._utils._fixes import fresh_auto_names, weight_decay_exclusions
from .._utils._validation import did_you_mean


def make_optimizer(optimizer, learning_rate):
    """Make a new Keras optimizer for one fit.

    Parameters
    ----------
    optimizer : str, callable or keras.optimizers.Optimizer
        A name, a class or function that takes ``learning_rate``, or an optimizer
        object. An object is copied and keeps its own learning rate.
    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule

    Returns
    -------
    keras.optimizers.Optimizer

    Raises
    ------
    ValueError
        If `optimizer` is an unknown name.
    TypeError
        If `optimizer` has the wrong type, does not accept ``learning_rate`` or does not
        return an optimizer.
    """
    from keras import optimizers

    if isinstance(learning_rate, Real):
        learning_rate = float(learning_rate)  # Keras rejects the integer 1
    learning_rate = copy.deepcopy(learning_rate)
    if isinstance(optimizer, optimizers.Optimizer):
        copied = type(optimizer).from_config(optimizer.get_config())
        # The configuration does not say which variables to exclude from weight decay.
        _, pattern = weight_decay_exclusions(optimizer)
        if pattern is not None:
            copied.exclude_from_weight_decay(var_names=[pattern])
        return copied
    if isinstance(optimizer, str):
        known = _known_optimizers()
        if optimizer.lower() not in known:
            names = ", ".join(map(repr, sorted(known)))
            raise ValueError(
                f"Got optimizer={optimizer!r}, but expected one of {names}, a Keras "
                "optimizer or its class." + did_you_mean(optimizer, known)
            )
        optimizer = known[optimizer.lower()]
    if not callable(optimizer):
        raise TypeError(
            f"Got optimizer={optimizer!r}, but expected the name of a Keras optimizer, "
            "a class or function that is called with learning_rate, or an optimizer."
        )
    try:
        inspect.signature(optimizer).bind(learning_rate=learning_rate)
    except ValueError:  # a callable written in C may have no signature
        pass
    except TypeError:
        raise TypeError(
            f"Got optimizer={optimizer!r}, which cannot be called with learning_rate "
            "alone, but expected a function that makes an optimizer of a given "
            "learning_rate. Give it that argument and defaults for others, or pass the "
            "optimizer itself."
        ) from None
    with fresh_auto_names():
        made = optimizer(learning_rate=learning_rate)
    if not isinstance(made, optimizers.Optimizer):
        raise TypeError(
            f"Got optimizer={optimizer!r}, which returned {type(made).__name__}, but "
            "expected a Keras optimizer."
        )
    return made


@functools.cache
def _known_optimizers():
    """Return Keras' optimizers that have a learning rate, keyed by lowercase name."""
    from keras import optimizers

    return {
        name.lower(): value
        for name, value in vars(optimizers).items()
        if inspect.isclass(value)
        and issubclass(value, optimizers.Optimizer)
        and "learning_rate" in inspect.signature(value).parameters
    }


def check_learning_rate(learning_rate):
    """Raise a TypeError if `learning_rate` is a callable but not a Keras schedule."""
    from keras.optimizers.schedules import LearningRateSchedule

    if callable(learning_rate) and not isinstance(learning_rate, LearningRateSchedule):
        raise TypeError(
            f"Got learning_rate={learning_rate!r}, but expected a positive number or a "
            "keras.optimizers.schedules.LearningRateSchedule."
        )
