"""List, read and write the files in the folder of one fit, and arrays in general.

A file is written under a temporary name, flushed to disk and renamed. Its name contains
the SHA-256 of its contents, so a file whose contents match its name is complete,
whatever happened to the process or the machine that wrote it.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

from .._utils._warnings import warn_user

_FORMAT_VERSION = 1
# A file contains the state of a fit that has trained for all its epochs ("finished"),
# that was ended by early stopping ("stopped"), or that is not complete ("checkpoint").
KINDS = FINISHED, STOPPED, CHECKPOINT = "finished", "stopped", "checkpoint"
_NAME = re.compile(rf"({'|'.join(KINDS)})-(\d+)-([0-9a-f]{{64}})\.npz")
_TEMPORARY = ".writing-"
# Temporary files older than this many seconds were left behind by killed processes.
_TEMPORARY_MAX_AGE = 90.0
_ARRAYS = ("variables", "best_weights")


@dataclass
class TrainingState:
    """State of a fit at the end of an epoch.

    Parameters
    ----------
    n_epochs : int
        Number of epochs trained.
    variables : list of ndarray
        Everything that training changes: the network weights, their averages and the
        state of the optimizer.
    history : dict of str to list of float
    early_stopping : dict
        State of early stopping, except for the network weights. Empty if there is no
        early stopping.
    best_weights : list of ndarray
        Network weights that early stopping would restore.
    """

    n_epochs: int
    variables: list
    history: dict
    early_stopping: dict
    best_weights: list

    @property
    def has_stopped(self):
        """Whether early stopping has ended the fit."""
        return bool(self.early_stopping.get("has_stopped"))


def store_location(memory):
    """Return the folder for checkpoints, a subfolder of the folder of `memory`.

    Parameters
    ----------
    memory : str, path-like or joblib.Memory

    Returns
    -------
    pathlib.Path or None
        None for a `joblib.Memory` without a location.

    Raises
    ------
    TypeError
        If `memory` is none of these types.
    """
    if isinstance(memory, os.PathLike):
        memory = os.fspath(memory)
    memory = check_memory(memory)
    backend = getattr(memory, "store_backend", None)
    if backend is None and isinstance(memory, joblib.Memory):
        return None
    folder = getattr(backend, "location", None)
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(
            f"Got memory={memory!r}, but expected None, a folder, or a joblib.Memory "
            "that keeps its results in a folder."
        )
    return Path(folder) / "skcnn"


class CheckpointStore:
    """Folder that stores the states of one fit.

    Parameters
    ----------
    location : pathlib.Path
        Folder that contains one subfolder for each fit.
    key : str
        Fingerprint of everything that determines the fit except its number of epochs.
        It has 32 hexadecimal digits, because `joblib.Memory.reduce_size` considers only
        folders with such names.
    shapes : list of (shape, dtype)
        Shapes and dtypes of the variables in a state.
    """

    def __init__(self, location, key, shapes):
        self.folder = location / key
        self._key = key
        self._shapes = shapes
        self._corrupt = set()

    def entries(self):
        """Return (number of epochs, kind, name) for each file, in descending order."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        found = [(match, name) for name in names if (match := _NAME.fullmatch(name))]
        return sorted(((int(m[2]), m[1], name) for m, name in found), reverse=True)

    def read_latest(self, max_epochs, on_error):
        """Return the stored state with the largest number of epochs up to `max_epochs`.

        Corrupt files are ignored, with a warning.

        Parameters
        ----------
        max_epochs : int
        on_error : callable
            Function that is called with a message about a file that cannot be read but
            may be intact.

        Returns
        -------
        TrainingState or None
        """
        for n_epochs, _, name in self.entries():
            if n_epochs <= max_epochs and name not in self._corrupt:
                try:
                    return self._read(name, n_epochs)
                except FileNotFoundError:  # another process has just replaced the file
                    pass
                except (OSError, MemoryError) as error:  # the file itself may be intact
                    on_error(f"{self.folder / name} cannot be read: {error}")
                except Exception as error:  # zipfile and NumPy raise various errors
                    self._corrupt.add(name)
                    warn_user(
                        f"{self.folder / name} in memory= is corrupt ({error}); "
                        "ignoring it and retraining."
                    )
        return None

    def _read(self, name, n_epochs):
        arrays = read_arrays(self.folder / name)
        metadata = json.loads(arrays["metadata"].tobytes())
        if metadata["format_version"] != _FORMAT_VERSION:
            raise ValueError("it has another format version")
        if (metadata["key"], metadata["n_epochs"]) != (self._key, n_epochs):
            raise ValueError("it belongs to another fit")
        variables, best_weights = (
            [
                _view_as(arrays[f"{part}_{i}"], dtype)
                for i, dtype in enumerate(metadata["dtypes"][part])
            ]
            for part in _ARRAYS
        )
        if [(v.shape, v.dtype) for v in variables] != self._shapes:
            raise ValueError("it belongs to another network")
        return TrainingState(
            n_epochs=n_epochs,
            variables=variables,
            history=metadata["history"],
            early_stopping=metadata["early_stopping"],
            best_weights=best_weights,
        )

    def write(self, kind, state):
        """Write a state completely or not at all, and then remove older checkpoints."""
        metadata = {
            "format_version": _FORMAT_VERSION,
            "key": self._key,
            "n_epochs": state.n_epochs,
            "history": state.history,
            "early_stopping": state.early_stopping,
            "dtypes": {
                part: [array.dtype.name for array in getattr(state, part)]
                for part in _ARRAYS
            },
        }
        arrays = {
            f"{part}_{i}": _as_builtin_dtype(array)
            for part in _ARRAYS
            for i, array in enumerate(getattr(state, part))
        }
        encoded = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
        prefix = f"{kind}-{state.n_epochs:06}"
        name = write_arrays(self.folder, prefix, {"metadata": encoded, **arrays})
        self._remove_superseded(name, state.n_epochs)

    def _remove_superseded(self, new_name, n_epochs):
        for other_n_epochs, kind, name in self.entries():
            is_older = kind == CHECKPOINT and other_n_epochs <= n_epochs
            if (is_older and name != new_name) or name in self._corrupt:
                with contextlib.suppress(
                    OSError
                ):  # on Windows if another process has it open
                    (self.folder / name).unlink()

    def promote(self, n_epochs):
        """Mark the checkpoint after `n_epochs` epochs, if any, as a finished fit."""
        for other_n_epochs, kind, name in self.entries():
            if other_n_epochs == n_epochs and kind == CHECKPOINT:
                finished = name.replace(CHECKPOINT, FINISHED, 1)
                with contextlib.suppress(OSError):
                    os.replace(self.folder / name, self.folder / finished)

    def mark_as_used(self):
        """Set the time of last use that `joblib.Memory.reduce_size` reads."""
        with contextlib.suppress(OSError):
            os.utime(self.folder)

    def remove_temporary_files(self):
        """Remove temporary files that killed processes have left behind."""
        for path in self.folder.glob(f"{_TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _TEMPORARY_MAX_AGE:
                    path.unlink()


def write_arrays(folder, prefix, arrays):
    """Write arrays to a new file in a folder, completely or not at all.

    Parameters
    ----------
    folder : pathlib.Path
    prefix : str
    arrays : dict of str to ndarray

    Returns
    -------
    str
        The name of the file, which consists of `prefix` and a hash of its contents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        with open(temporary, "x+b") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        name = f"{prefix}-{sha256}.npz"
        os.replace(temporary, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)
    return name


def read_arrays(path):
    """Return the arrays in a file that :func:`write_arrays` has written.

    Raises
    ------
    ValueError
        If the contents of the file have changed.
    """
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != path.name[-68:-4]:
            raise ValueError("its contents have changed")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)


def _as_builtin_dtype(array):
    """Return `array`, viewed as unsigned integers if NumPy cannot store its dtype.

    For example, NumPy's file format does not support bfloat16.
    """
    if array.dtype.isbuiltin == 1:
        return array
    return array.view(f"u{array.dtype.itemsize}")


def _view_as(array, name):
    from tensorflow import as_dtype

    dtype = np.dtype(as_dtype(name).as_numpy_dtype)
    return array if array.dtype == dtype else array.view(dtype)


def _sync_folder(folder):
    """Flush a folder's list of files to disk, if the operating system supports this."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
