"""Compare the parameters and defaults in the docstrings with the signatures."""

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
    """Return (name, type specification) of each entry in the Parameters section."""
    docstring = inspect.cleandoc(docstring)
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", docstring, re.M | re.S
    )
    entries = []
    if section is None:
        return entries
    text = re.sub(r"\\\n\s*", "", section[1])  # join continuation lines
    for line in text.splitlines():
        if line.strip() and not line.startswith(" "):
            names, _, spec = line.partition(" : ")
            entries += [(name.strip("* "), spec) for name in names.split(",")]
    return entries


def documented_default(spec):
    """Return the value after "default=", or its text if it is not a literal."""
    match = re.search(r"default=(.+)$", spec)
    if match is None:
        return inspect.Parameter.empty
    if match[1] == "np.nan":
        return np.nan
    try:
        return ast.literal_eval(match[1])
    except (ValueError, SyntaxError):
        return match[1]


def public_callables():
    for module in MODULES:
        for name in module.__all__:
            obj = getattr(module, name)
            yield pytest.param(obj, id=f"{module.__name__}.{name}")
            if inspect.isclass(obj):
                for method in vars(obj):
                    # scikit-learn generates set_fit_request and similar methods.
                    if re.fullmatch(r"_.*|set_\w+_request", method):
                        continue
                    if callable(getattr(obj, method)):
                        method_id = f"{module.__name__}.{name}.{method}"
                        yield pytest.param(getattr(obj, method), id=method_id)


@pytest.mark.parametrize("obj", list(public_callables()))
def test_documented_parameters_match_signature(obj):
    documented = documented_parameters(obj.__doc__)
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(obj).parameters.items()
        if name != "self"
    }
    assert [name for name, _ in documented] == list(parameters)
    for name, spec in documented:
        assert spec, f"{name} has no type"
        default = parameters[name].default
        in_docstring = documented_default(spec)
        assert in_docstring is default or in_docstring == default, name


@pytest.mark.parametrize("obj", list(public_callables()))
def test_summary_is_one_line(obj):
    summary = inspect.cleandoc(obj.__doc__).split("\n\n")[0]
    assert summary.endswith(".")
    assert "\n" not in summary
    assert "TODO" not in obj.__doc__


def test_fitted_attributes_are_documented(fitted):
    docstring = inspect.cleandoc(type(fitted).__doc__)
    section = re.search(
        r"^Attributes\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", docstring, re.M | re.S
    )
    documented = set(re.findall(r"^(\w+) : ", section[1], re.M))
    attributes = {name for name in vars(fitted) if name.endswith("_")}
    assert attributes - {"feature_names_in_"} == documented - {"feature_names_in_"}


def test_docstring_parser():
    def function(a, b=1, *, c="x", **d):
        """Do something.

        Parameters
        ----------
        a : int
            Description with default=3.
        b : int or \\
                None, default=2
        c : {"x", "y"}, default="x"
        **d : dict

        Returns
        -------
        e : int, default=5
        """

    entries = dict(documented_parameters(function.__doc__))
    assert {name: documented_default(spec) for name, spec in entries.items()} == {
        "a": inspect.Parameter.empty,
        "b": 2,
        "c": "x",
        "d": inspect.Parameter.empty,
    }
