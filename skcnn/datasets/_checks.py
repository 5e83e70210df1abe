"""Checks of arguments that several loaders share."""

from numbers import Integral, Real


def is_int(value):
    """Whether `value` is an integer; True and False are none here."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_at_least(name, value, minimum):
    """Return `value` as int if it is one and not below `minimum`."""
    if not is_int(value):
        raise TypeError(
            f"Got {name}={value!r} of type {type(value).__name__}, "
            f"but expected an integer of at least {minimum}."
        )
    if value < minimum:
        raise ValueError(
            f"Got {name}={value}, but expected an integer of at least {minimum}."
        )
    return int(value)


def check_fraction(name, value):
    """Return `value` as float if it is a number from 0 to 1."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(
            f"Got {name}={value!r} of type {type(value).__name__}, "
            "but expected a number from 0 to 1."
        )
    if not 0 <= value <= 1:
        raise ValueError(f"Got {name}={value}, but expected a number from 0 to 1.")
    return float(value)
