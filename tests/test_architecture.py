"""The parts of the package and the direction of their imports."""

import ast
from pathlib import Path

import pytest

import skcnn

PACKAGE = Path(skcnn.__file__).parent
# Maps each subpackage to the subpackages that it may import (see CONTRIBUTING.md).
MAY_IMPORT = {
    "_utils": set(),
    "_network": {"_utils"},
    "_compiled": {"_utils", "_network"},
    "_checkpoint": {"_utils"},
    "_training": {"_utils", "_network", "_compiled", "_checkpoint"},
    "_fit": {"_utils", "_network", "_training", "_checkpoint"},
    "_classifier": {"_utils", "_network", "_training", "_fit"},
    "_presets": {"_classifier", "_network"},
    "_features": {"_utils", "_network", "_training", "_classifier"},
    "datasets": {"_utils"},
    "model_selection": {"_utils", "_classifier"},
    "inspection": {"_utils", "_network", "_training", "_classifier"},
    "display": {"_utils", "_network", "inspection", "model_selection"},
    "__init__": {"_classifier", "_features", "_presets"},
}


def part_of(path):
    """Return the name of the top-level folder or module that contains `path`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path):
    """Yield the parts of the package that a file imports anywhere in its code."""
    package = ["skcnn", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = [*base, *(node.module or "").split(".")] if node.module else base
            targets = [[*module, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for target in targets:
            if target[0] == "skcnn" and len(target) > 1:
                yield target[1], node.lineno


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_part_is_listed():
    assert {part_of(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_imports_point_in_one_direction(path):
    part = part_of(path)
    wrong = {
        f"line {line} imports {imported}"
        for imported, line in imported_parts(path)
        if imported != part and imported not in MAY_IMPORT[part]
    }
    assert not wrong


def test_relative_and_absolute_imports_are_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "_utils").mkdir()
    path = tmp_path / "_utils" / "_wrong.py"
    path.write_text(
        "from .._network import _build\nfrom ..display._search import draw\n"
        "import skcnn._training\nfrom skcnn import _classifier\n"
        "def late():\n    from .._compiled._steps import EpochRunner\n"
        "from . import _fixes\nfrom ._random import reseed\nimport numpy\n"
    )
    found = {part for part, _ in imported_parts(path)}
    assert found == {
        *("_network", "display", "_training", "_classifier", "_compiled", "_utils"),
    }


@pytest.mark.parametrize(
    "part", ["_utils", "_network", "_compiled", "_training", "_checkpoint"]
)
def test_each_private_part_says_what_it_may_import(part):
    docstring = ast.get_docstring(
        ast.parse((PACKAGE / part / "__init__.py").read_text(encoding="utf-8"))
    )
    said = {name for name in MAY_IMPORT if f"`{name}`" in docstring}
    assert said == MAY_IMPORT[part]
