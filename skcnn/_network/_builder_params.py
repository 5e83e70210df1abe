"""The parameters of a user's builder function, which are set as ``model__<name>``."""

import functools
import inspect

from .._utils._validation import did_you_mean

# Arguments that the user cannot set, because fit passes them to the builder.
_PASSED_BY_FIT = {"meta", "compile_kwargs", "params"}
NO_VALUE = inspect.Parameter.empty


def check_builder(model):
    """Raise an error if `model` cannot be used as a builder."""
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
                f"model__{name} to be set. The properties of the training data are in "
                "an argument named `meta`."
            )


def builder_parameters(model):
    """Return the tunable parameters of a builder and their values.

    Returns
    -------
    values : dict of str to object
        The value of each parameter, or `NO_VALUE` if it has no default.
    open_ended : bool
        Whether the builder also accepts parameters of any other name (``**kwargs``).
    """
    if not callable(model):  # None or an invalid value, which fit reports
        return {}, False
    parameters = inspect.signature(model).parameters.values()
    values = {
        p.name: p.default
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in _PASSED_BY_FIT
    }
    if isinstance(model, functools.partial):
        values |= model.keywords
    return values, any(p.kind is p.VAR_KEYWORD for p in parameters)


def bind_builder(model, **values):
    """Return a `functools.partial` of `model` with the given parameter values."""
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
        # Do not nest partials, no matter how often parameters are set.
        return functools.partial(model.func, *model.args, **model.keywords | values)
    return functools.partial(model, **values)
