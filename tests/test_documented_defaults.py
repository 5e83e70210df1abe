"""Docstrings state the parameters that there are, in their order, with their defaults.

In the peers they drift: this reads every "default=" and compares.
"""

import ast
import inspect
import re

import numpy as np
import pytest

import skcnn
import skcnn.datasets
import skcnn.display
import skcnn.inspection
import skcnn.model_selection

MODULES = (
    skcnn,
    *(skcnn.datasets, skcnn.display, skcnn.inspection, skcnn.model_selection),
)


def documented_parameters(docstring):
    """(name, type and default) for each entry of numpydoc's section Parameters."""
    docstring = inspect.cleandoc(docstring)
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", docstring, re.M | re.S
    )
    entries = []
    if section is None:
        return entries
    text = re.sub(r"\\\n\s*", "", section[1])  # lines that go on
    for line in text.splitlines():
        if line.strip() and not line.startswith(" "):
            names, _, kind = line.partition(" : ")
            entries += [(name.strip("* "), kind) for name in names.split(",")]
    return entries


def default_of(kind):
    """What stands behind "default=", as Python; a name or a word as it is."""
    found = re.search(r"default=(.+)$", kind)
    if found is None:
        return inspect.Parameter.empty
    if found[1] == "np.nan":
        return np.nan
    try:
        return ast.literal_eval(found[1])
    except (ValueError, SyntaxError):
        return found[1]


def public_callables():
    for module in MODULES:
        for name in module.__all__:
            thing = getattr(module, name)
            yield pytest.param(thing, id=f"{module.__name__}.{name}")
            if inspect.isclass(thing):
                for method in vars(thing):
                    # scikit-learn writes set_fit_request and its like.
                    if re.fullmatch(r"_.*|set_\w+_request", method):
                        continue
                    if callable(getattr(thing, method)):
                        own = f"{module.__name__}.{name}.{method}"
                        yield pytest.param(getattr(thing, method), id=own)


@pytest.mark.parametrize("thing", list(public_callables()))
def test_documented_parameters_are_those_of_the_signature(thing):
    documented = documented_parameters(thing.__doc__)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(thing).parameters.items()
        if name != "self"
    }
    assert [name for name, _ in documented] == list(parameters)
    for name, kind in documented:
        assert kind, f"{name} has no type"
        default = parameters[name].default
        assert default_of(kind) is default or default_of(kind) == default, name


@pytest.mark.parametrize("thing", list(public_callables()))
def test_first_line_is_one_sentence(thing):
    first = inspect.cleandoc(thing.__doc__).split("\n\n")[0]
    assert first.endswith(".")
    assert "\n" not in first
    assert "TODO" not in thing.__doc__


def test_every_learned_attribute_is_documented(fitted):
    docstring = inspect.cleandoc(type(fitted).__doc__)
    section = re.search(
        r"^Attributes\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", docstring, re.M | re.S
    )
    documented = set(re.findall(r"^(\w+) : ", section[1], re.M))
    learned = {name for name in vars(fitted) if name.endswith("_")}
    assert learned - {"feature_names_in_"} == documented - {"feature_names_in_"}


def test_the_reader_of_docstrings_sees_a_drift():
    def function(a, b=1, *, c="x", **d):
        """Do.

        Parameters
        ----------
        a : int
            With default=3 in its text.
        b : int or \\
                None, default=2
        c : {"x", "y"}, default="x"
        **d : dict

        Returns
        -------
        e : int, default=5
        """

    entries = dict(documented_parameters(function.__doc__))
    assert {name: default_of(kind) for name, kind in entries.items()} == {
        "a": inspect.Parameter.empty,
        "b": 2,
        "c": "x",
        "d": inspect.Parameter.empty,
    }
