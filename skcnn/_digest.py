"""One number for all that decides a fit: values, arrays, and the code of functions."""

import functools
import hashlib
import inspect
import json
import mmap
import os
import platform
import sys
import sysconfig
import types
import weakref
from pathlib import Path

import numpy as np

# What is installed is known by its version; what is not, by its code.
_INSTALLED = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) + os.sep
    for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_PIECE = 2**24  # bytes of an array that are copied at a time, where it has gaps


class NotTold(TypeError):
    """There is something whose contents cannot be told."""


def digest(*things):
    """A number of 32 hexadecimal digits, the same for the same contents.

    Parameters
    ----------
    *things : object
        Numbers, strings, arrays, containers of them; functions, classes and objects:
        of what is installed the name and the version count, of all else the code,
        with the values that it refers to; where a line stands and what a comment says
        does not. Lists and tuples of the same items are the same, and so are numbers of
        Python and of NumPy.

    Raises
    ------
    NotTold
        For what has no contents to look at, such as a generator or an open file.
    """
    told = hashlib.sha256()
    _tell(things, told.update, {})
    return told.hexdigest()[:32]


def _tell(thing, tell, seen):
    """Call `tell` with bytes that tell `thing` from all others."""
    if isinstance(thing, np.generic):
        thing = thing.item()
    if isinstance(thing, np.ndarray):
        tell(f"array{thing.dtype.str}{thing.shape}:".encode())
        if thing.dtype.hasobject:
            _tell(thing.tolist(), tell, seen)
        else:
            tell(array_digest(thing))
    elif (
        thing is None
        or thing is ...
        or isinstance(thing, (bool, int, float, complex, str, bytes))
    ):
        text = f"{type(thing).__name__}{thing!r}".encode()
        tell(f"{len(text)}:".encode() + text)
    elif isinstance(thing, (list, tuple, range)):
        tell(f"sequence{len(thing)}:".encode())
        for item in thing:
            _tell(item, tell, seen)
    elif isinstance(thing, (set, frozenset)):
        tell(b"set:")
        _tell(sorted(digest(item) for item in thing), tell, seen)
    elif isinstance(thing, dict):
        tell(b"dict:")
        by_key = {digest(key): value for key, value in thing.items()}
        for key in sorted(by_key):
            tell(key.encode())
            _tell(by_key[key], tell, seen)
    elif id(thing) in seen:  # a function that calls itself, for example
        tell(f"seen{seen[id(thing)]}:".encode())
    else:
        seen[id(thing)] = len(seen)
        _tell_object(thing, tell, seen)


def _tell_object(thing, tell, seen):
    if isinstance(thing, types.ModuleType):
        tell(_installed(thing.__name__))
    elif isinstance(thing, types.CodeType):
        tell(b"code:")
        _tell(
            (thing.co_code, thing.co_consts, thing.co_names, thing.co_varnames),
            tell,
            seen,
        )
    elif isinstance(thing, functools.partial):
        _tell(("partial", thing.func, thing.args, thing.keywords), tell, seen)
    elif isinstance(thing, (types.MethodType, types.BuiltinMethodType)):
        name = thing.__name__
        _tell(("method", name, getattr(thing, "__self__", None)), tell, seen)
        if isinstance(thing, types.MethodType):
            _tell(thing.__func__, tell, seen)
    elif isinstance(thing, (type, types.FunctionType, np.ufunc)) and _is_installed(
        thing
    ):
        tell(f"{thing.__module__}.{thing.__qualname__}".encode())
        tell(_installed(thing.__module__))
    elif isinstance(thing, types.FunctionType):
        _tell_function(thing, tell, seen)
    elif isinstance(thing, type):
        tell(b"class:")
        members = {
            name: value
            for name, value in vars(thing).items()
            if name not in ("__dict__", "__weakref__", "__doc__", "__module__")
            and not isinstance(value, (types.GetSetDescriptorType,))
        }
        _tell((thing.__qualname__, thing.__bases__, members), tell, seen)
    elif isinstance(thing, (staticmethod, classmethod)):
        _tell((type(thing).__name__, thing.__func__), tell, seen)
    elif isinstance(thing, property):
        _tell(("property", thing.fget, thing.fset), tell, seen)
    else:
        _tell_instance(thing, tell, seen)


def _tell_function(function, tell, seen):
    """Its code, and the values that it has from around it."""
    variables = inspect.getclosurevars(function)
    tell(b"function:")
    _tell(
        (
            function.__code__,
            function.__defaults__,
            function.__kwdefaults__,
            variables.nonlocals,
            variables.globals,
        ),
        tell,
        seen,
    )


def _tell_instance(thing, tell, seen):
    """The class and what an object holds; of Keras' objects their configuration."""
    config = getattr(thing, "get_config", None)
    if config is not None:
        excluded = getattr(thing, "_exclude_from_weight_decay_pattern", None)
        told = (type(thing), config(), getattr(excluded, "pattern", None))
    elif isinstance(thing, (types.GeneratorType, types.CoroutineType)):
        raise NotTold(f"a {type(thing).__name__} has no contents to look at")
    else:
        try:
            reduced = thing.__reduce_ex__(2)
        except TypeError as error:
            raise NotTold(str(error)) from None
        told = (type(thing), reduced if isinstance(reduced, str) else reduced[1:3])
    _tell(told, tell, seen)


def _is_installed(thing):
    name = thing.__module__ or ""
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return False
    if name.partition(".")[0] == __package__:
        return True
    file = getattr(module, "__file__", None)
    return file is None or str(Path(file).resolve()).startswith(_INSTALLED)


def _installed(module_name):
    """What tells an installed module: its package's name and version."""
    package = module_name.partition(".")[0]
    version = getattr(sys.modules.get(package), "__version__", "")
    return json.dumps(["module", module_name, str(version)]).encode()


@functools.cache
def versions():
    """Of Python and of the packages that decide a fit, as a dict of strings.

    skcnn's own is what its files say, as a checkout may be of any commit.
    """
    import keras
    import tensorflow

    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        __package__: sources.hexdigest(),
    }


# Arrays

_known = {}  # of arrays and files that nobody can write to


def array_digest(array):
    """SHA-256 of an array's contents, in C order.

    What cannot be written to, an array of its own or a whole memory map in mode "r",
    is read once.
    """
    key = None
    if not array.flags.writeable:
        if array.base is None:
            key = id(array)
        elif isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            file = Path(array.filename).stat() if array.filename else None
            if file is not None:
                key = (
                    *(str(array.filename), file.st_mtime_ns, file.st_size, file.st_ino),
                    *(array.offset, array.dtype.str, array.shape, array.strides),
                )
    if key in _known:
        return _known[key]
    told = hashlib.sha256()
    if array.flags.c_contiguous:
        told.update(_bytes(array))
    else:
        rows = max(1, _PIECE * len(array) // max(1, array.nbytes))
        for start in range(0, len(array), rows):
            told.update(_bytes(np.ascontiguousarray(array[start : start + rows])))
    if key is not None:
        _known[key] = told.digest()
        weakref.finalize(array, _known.pop, key, None)
    return told.digest()


def _bytes(array):
    """The memory of a contiguous array, whatever its dtype."""
    return memoryview(array.reshape(-1).view(np.uint8))
