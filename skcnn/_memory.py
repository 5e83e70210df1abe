"""Fits that are kept in a folder: finished ones, and how far interrupted ones got."""

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
import socket
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
from sklearn.utils.validation import check_memory

# Of the time of training, at most this share goes into writing checkpoints.
_SHARE = 0.02
# A guess of bytes written in a second, until the first have been written.
_BYTES_A_SECOND = 2e8
# Who holds a lock touches it this often, in seconds, and is taken for dead when it has
# not been touched for the longer time: network file systems tell changes late.
_BEAT, _DEAD = 5.0, 90.0
# Seconds without a new epoch after which one does not wait for another any more.
_HANGS = 3600.0
# finished: after the epochs of some fit; stopped: by early stopping.
_KINDS = _FINISHED, _STOPPED, _CHECKPOINT = "epoch", "stopped", "checkpoint"
_NAME = re.compile(rf"({'|'.join(_KINDS)})-(\d+)-([0-9a-f]{{64}})\.npz")


@dataclass
class State:
    """A network in training, at the end of an epoch.

    Parameters
    ----------
    n_epochs : int
        Epochs trained.
    values : list of ndarray
        Of all variables of the network and of its optimizer.
    history : dict of str to list of float
    stopping : dict
        What early stopping knows: numbers by name; empty if there is none.
    best : list of ndarray
        Weights that early stopping would go back to.
    """

    n_epochs: int
    values: list
    history: dict
    stopping: dict
    best: list

    @property
    def stopped(self):
        """Whether early stopping has ended the fit."""
        return bool(self.stopping.get("stopped_epoch"))


def location(memory):
    """The folder of `memory`, where joblib's own results are too.

    Parameters
    ----------
    memory : str, path-like or joblib.Memory

    Returns
    -------
    pathlib.Path or None
        None if nothing is to be kept.

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(memory, os.PathLike):
        memory = os.fspath(memory)
    memory = check_memory(memory)
    store = getattr(memory, "store_backend", None)
    if store is None and isinstance(memory, joblib.Memory):
        return None  # of no location
    folder = getattr(store, "location", None)
    if not isinstance(folder, (str, os.PathLike)):
        raise TypeError(
            f"Got memory={memory!r}, but expected None, a folder, or a joblib.Memory "
            "that keeps its results in one."
        )
    return Path(folder) / "skcnn"


class Nothing:
    """Keeps nothing."""

    start = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def checkpoint(self, make_state):
        pass

    def finish(self, make_state, *, finished=True):
        pass


NOTHING = Nothing()


class Kept(Nothing):
    """One training in a folder of its own, to be entered while it goes on.

    Parameters
    ----------
    folder : pathlib.Path
        Where all are.
    key : str
        What decides this training, but for the number of its epochs: 32 hexadecimal
        digits, by which `joblib.Memory.reduce_size` knows it.
    epochs : int
        How many are wanted.
    shapes : list of (shape, dtype)
        Of the variables of the network.

    Attributes
    ----------
    start : State or None
        The last that is known of at most `epochs` epochs.
    complete : bool
        Whether nothing is left to train.
    """

    def __init__(self, folder, key, epochs, shapes):
        self.folder = folder / key
        self.key = key
        self.epochs = epochs
        self.shapes = shapes
        self.start = None
        self.complete = False
        self._bad = set()
        self._has_warned = False
        self._lock = _Lock(self.folder / "lock")
        size = sum(np.dtype(dtype).itemsize * np.prod(shape) for shape, dtype in shapes)
        self._cost = float(size) / _BYTES_A_SECOND
        self._since = time.perf_counter()

    def __enter__(self):
        seen = self._names()
        self.start = self._latest()
        if not self._is_complete():
            with self._without_it_on_error():
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(self._names, self._is_of_no_use)
                try:
                    if self._names() != seen:
                        self.start = self._latest()
                    self._tidy()
                except BaseException:  # nobody leaves what was not entered
                    self._lock.release()
                    raise
        self.complete = self._is_complete()
        if self.complete:
            self._promote()
        with contextlib.suppress(OSError):
            os.utime(self.folder)  # was used now: what was not for long goes first
        self._since = time.perf_counter()
        return self

    def __exit__(self, *error):
        self._lock.release()

    def checkpoint(self, make_state):
        """Keep a state, unless the last one has been kept a short time ago."""
        if self._cost <= _SHARE * (time.perf_counter() - self._since):
            self._keep(_CHECKPOINT, make_state())

    def finish(self, make_state, *, finished=True):
        """Keep the last state of a fit; one that was broken off is not `finished`."""
        if not self.complete:
            state = make_state()
            kind = _STOPPED if state.stopped else _FINISHED
            self._keep(kind if finished else _CHECKPOINT, state)

    def _is_complete(self):
        start = self.start
        return start is not None and (start.n_epochs == self.epochs or start.stopped)

    def _is_of_no_use(self, names):
        """Whether who trains this has got further than is wanted."""
        return any(n > self.epochs and kind == _CHECKPOINT for n, kind, _ in names)

    def _promote(self):
        """Have a checkpoint that is the end of a fit now stay."""
        for n_epochs, kind, name in self._names():
            if n_epochs == self.epochs and kind == _CHECKPOINT:
                kept = name.replace(_CHECKPOINT, _FINISHED, 1)
                with contextlib.suppress(OSError):
                    os.replace(self.folder / name, self.folder / kept)

    # Reading

    def _names(self):
        """Number of epochs, kind and name of each file, the longest training first."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        found = [(match, name) for name in names if (match := _NAME.fullmatch(name))]
        return sorted(((int(m[2]), m[1], name) for m, name in found), reverse=True)

    def _latest(self):
        """The state after most epochs, of those that are as they were written."""
        for n_epochs, _, name in self._names():
            if n_epochs <= self.epochs and name not in self._bad:
                try:
                    return self._read(name, n_epochs)
                except FileNotFoundError:  # somebody else has written a later one
                    pass
                except (OSError, MemoryError) as error:  # it may be good
                    self._warn(f"{self.folder / name} cannot be read: {error}")
                except Exception as error:  # torn, changed, foreign: zip has many
                    self._bad.add(name)
                    warnings.warn(
                        f"{self.folder / name} in memory= is not what was written "
                        f"there ({error}); it is passed over, and trained again.",
                        stacklevel=2,
                    )
        return None

    def _read(self, name, n_epochs):
        with open(self.folder / name, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != name[-68:-4]:
                raise ValueError("its contents have changed")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                told = json.loads(arrays["told"].tobytes())
                if (told["key"], told["n_epochs"]) != (self.key, n_epochs):
                    raise ValueError("it is of another fit")
                values, best = (
                    [
                        _of_dtype(arrays[f"{part}{i}"], dtype)
                        for i, dtype in enumerate(told[part])
                    ]
                    for part in ("values", "best")
                )
        if [(v.shape, v.dtype) for v in values] != self.shapes:
            raise ValueError("it is of another network")
        return State(n_epochs, values, told["history"], told["stopping"], best)

    # Writing

    @contextlib.contextmanager
    def _without_it_on_error(self):
        """Where the disk is full or cannot be written to, go on without it."""
        try:
            yield
        except OSError as error:
            self._warn(f"memory= keeps nothing of this fit, which goes on: {error}")

    def _warn(self, message):
        """Warn once for each fit."""
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(message, stacklevel=5)

    def _keep(self, kind, state):
        start = time.perf_counter()
        with self._without_it_on_error():
            name = self._write(kind, state)
            for n_epochs, other_kind, other in self._names():
                old = other_kind == _CHECKPOINT and n_epochs <= state.n_epochs
                if (old and other != name) or other in self._bad:
                    with contextlib.suppress(OSError):  # being read, on Windows
                        (self.folder / other).unlink()
        self._since = time.perf_counter()
        self._cost = self._since - start

    def _write(self, kind, state):
        """Write a file whole or not at all; its name."""
        told = {"key": self.key, "n_epochs": state.n_epochs}
        told |= {"history": state.history, "stopping": state.stopping}
        told |= {p: [a.dtype.name for a in getattr(state, p)] for p in _ARRAYS}
        arrays = {
            f"{part}{i}": _of_numpy(array)
            for part in _ARRAYS
            for i, array in enumerate(getattr(state, part))
        }
        text = np.frombuffer(json.dumps(told).encode(), np.uint8)
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".writing-{secrets.token_hex(8)}"
        try:
            with open(temporary, "xb") as file:
                hashed = _Hashed(file)
                np.savez(hashed, told=text, **arrays)
                file.flush()
                os.fsync(file.fileno())
            name = f"{kind}-{state.n_epochs:06}-{hashed.sha256.hexdigest()}.npz"
            os.replace(temporary, self.folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(self.folder)
        return name

    def _tidy(self):
        """Remove what processes that were killed have left half written."""
        for path in self.folder.glob(".writing-*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _DEAD:
                    path.unlink()


_ARRAYS = ("values", "best")


class _Hashed(io.RawIOBase):
    """A file to write to from start to end, and the hash of what was written."""

    def __init__(self, file):
        self.file = file
        self.sha256 = hashlib.sha256()

    def writable(self):
        return True

    def write(self, data):
        self.sha256.update(data)
        return self.file.write(data)


def _of_numpy(array):
    """`array` as one of a dtype that files of NumPy know."""
    if array.dtype.isbuiltin == 1:
        return array
    return array.view(f"u{array.dtype.itemsize}")


def _of_dtype(array, name):
    from tensorflow import as_dtype

    dtype = np.dtype(as_dtype(name).as_numpy_dtype)
    return array if array.dtype == dtype else array.view(dtype)


def _sync_folder(folder):
    """Have the names in a folder on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Lock:
    """A file that tells who trains, touched by its owner as long as they live.

    It saves time, and nothing depends on it: two that train the same thing at once, as
    each takes the other for dead, write the same.
    """

    def __init__(self, path):
        self.path = path
        self._token = secrets.token_hex(8)
        self._over = None

    def acquire(self, progress, is_of_no_use):
        """Take the lock, as soon as nobody has it who lives and gets on.

        What `progress` returns changes with what others do; where `is_of_no_use` says
        so of it, nobody is waited for.
        """
        seen, done, since, done_since = None, None, 0.0, time.monotonic()
        while not self._take():
            now, owner, current = time.monotonic(), self._owner(), progress()
            if owner != seen:
                seen, since = owner, now
            if current != done:
                done, done_since = current, now
            if is_of_no_use(current) or now - done_since > _HANGS:
                return
            if owner is not None and (not _lives(owner) or now - since > _DEAD):
                self._take_away(owner)
            time.sleep(0.1)

    def release(self):
        if self._over is not None:
            self._over.set()
            self._over = None
            with contextlib.suppress(OSError):
                if self._is_ours():
                    self.path.unlink()

    def _take(self):
        try:
            file = open(self.path, "x")  # noqa: SIM115, it is closed below
        except FileExistsError:
            return False
        told = {"host": socket.gethostname(), "pid": os.getpid(), "token": self._token}
        over = threading.Event()
        try:
            with file:
                json.dump(told, file)
            threading.Thread(target=self._beat, args=[over], daemon=True).start()
        except BaseException:  # the disk is full, for example
            over.set()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise
        self._over = over
        return True

    def _beat(self, over):
        while not over.wait(_BEAT):
            try:
                if not self._is_ours():
                    return
                os.utime(self.path)
            except FileNotFoundError:  # taken away, or the folder is gone
                return
            except OSError:  # of a network, for a moment
                pass

    def _owner(self):
        """What the lock says, and when it was touched; None if there is none."""
        try:
            return self.path.read_bytes(), self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def _is_ours(self):
        return self._token.encode() in self.path.read_bytes()

    def _take_away(self, owner):
        """Remove a dead owner's lock, if it is there still."""
        aside = self.path.with_name(f".lock-{self._token}")
        with contextlib.suppress(FileNotFoundError):
            if self._owner() == owner:
                os.rename(self.path, aside)
                aside.unlink()


def _lives(owner):
    """Whether who holds a lock may live: False only if that is sure."""
    try:
        told = json.loads(owner[0])
        if told["host"] != socket.gethostname() or os.name != "posix":
            return True
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return False
    except Exception:  # being written, or another user's, or garbage
        return True
    return True
