"""What decides a fit has one number, and what does not, does not change it."""

import functools
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
        return [helper(units), rate, {"a", "b"}, (lambda: 1)()]
"""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], (1, 2)),
        (1, np.int64(1)),
        (0.1, np.float64(0.1)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
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


def test_what_nobody_can_write_to_is_read_once(n_bytes, tmp_path):
    np.save(tmp_path / "X.npy", np.arange(100))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    locked = np.arange(100)
    locked.flags.writeable = False
    assert digest(mapped) == digest(locked) == digest(mapped) == digest(locked)
    assert digest(np.load(tmp_path / "X.npy", mmap_mode="r")) == digest(locked)
    assert n_bytes() == 2 * 800
    assert digest(mapped[1:]) != digest(mapped)
    assert digest(mapped[:50]) == digest(np.arange(50))


def test_what_has_changed_is_read_again(tmp_path):
    X = np.arange(100)
    before = digest(X)
    X[7] += 1
    assert digest(X) != before
    np.save(tmp_path / "X.npy", X)
    before = digest(np.load(tmp_path / "X.npy", mmap_mode="r"))
    np.save(tmp_path / "X.npy", X + 1)
    assert digest(np.load(tmp_path / "X.npy", mmap_mode="r")) != before


def test_numbers_of_arrays_that_are_gone_are_forgotten():
    n_known = len(_digest._known)
    for _ in range(3):
        X = np.arange(100)
        X.flags.writeable = False
        digest(X)
    del X
    assert len(_digest._known) == n_known
