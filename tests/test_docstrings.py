"""Run the examples in the docstrings of the package as doctests."""

import doctest
import importlib
import pkgutil

import pytest

import skcnn

MODULES = [
    "skcnn",
    *(module.name for module in pkgutil.walk_packages(skcnn.__path__, "skcnn.")),
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # examples may write files
    module = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, optionflags=options)
    assert result.failed == 0, "see the failed examples in the captured output"
