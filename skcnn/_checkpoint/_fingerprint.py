"""Fingerprints: hashes of the contents of values, arrays and code.

The result of a stored fit may be loaded for a new fit only if everything that
determines the result is the same for both. This includes the parameters, the data, the
seed, the package versions, the code of the user's builder, and everything that this
code refers to. A fingerprint is a hash of all of these. Installed code is identified by
its name and version. All other code is identified by its contents, so that editing a
builder, or a function that it calls, changes the fingerprint.
"""

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

from .._utils._fixes import weight_decay_exclusions

_PACKAGE_NAME = __package__.partition(".")[0]
_PACKAGE_FOLDER = Path(__file__).resolve().parents[1]
# Modules in these folders are identified by their package's version.
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
# Do not remember the hash of a file that was modified less than this many seconds ago.
# The file system's clock may be too coarse to reveal another modification.
_RECENT = 10.0
_CHUNK_BYTES = 2**24  # non-contiguous arrays are copied in chunks of this size


class UnhashableError(TypeError):
    """Raised if the contents of an object cannot be determined."""


def fingerprint(*things):
    """Return a hash of the contents of the given objects, as 32 hexadecimal digits.

    Parameters
    ----------
    *things : object
        Numbers, strings, arrays, containers of these, functions, classes and other
        objects. Installed code is identified by its name and version. Other code is
        identified by its bytecode and the values that it refers to, so comments and
        line numbers do not matter. Lists and tuples of the same items have the same
        hash, and so do Python and NumPy scalars of the same value and kind.

    Returns
    -------
    str

    Raises
    ------
    UnhashableError
        If an object, such as a generator or an open file, has no contents to hash.
    """
    return _fingerprint(things, {})


def _fingerprint(thing, seen):
    hasher = _Hasher(seen)
    try:
        hasher.update(thing)
    except UnhashableError:
        raise
    except Exception as error:  # the user's code fails or recurses infinitely
        raise UnhashableError(f"{type(error).__name__}: {error}") from error
    return hasher.sha256.hexdigest()[:32]


class _Hasher:
    """Feeds objects to a hash, each after a prefix that identifies its kind.

    Parameters
    ----------
    seen : dict
        Maps the id of each object hashed so far to a sequence number and the object.
    """

    def __init__(self, seen):
        self.sha256 = hashlib.sha256()
        self._seen = seen

    def update(self, thing):
        """Add an object of any kind to the hash."""
        add = self.sha256.update
        if isinstance(thing, np.generic):
            thing = thing.item()
        if isinstance(thing, np.ndarray):
            add(f"array{thing.dtype.str}{thing.shape}:".encode())
            if thing.dtype.hasobject:
                self.update(thing.tolist())
            else:
                add(array_sha256(thing))
        elif (
            thing is None
            or thing is ...
            or isinstance(thing, (bool, int, float, complex, str, bytes))
        ):
            text = f"{type(thing).__name__}{thing!r}".encode()
            add(f"{len(text)}:".encode() + text)
        elif type(thing) in (list, tuple, range):
            add(f"sequence{len(thing)}:".encode())
            for item in thing:
                self.update(item)
        elif type(thing) in (set, frozenset):
            add(b"set:")
            self.update(sorted(_fingerprint(item, dict(self._seen)) for item in thing))
        elif type(thing) in (dict, types.MappingProxyType):
            add(f"dict{len(thing)}:".encode())
            for item in thing.items():  # keep the order, which may affect a builder
                self.update(item)
        elif id(thing) in self._seen:  # for example, in a function that calls itself
            add(f"seen{self._seen[id(thing)][0]}:".encode())
        else:
            # The reference keeps the object alive, so that its id is not reused.
            self._seen[id(thing)] = len(self._seen), thing
            self._update_object(thing)

    def _update_object(self, thing):
        add = self.sha256.update
        if isinstance(thing, types.ModuleType):
            self._update_module(thing)
        elif isinstance(thing, types.CodeType):
            add(b"code:")
            names = thing.co_names, thing.co_varnames, thing.co_freevars
            self.update((thing.co_code, thing.co_consts, names))
        elif isinstance(thing, functools.partial):
            self.update(("partial", thing.func, thing.args, thing.keywords))
        elif isinstance(thing, (types.MethodType, types.BuiltinMethodType)):
            function = getattr(thing, "__func__", None)
            owner = getattr(thing, "__self__", None)
            self.update(("method", thing.__name__, function, owner))
        elif isinstance(thing, np.ufunc) and getattr(np, thing.__name__, None) is thing:
            add(f"numpy.{thing.__name__}".encode())  # no __module__ before NumPy 2
            add(_version("numpy"))
        elif isinstance(thing, (type, types.FunctionType)) and _is_installed(thing):
            add(f"{thing.__module__}.{thing.__qualname__}".encode())
            add(_version(thing.__module__))
        elif isinstance(thing, types.FunctionType):
            self._update_function(thing)
        elif isinstance(thing, type):
            add(b"class:")
            members = {
                name: value
                for name, value in vars(thing).items()
                if name not in _NOT_CLASS_CONTENTS
                and not isinstance(value, types.GetSetDescriptorType)
            }
            self.update((thing.__qualname__, thing.__bases__, members))
        elif isinstance(thing, (staticmethod, classmethod)):
            self.update((type(thing).__name__, thing.__func__))
        elif isinstance(thing, property):
            self.update(("property", thing.fget, thing.fset))
        elif hasattr(thing, "__wrapped__"):  # set by functools.cache, for example
            self.update((type(thing), thing.__wrapped__))
        else:
            self._update_instance(thing)

    def _update_function(self, function):
        """Add a function to the hash: its code and the values that it refers to."""
        globals_, imported = {}, {}
        for code in _nested_codes(function.__code__):
            for instruction in dis.get_instructions(code):
                name = instruction.argval
                if instruction.opname == "IMPORT_NAME":
                    imported[name] = sys.modules.get(name)
                elif (
                    instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
                    and name in function.__globals__
                ):
                    globals_[name] = function.__globals__[name]
        cells = [_cell_contents(cell) for cell in function.__closure__ or ()]
        self.sha256.update(b"function:")
        self.update(
            (
                function.__code__,
                function.__defaults__,
                function.__kwdefaults__,
                cells,
                sorted(globals_.items()),
                sorted(imported.items()),
            )
        )

    def _update_module(self, module):
        """Add a module to the hash, with its contents unless it is installed."""
        self.sha256.update(_version(module.__name__))
        if module.__name__ == "__main__" or _has_version(module):
            return
        self.update(Path(module.__file__).read_bytes())
        modules = {}
        for value in vars(module).values():
            name = getattr(value, "__module__", None) or ""
            is_module = isinstance(value, types.ModuleType)
            other = value if is_module else sys.modules.get(name)
            if other is not None and other is not module:
                modules[other.__name__] = other
        self.update(sorted(modules.items()))

    def _update_instance(self, thing):
        """Add an object's class and its state or Keras configuration to the hash."""
        config = getattr(thing, "get_config", None)
        if config is not None:
            _, excluded = weight_decay_exclusions(thing)
            weights = [np.asarray(w) for w in getattr(thing, "weights", ())]
            self.update((type(thing), config(), excluded, weights))
            return
        if isinstance(thing, (types.GeneratorType, types.CoroutineType)):
            raise UnhashableError(f"a {type(thing).__name__} has no fixed contents")
        reduced = thing.__reduce_ex__(2)
        if isinstance(reduced, str):
            raise UnhashableError(f"{thing!r} pickles as its name only")
        _, *contents = reduced
        items = [None if part is None else list(part) for part in contents[2:4]]
        self.update((type(thing), contents[:2], items))


# Entries that Python itself adds to a class's namespace.
_NOT_CLASS_CONTENTS = frozenset(
    {
        *("__dict__", "__weakref__", "__doc__", "__module__", "__slotnames__"),
        *("__firstlineno__", "__static_attributes__", "_abc_impl"),
    }
)


def _nested_codes(code):
    """Yield a function's code object and those of all functions defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested_codes(constant)


def _cell_contents(cell):
    try:
        return cell.cell_contents
    except ValueError:
        return "an empty cell"


def _is_installed(thing):
    """Return whether the qualified name of `thing` identifies installed code."""
    name = thing.__module__ or ""
    module = found = sys.modules.get(name)
    if module is None or name == "__main__":
        return False
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    # If a different object has this name, `thing` is a copy or was made by a function.
    return found is thing and _has_version(module)


def _has_version(module):
    """Return whether a module is built in, part of skcnn, or installed as a package."""
    file = getattr(module, "__file__", None)
    is_ours = module.__name__.partition(".")[0] == _PACKAGE_NAME
    return is_ours or file is None or str(file).startswith(_INSTALLED)


def _version(module_name):
    """Return the name of an installed module and the version of its package."""
    package = module_name.partition(".")[0]
    version = getattr(sys.modules.get(package), "__version__", "")
    return json.dumps(["module", module_name, str(version)]).encode()


@functools.cache
def versions():
    """Return the versions of Python and of all packages that affect the result of fits.

    The version of skcnn is replaced by a hash of its source files, because a Git
    checkout may be at any commit and have local changes.

    Returns
    -------
    dict of str to str
    """
    import keras
    import scikeras
    import sklearn
    import tensorflow

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "tensorflow": tensorflow.__version__,
        "keras": keras.__version__,
        "scikit-learn": sklearn.__version__,
        "scikeras": scikeras.__version__,
        _PACKAGE_NAME: sources_sha256(_PACKAGE_FOLDER),
    }


def sources_sha256(folder):
    """Return the SHA-256 of the paths and contents of Python files below a folder."""
    hasher = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        hasher.update(f"{name}:{len(source)}:".encode() + source)
    return hasher.hexdigest()


# Arrays

_remembered = {}  # hashes of memory maps


def array_sha256(array):
    """Return the SHA-256 of an array's values in C order.

    A memory map that was opened in mode "r" is read only once, because its hash is
    remembered as long as the map exists. This does not apply to slices of a memory map,
    nor to a file that was modified only seconds ago.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    bytes
    """
    key = _file_key(array)
    if key in _remembered:
        return _remembered[key]
    sha256 = hashlib.sha256()
    if array.flags.c_contiguous:
        sha256.update(_buffer(array))
    else:
        rows = max(1, _CHUNK_BYTES * len(array) // max(1, array.nbytes))
        for start in range(0, len(array), rows):
            sha256.update(_buffer(np.ascontiguousarray(array[start : start + rows])))
    if key is not None:
        _remembered[key] = sha256.digest()
        weakref.finalize(array, _remembered.pop, key, None)
    return sha256.digest()


def _file_key(array):
    """Return a key for remembering the hash of a memory map, or None if impossible."""
    if array.flags.writeable or not isinstance(array, np.memmap):
        return None
    if not isinstance(array.base, mmap.mmap) or not array.filename:
        return None
    try:
        file = Path(array.filename).stat()
    except OSError:  # the file was deleted, but is still mapped
        return None
    if time.time() - file.st_mtime < _RECENT:
        return None
    return (
        *(str(array.filename), file.st_mtime_ns, file.st_size, file.st_ino),
        *(array.offset, array.dtype.str, array.shape, array.strides),
    )


def _buffer(array):
    """Return a view of the bytes of a contiguous array."""
    return memoryview(array.reshape(-1).view(np.uint8))
