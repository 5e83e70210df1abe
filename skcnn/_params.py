"""Constructor parameters of `CNNClassifier`: checks beyond type and range."""

import copy
import difflib
import functools
import inspect
from numbers import Integral, Real

import numpy as np

from ._seeding import fresh_names

# Arguments of a builder that fit fills in, not the user.
_GIVEN_BY_FIT = {"meta", "compile_kwargs", "params"}
NO_VALUE = inspect.Parameter.empty
# A momentum that makes no sense tells our averages, which have none, from Keras' own,
# in copies and files too.
AVERAGED_BY_US = 0.0


def check_sizes(name, value):
    """A non-empty tuple of positive ints from a constructor parameter."""
    sizes = tuple(value)
    if not sizes or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in sizes
    ):
        raise ValueError(
            f"Got {name}={value!r}, but expected one or more positive integers."
        )
    return tuple(int(n) for n in sizes)


def check_image_shape(image_shape):
    """`image_shape` as a tuple (height, width, channels), -1 where it is open."""
    if image_shape is None:
        return None
    shape = tuple(image_shape)
    valid = len(shape) in (2, 3) and all(
        isinstance(n, Integral) and not isinstance(n, bool) and (n >= 1 or n == -1)
        for n in shape
    )
    if not valid or shape.count(-1) > 1:
        raise ValueError(
            f"Got image_shape={image_shape!r}, but expected (height, width) or "
            "(height, width, channels) of positive integers, one of which may be -1."
        )
    return (*map(int, shape), 1)[:3]


def make_optimizer(optimizer, learning_rate, average):
    """A new Keras optimizer for one fit.

    `optimizer` is a name that ``keras.optimizers.get`` knows, a class or another
    callable that takes ``learning_rate``, or an optimizer to copy, which has a
    learning rate of its own.
    """
    from keras import optimizers

    if isinstance(learning_rate, Real):
        learning_rate = float(learning_rate)  # Keras takes no 1 for a rate of 1.0
    learning_rate = copy.deepcopy(learning_rate)
    if isinstance(optimizer, optimizers.Optimizer):
        copied = type(optimizer).from_config(optimizer.get_config())
        # Names of weights that are not decayed; no configuration tells them.
        pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
        if pattern is not None:
            copied.exclude_from_weight_decay(var_names=[pattern.pattern])
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
    except ValueError:  # written in C, without a signature
        pass
    except TypeError:
        raise TypeError(
            f"Got optimizer={optimizer!r}, which cannot be called with learning_rate "
            "alone, but expected a function that makes an optimizer of a given "
            "learning_rate. Give it that argument and defaults for others, or pass the "
            "optimizer itself."
        ) from None
    with fresh_names():
        made = optimizer(learning_rate=learning_rate)
    if not isinstance(made, optimizers.Optimizer):
        raise TypeError(
            f"Got optimizer={optimizer!r}, which returned {type(made).__name__}, but "
            "expected a Keras optimizer."
        )
    if average and not made.use_ema and not hasattr(made, "inner_optimizer"):
        made.use_ema = True
        made.ema_momentum = AVERAGED_BY_US
    return made


@functools.cache
def _known_optimizers():
    """Keras' optimizers that have a learning rate, by their names in lower case."""
    from keras import optimizers

    return {
        name.lower(): value
        for name, value in vars(optimizers).items()
        if inspect.isclass(value)
        and issubclass(value, optimizers.Optimizer)
        and "learning_rate" in inspect.signature(value).parameters
    }


def averages_weights(optimizer):
    """Whether :func:`make_optimizer` has made it average, and not the user."""
    return optimizer.use_ema and optimizer.ema_momentum == AVERAGED_BY_US


def check_learning_rate(learning_rate):
    """Refuse what is neither a number nor a Keras schedule."""
    from keras.optimizers.schedules import LearningRateSchedule

    if callable(learning_rate) and not isinstance(learning_rate, LearningRateSchedule):
        raise TypeError(
            f"Got learning_rate={learning_rate!r}, but expected a positive number or a "
            "keras.optimizers.schedules.LearningRateSchedule."
        )


def copy_callbacks(callbacks):
    """Copies of a user's Keras callbacks, for one fit: fits share no state."""
    if callbacks is None:
        return []
    from keras.callbacks import Callback

    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(
                f"Got callbacks with {callback!r}, but expected objects of "
                "keras.callbacks.Callback."
                + (" Pass an object, not its class." if callable(callback) else "")
            )
    return copy.deepcopy(list(callbacks))


def check_layer(augment):
    """Refuse an `augment` that is neither settings nor a Keras layer."""
    from keras import Layer

    if augment is not None and not isinstance(augment, (dict, Layer)):
        raise TypeError(
            f"Got augment={augment!r}, but expected a bool, a dict with the keys "
            "'flip', 'rotation' and 'zoom', or a keras.Layer."
        )


def check_builder(model):
    """Refuse what cannot build a network."""
    if model is None:
        return
    from keras import Model

    if isinstance(model, Model):
        raise TypeError(
            "Got a keras.Model as model=, but expected a function that builds one: "
            "every fit starts from a new network. Wrap it, for example "
            "model=lambda: keras.models.clone_model(network)."
        )
    values, _ = builder_parameters(model)
    for name, value in values.items():
        if value is NO_VALUE:
            raise ValueError(
                f"The builder {getattr(model, '__name__', model)} passed as model= has "
                f"a parameter {name!r} without a value, but expected a default, or "
                f"model__{name} to be set. What the data tell is in an argument named "
                "`meta`."
            )


def builder_parameters(model):
    """Tunable parameters of a user's builder and their values.

    Returns
    -------
    values : dict of str to object
        `NO_VALUE` for a parameter without a default.
    open_ended : bool
        Whether the builder takes other names as well (``**kwargs``).
    """
    if not callable(model):  # None; what is wrong otherwise, fit says
        return {}, False
    parameters = inspect.signature(model).parameters.values()
    values = {
        p.name: p.default
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in _GIVEN_BY_FIT
    }
    if isinstance(model, functools.partial):
        values |= model.keywords
    return values, any(p.kind is p.VAR_KEYWORD for p in parameters)


def bind_builder(model, **values):
    """`model` with other values of its parameters: what set_params does to it."""
    if model is None:
        raise ValueError(
            f"Got {', '.join(f'model__{name}' for name in values)}, but model is None: "
            "these are parameters of a builder function. Set model= first."
        )
    known, open_ended = builder_parameters(model)
    for name in values:
        if name not in known and not open_ended:
            raise ValueError(
                f"Invalid parameter 'model__{name}': the builder "
                f"{getattr(model, '__name__', model)} has the parameters "
                f"{sorted(known)}." + did_you_mean(name, known, "model__")
            )
    if isinstance(model, functools.partial):
        # One flat partial, however often parameters are set.
        return functools.partial(model.func, *model.args, **model.keywords | values)
    return functools.partial(model, **values)


def same_value(a, b):
    """Whether two values of a parameter mean the same; partials by their contents."""
    if a is b:
        return True
    if isinstance(a, functools.partial) and isinstance(b, functools.partial):
        return (
            a.func == b.func
            and same_value(a.args, b.args)
            and same_value(a.keywords, b.keywords)
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same_value(a[k], b[k]) for k in a)
    if _is_sequence(a) and _is_sequence(b):
        return len(a) == len(b) and all(map(same_value, a, b))
    return not (_is_sequence(a) or _is_sequence(b)) and bool(a == b)


def _is_sequence(value):
    return isinstance(value, (list, tuple)) or np.ndim(value) > 0


def did_you_mean(name, known, prefix=""):
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {prefix + near[0]!r}?" if near else ""
