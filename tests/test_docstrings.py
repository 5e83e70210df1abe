"""Every example in a docstring of the package prints what it says."""

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
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example writes goes away with the test
    module = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(module, optionflags=options)
    assert result.failed == 0, "the examples that failed are in the captured output"
