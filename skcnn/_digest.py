"""One number for all that decides a fit: values, arrays, and the code of functions."""

import dis
import functools
import hashlib
import json
import mmap
import os
import platform
import site
import sys
import sysconfig
import time
import types
import weakref
from pathlib import Path

import numpy as np

# What is installed is known by its version; what is not, by its code.
_INSTALLED = tuple(
    str(path) + os.sep
    for folder in (
        *map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        site.getusersitepackages(),
        *(folder for folder in sys.path if folder.endswith("-packages")),
    )
    for path in {Path(folder), Path(folder).resolve()}
)
# Seconds for which a file that was written to is read again each time: its time may not
# tell of another writing right after.
_FRESH = 10.0
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
    return _digest(things, {})


def _digest(thing, seen):
    told = hashlib.sha256()
    try:
        _tell(thing, told.update, seen)
    except NotTold:
        raise
    except Exception as error:  # code of the user's, or contents without an end
        raise NotTold(f"{type(error).__name__}: {error}") from error
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
    elif type(thing) in (list, tuple, range):
        tell(f"sequence{len(thing)}:".encode())
        for item in thing:
            _tell(item, tell, seen)
    elif type(thing) in (set, frozenset):
        tell(b"set:")
        _tell(sorted(_digest(item, dict(seen)) for item in thing), tell, seen)
    elif type(thing) in (dict, types.MappingProxyType):
        tell(f"dict{len(thing)}:".encode())
        for item in thing.items():  # in their order, as a builder may go through them
            _tell(item, tell, seen)
    elif id(thing) in seen:  # a function that calls itself, for example
        tell(f"seen{seen[id(thing)][0]}:".encode())
    else:
        # Kept alive: another object would get the number of one that is gone.
        seen[id(thing)] = len(seen), thing
        _tell_object(thing, tell, seen)


def _tell_object(thing, tell, seen):
    if isinstance(thing, types.ModuleType):
        _tell_module(thing, tell, seen)
    elif isinstance(thing, types.CodeType):
        tell(b"code:")
        names = thing.co_names, thing.co_varnames, thing.co_freevars
        _tell((thing.co_code, thing.co_consts, names), tell, seen)
    elif isinstance(thing, functools.partial):
        _tell(("partial", thing.func, thing.args, thing.keywords), tell, seen)
    elif isinstance(thing, (types.MethodType, types.BuiltinMethodType)):
        function = getattr(thing, "__func__", None)
        about = thing.__name__, function, getattr(thing, "__self__", None)
        _tell(("method", *about), tell, seen)
    elif isinstance(thing, np.ufunc) and getattr(np, thing.__name__, None) is thing:
        tell(f"numpy.{thing.__name__}".encode())  # before NumPy 2 it has no module
        tell(_version("numpy"))
    elif isinstance(thing, (type, types.FunctionType)) and _is_installed(thing):
        tell(f"{thing.__module__}.{thing.__qualname__}".encode())
        tell(_version(thing.__module__))
    elif isinstance(thing, types.FunctionType):
        _tell_function(thing, tell, seen)
    elif isinstance(thing, type):
        tell(b"class:")
        members = {
            name: value
            for name, value in vars(thing).items()
            if name not in _NOT_OF_A_CLASS
            and not isinstance(value, types.GetSetDescriptorType)
        }
        _tell((thing.__qualname__, thing.__bases__, members), tell, seen)
    elif isinstance(thing, (staticmethod, classmethod)):
        _tell((type(thing).__name__, thing.__func__), tell, seen)
    elif isinstance(thing, property):
        _tell(("property", thing.fget, thing.fset), tell, seen)
    elif hasattr(thing, "__wrapped__"):  # of functools.cache, for example
        _tell((type(thing), thing.__wrapped__), tell, seen)
    else:
        _tell_instance(thing, tell, seen)


# What Python writes into classes, for itself.
_NOT_OF_A_CLASS = frozenset(
    {
        *("__dict__", "__weakref__", "__doc__", "__module__", "__slotnames__"),
        *("__firstlineno__", "__static_attributes__", "_abc_impl"),
    }
)


def _tell_function(function, tell, seen):
    """Its code, and the values that it has from around it."""
    globals_, imported = {}, {}
    for code in _codes(function.__code__):
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname == "IMPORT_NAME":
                imported[name] = sys.modules.get(name)
            elif (
                instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
                and name in function.__globals__
            ):
                globals_[name] = function.__globals__[name]
    cells = [_contents(cell) for cell in function.__closure__ or ()]
    tell(b"function:")
    _tell(
        (
            function.__code__,
            function.__defaults__,
            function.__kwdefaults__,
            cells,
            sorted(globals_.items()),
            sorted(imported.items()),
        ),
        tell,
        seen,
    )


def _codes(code):
    """A function's code, and that of functions and comprehensions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _contents(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return "a cell that is empty"


def _tell_module(module, tell, seen):
    tell(_version(module.__name__))
    if module.__name__ == "__main__" or _has_a_version(module):
        return
    _tell(Path(module.__file__).read_bytes(), tell, seen)
    modules = {}  # that it has imported, or something from
    for value in vars(module).values():
        name = getattr(value, "__module__", None) or ""
        of = value if isinstance(value, types.ModuleType) else sys.modules.get(name)
        if of is not None and of is not module:
            modules[of.__name__] = of
    _tell(sorted(modules.items()), tell, seen)


def _tell_instance(thing, tell, seen):
    """The class and what an object holds; of Keras' their configuration and weights."""
    config = getattr(thing, "get_config", None)
    if config is not None:
        excluded = getattr(thing, "_exclude_from_weight_decay_pattern", None)
        weights = [np.asarray(w) for w in getattr(thing, "weights", ())]
        pattern = getattr(excluded, "pattern", None)
        _tell((type(thing), config(), pattern, weights), tell, seen)
        return
    if isinstance(thing, (types.GeneratorType, types.CoroutineType)):
        raise NotTold(f"a {type(thing).__name__} has no contents to look at")
    reduced = thing.__reduce_ex__(2)
    if isinstance(reduced, str):
        raise NotTold(f"{thing!r} tells its name only")
    _, *about = reduced
    items = [None if part is None else list(part) for part in about[2:4]]
    _tell((type(thing), about[:2], items), tell, seen)


def _is_installed(thing):
    """Whether its name tells what it is, as it stands in a module that is installed."""
    name = thing.__module__ or ""
    module = found = sys.modules.get(name)
    if module is None or name == "__main__":
        return False
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    # Otherwise it was made by a function, or is of another module in truth.
    return found is thing and _has_a_version(module)


def _has_a_version(module):
    """Whether a module is ours, built in, or of a package that is installed."""
    file = getattr(module, "__file__", None)
    is_ours = module.__name__.partition(".")[0] == __package__
    return is_ours or file is None or str(file).startswith(_INSTALLED)


def _version(module_name):
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
    import scikeras
    import sklearn
    import tensorflow

    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        sources.update(path.read_bytes())
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "scikit-learn": sklearn.__version__,
        "scikeras": scikeras.__version__,
        __package__: sources.hexdigest(),
    }


# Arrays

_known = {}  # of files


def array_digest(array):
    """SHA-256 of an array's contents, in C order.

    A whole memory map in mode "r" of a file that was not written to just now is read
    once.
    """
    key = _of_a_file(array)
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


def _of_a_file(array):
    """What tells the contents of a memory map, or None."""
    if array.flags.writeable or not isinstance(array, np.memmap):
        return None
    if not isinstance(array.base, mmap.mmap) or not array.filename:
        return None
    try:
        file = Path(array.filename).stat()
    except OSError:  # removed, and mapped still
        return None
    if time.time() - file.st_mtime < _FRESH:
        return None
    return (
        *(str(array.filename), file.st_mtime_ns, file.st_size, file.st_ino),
        *(array.offset, array.dtype.str, array.shape, array.strides),
    )


def _bytes(array):
    """The memory of a contiguous array, whatever its dtype."""
    return memoryview(array.reshape(-1).view(np.uint8))
