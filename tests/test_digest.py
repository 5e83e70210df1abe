"""What decides a fit has one number, and what does not, does not change it."""

import collections
import dataclasses
import functools
import importlib
import os
import subprocess
import sys
import textwrap
import types

import joblib
import numpy as np
import pytest

from skcnn import _digest
from skcnn._digest import NotTold, digest


def defined(source, name="build", **around):
    """A function of a module that is nowhere installed."""
    module = types.ModuleType("a_users_module")
    module.__dict__.update(around)
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
        (defined(BUILD), defined(BUILD)),
        (
            defined(BUILD),
            defined(BUILD.replace("return [", "# says why\n        return [")),
        ),
    ],
)
def test_same_contents_have_the_same_number(one, other):
    assert digest(one) == digest(other)
    assert len(digest(one)) == 32


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
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),  # a builder may go through them
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
            (defined(BUILD), defined(BUILD.replace(was, becomes)))
            for was, becomes in [
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
def test_other_contents_have_another_number(one, other):
    assert digest(one) != digest(other)


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


def test_what_functions_and_objects_hold_counts():
    assert digest(closure(1)) == digest(closure(1)) != digest(closure(2))
    assert digest(Scaled(1)) == digest(Scaled(1)) != digest(Scaled(2))
    assert digest(Scaled(1).__call__) != digest(Scaled(2).__call__)
    other = type("Scaled", (), {**vars(Scaled), "factor": 3})
    assert digest(Scaled(1)) != digest(other(1))


def test_functions_that_call_each_other():
    source = """
        def build(n):
            return other(n - 1) if n else 0
        def other(n):
            return build(n)
    """
    changed = source.replace("build(n)\n", "build(n) + 1\n")
    assert digest(defined(source)) == digest(defined(source))
    assert digest(defined(source)) != digest(defined(changed))


def test_versions_of_what_is_installed_count(monkeypatch):
    before = digest(joblib.hash)
    monkeypatch.setattr(joblib, "__version__", "0.0")
    assert digest(joblib.hash) != before


@functools.cache
def cached_one():
    return 1


cached_two = functools.cache(lambda: 2)


@dataclasses.dataclass
class Settings:
    units: int = 3


def test_what_is_around_a_function_and_in_objects_counts():
    assert digest(cached_one) != digest(cached_two)
    assert digest(Settings(3)) == digest(Settings(3)) != digest(Settings(4))
    # Made by a function of an installed module, and told by what it holds.
    cached, other = (functools.partial(np.add.reduce, axis=n) for n in (0, 1))
    assert digest(cached) != digest(other)


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
    told = []
    for n in (1, 2, 1):
        file = tmp_path / f"{name}.py"
        file.write_text(f"def small():\n    return {n}\n" + "\n" * n)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        importlib.import_module(name)
        told.append(digest(defined(code)))
    del sys.modules[name]
    assert told[0] == told[2] != told[1]


def test_contents_without_an_end_are_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(NotTold, match="RecursionError"):
        digest(endless)


@pytest.mark.parametrize("thing", [(n for n in [1]), open(__file__)], ids=type)  # noqa: SIM115
def test_what_cannot_be_told_is_refused(thing):
    with pytest.raises(NotTold):
        digest(thing)


def test_another_process_has_the_same_number():
    code = (
        "from skcnn._digest import digest; import numpy as np; "
        "f = lambda x: x in {'a', 'b', 'c', 'd'}; "
        "print(digest({'a', 'b', 'c'}, f, {'k': np.arange(5)}, np.sin))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


# Arrays


@pytest.fixture
def n_bytes(monkeypatch):
    """How many bytes of arrays were read."""
    read = []
    original = _digest._bytes

    def recorded(array):
        read.append(array.nbytes)
        return original(array)

    monkeypatch.setattr(_digest, "_bytes", recorded)
    return lambda: sum(read)


def aged(path):
    """As if it had been written a minute ago."""
    before = path.stat().st_mtime - 60
    os.utime(path, (before, before))


def test_memory_maps_of_files_are_read_once(n_bytes, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.arange(100))
    aged(path)
    mapped = np.load(path, mmap_mode="r")
    assert digest(mapped) == digest(mapped) == digest(np.load(path, mmap_mode="r"))
    assert n_bytes() == 800
    assert digest(mapped) == digest(np.arange(100))
    assert digest(mapped[1:]) != digest(mapped)
    assert digest(mapped[:50]) == digest(np.arange(50))


def test_what_has_changed_is_read_again(tmp_path):
    X = np.arange(100)
    before = digest(X)
    X[7] += 1
    assert digest(X) != before
    X.flags.writeable = False
    before = digest(X)
    X.flags.writeable = True
    X[7] += 1
    X.flags.writeable = False
    assert digest(X) != before

    path = tmp_path / "X.npy"
    np.save(path, X)
    aged(path)
    mapped = np.load(path, mmap_mode="r")
    before = digest(mapped)
    writing = np.load(path, mmap_mode="r+")
    writing[7] += 1
    writing.flush()
    assert digest(mapped) != before
    path.unlink()
    assert digest(mapped) == digest(np.asarray(writing))


def test_numbers_of_files_that_are_mapped_no_more_are_forgotten(tmp_path):
    n_known = len(_digest._known)
    for n in range(3):
        path = tmp_path / f"{n}.npy"
        np.save(path, np.arange(100))
        aged(path)
        mapped = np.load(path, mmap_mode="r")
        digest(mapped)
    assert len(_digest._known) > n_known
    del mapped
    assert len(_digest._known) == n_known
