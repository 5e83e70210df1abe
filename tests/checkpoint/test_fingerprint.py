"""Fingerprints are equal if and only if the inputs determine the same fit."""

import collections
import dataclasses
import functools
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import joblib
import numpy as np
import pytest

import skcnn
from skcnn._checkpoint import _fingerprint
from skcnn._checkpoint._fingerprint import (
    UnhashableError,
    fingerprint,
    sources_sha256,
    versions,
)


def define(source, name="build", **namespace):
    """Return a function that belongs to a module that is not installed."""
    module = types.ModuleType("a_users_module")
    module.__dict__.update(namespace)
    exec(textwrap.dedent(source), module.__dict__)
    return module.__dict__[name]


BUILD = """
    import math
    UNITS = 4
    def helper(n):
        return math.floor(n) + UNITS
    def build(units=3, *, rate=0.5):
        inner = [WIDTH + n for n in range(3)]
        return [helper(units), rate, {"a", "b"}, (lambda: 1)(), (lambda: DEPTH)()]
    WIDTH, DEPTH = 7, 8
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], (1, 2)),
        (1, np.int64(1)),
        (0.1, np.float64(0.1)),
        ({1, 2, 3}, {3, 2, 1}),
        (np.arange(9).reshape(3, 3)[:, ::2], np.array([[0, 2], [3, 5], [6, 8]])),
        (np.asfortranarray(np.eye(3)), np.eye(3)),
        (np.array(["a", "b"], object), np.array(["a", "b"], object)),
        (functools.partial(int, base=2), functools.partial(int, base=2)),
        (define(BUILD), define(BUILD)),
        (
            define(BUILD),
            define(BUILD.replace("return [", "# a comment\n        return [")),
        ),
    ],
)
def test_same_contents_have_the_same_fingerprint(one, other):
    assert fingerprint(one) == fingerprint(other)
    assert len(fingerprint(one)) == 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        ("ab", b"ab"),
        (["a", "b"], ["ab"]),
        ([1, [2]], [[1], 2]),
        ([None], []),
        ({"a": 1}, {"a": 2}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # key order may affect a builder
        (collections.deque([1]), collections.deque([2])),
        (collections.OrderedDict(a=1), {"a": 1}),
        (np.zeros(3), np.zeros(3, np.float32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([1, 2], np.uint8), np.array([2, 1], np.uint8)),
        (np.array(["a", "b"], object), np.array(["a", "c"], object)),
        (functools.partial(int, base=2), functools.partial(int, base=3)),
        (int, float),
        (np.sin, np.cos),
        *(
            (define(BUILD), define(BUILD.replace(old, new)))
            for old, new in [
                ("UNITS = 4", "UNITS = 5"),
                ("= 7, 8", "= 6, 8"),
                ("= 7, 8", "= 7, 9"),
                ("floor", "ceil"),
                ("units=3", "units=2"),
                ("rate=0.5", "rate=0.6"),
                ("lambda: 1", "lambda: 2"),
                ('"b"', '"c"'),
                ("n) + UNITS", "n) - UNITS"),
            ]
        ),
    ],
)
def test_different_contents_have_different_fingerprints(one, other):
    assert fingerprint(one) != fingerprint(other)


def closure(n):
    return lambda: n


class Scaled:
    factor = 2

    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return x * self.by

    @property
    def twice(self):
        return self.by * 2


def test_values_in_closures_and_objects_count():
    assert fingerprint(closure(1)) == fingerprint(closure(1)) != fingerprint(closure(2))
    assert fingerprint(Scaled(1)) == fingerprint(Scaled(1)) != fingerprint(Scaled(2))
    assert fingerprint(Scaled(1).__call__) != fingerprint(Scaled(2).__call__)
    other = type("Scaled", (), {**vars(Scaled), "factor": 3})
    assert fingerprint(Scaled(1)) != fingerprint(other(1))


def test_functions_that_call_each_other():
    source = """
        def build(n):
            return other(n - 1) if n else 0
        def other(n):
            return build(n)
    """
    changed = source.replace("build(n)\n", "build(n) + 1\n")
    assert fingerprint(define(source)) == fingerprint(define(source))
    assert fingerprint(define(source)) != fingerprint(define(changed))


@functools.cache
def cached_one():
    return 1


cached_two = functools.cache(lambda: 2)


@dataclasses.dataclass
class Params:
    units: int = 3


def test_wrapped_functions_and_dataclasses_count():
    assert fingerprint(cached_one) != fingerprint(cached_two)
    assert fingerprint(Params(3)) == fingerprint(Params(3)) != fingerprint(Params(4))
    one, other = (functools.partial(np.add.reduce, axis=n) for n in (0, 1))
    assert fingerprint(one) != fingerprint(other)


def test_versions_of_installed_packages_count(monkeypatch):
    before = fingerprint(joblib.hash)
    monkeypatch.setattr(joblib, "__version__", "0.0")
    assert fingerprint(joblib.hash) != before


@pytest.mark.parametrize("how", ["import", "import in the function", "from"])
def test_modules_that_are_not_installed_count(tmp_path, monkeypatch, how):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"nets_{how.replace(' ', '_')}"
    code = {
        "import": f"import {name}\ndef build():\n    return {name}.small()",
        "import in the function": (
            f"def build():\n    from {name} import small\n    return small()"
        ),
        "from": f"from {name} import small\ndef build():\n    return small()",
    }[how]
    fingerprints = []
    for n in (1, 2, 1):
        file = tmp_path / f"{name}.py"
        file.write_text(f"def small():\n    return {n}\n" + "\n" * n)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        importlib.import_module(name)
        fingerprints.append(fingerprint(define(code)))
    del sys.modules[name]
    assert fingerprints[0] == fingerprints[2] != fingerprints[1]


def test_endless_contents_are_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(UnhashableError, match="RecursionError"):
        fingerprint(endless)


@pytest.mark.parametrize("thing", [(n for n in [1]), open(__file__)], ids=type)  # noqa: SIM115
def test_things_without_fixed_contents_are_refused(thing):
    with pytest.raises(UnhashableError):
        fingerprint(thing)


def test_other_process_has_the_same_fingerprint():
    code = (
        "from skcnn._checkpoint._fingerprint import fingerprint; import numpy as np; "
        "f = lambda x: x in {'a', 'b', 'c', 'd'}; "
        "print(fingerprint({'a', 'b', 'c'}, f, {'k': np.arange(5)}, np.sin))"
    )
    fingerprints = {
        subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(fingerprints) == 1


# The source code of the skcnn package

PACKAGE = Path(skcnn.__file__).parent


@pytest.fixture
def copied_package(tmp_path):
    """Return the path of a copy of skcnn's source code."""
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, tmp_path / "skcnn", ignore=ignore))


def module_paths():
    """Yield the paths of all modules of skcnn that Python's import system finds."""
    for module in pkgutil.walk_packages([str(PACKAGE)], prefix="skcnn."):
        path = Path(*module.name.split(".")[1:])
        yield path / "__init__.py" if module.ispkg else path.with_suffix(".py")


def test_version_of_skcnn_covers_all_its_modules(copied_package):
    uncached_versions = versions.__wrapped__
    before = uncached_versions()["skcnn"]
    assert sources_sha256(copied_package) == before
    paths = ["__init__.py", *module_paths()]
    assert {"_checkpoint/_store.py", "_compiled/_cache.py", "display/__init__.py"} <= {
        Path(path).as_posix() for path in paths
    }
    for path in paths:
        source = (copied_package / path).read_bytes()
        (copied_package / path).write_bytes(source + b"\n")
        assert sources_sha256(copied_package) != before, path
        (copied_package / path).write_bytes(source)
    assert sources_sha256(copied_package) == before


def test_renamed_source_file_changes_the_version(copied_package):
    before = sources_sha256(copied_package)
    path = copied_package / "_checkpoint" / "_lock.py"
    path.rename(path.with_name("_locks.py"))
    assert sources_sha256(copied_package) != before
    path.with_name("_locks.py").rename(path)
    assert sources_sha256(copied_package) == before
    path.rename(copied_package / "_lock.py")  # same name in a different folder
    assert sources_sha256(copied_package) != before


# Arrays


@pytest.fixture
def n_bytes_read(monkeypatch):
    """Return a function that returns the number of array bytes hashed so far."""
    sizes = []
    buffer = _fingerprint._buffer

    def recorded(array):
        sizes.append(array.nbytes)
        return buffer(array)

    monkeypatch.setattr(_fingerprint, "_buffer", recorded)
    return lambda: sum(sizes)


def make_older(path):
    """Set the modification time to one minute ago."""
    minute_ago = path.stat().st_mtime - 60
    os.utime(path, (minute_ago, minute_ago))


def test_memory_map_is_read_once(n_bytes_read, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.arange(100))
    make_older(path)
    mapped = np.load(path, mmap_mode="r")
    expected = fingerprint(mapped)
    assert fingerprint(mapped) == expected
    assert fingerprint(np.load(path, mmap_mode="r")) == expected
    assert n_bytes_read() == 800
    assert fingerprint(np.arange(100)) == expected
    assert fingerprint(mapped[1:]) != expected
    assert fingerprint(mapped[:50]) == fingerprint(np.arange(50))


def test_changed_array_has_another_fingerprint():
    X = np.arange(100)
    before = fingerprint(X)
    X[7] += 1
    assert fingerprint(X) != before
    X.flags.writeable = False
    before = fingerprint(X)
    X.flags.writeable = True
    X[7] += 1
    X.flags.writeable = False
    assert fingerprint(X) != before


def test_changed_file_of_memory_map_is_read_again(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.arange(100))
    make_older(path)
    mapped = np.load(path, mmap_mode="r")
    before = fingerprint(mapped)
    writable = np.load(path, mmap_mode="r+")
    writable[7] += 1
    writable.flush()
    assert fingerprint(mapped) != before
    path.unlink()
    assert fingerprint(mapped) == fingerprint(np.asarray(writable))


def test_hashes_of_closed_memory_maps_are_forgotten(tmp_path):
    n_remembered = len(_fingerprint._remembered)
    for n in range(3):
        path = tmp_path / f"{n}.npy"
        np.save(path, np.arange(100))
        make_older(path)
        mapped = np.load(path, mmap_mode="r")
        fingerprint(mapped)
    assert len(_fingerprint._remembered) > n_remembered
    del mapped
    assert len(_fingerprint._remembered) == n_remembered
