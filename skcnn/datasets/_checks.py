"""Argument checks shared by the loaders."""

from difflib import get_close_matches
from numbers import Integral, Real


def did_you_mean(value, choices, cutoff=0.6):
    """Return a sentence that suggests the closest choice, or an empty string."""
    matches = get_close_matches(value, choices, 1, cutoff)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def is_int(value):
    """Return True if `value` is an integer but not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_at_least(name, value, minimum):
    """Return `value` as an int; raise if it is not an integer >= `minimum`."""
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
    """Return `value` as a float; raise if it is not a number from 0 to 1."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(
            f"Got {name}={value!r} of type {type(value).__name__}, "
            "but expected a number from 0 to 1."
        )
    if not 0 <= value <= 1:
        raise ValueError(f"Got {name}={value}, but expected a number from 0 to 1.")
    return float(value)
