"""Decide when a fit reads checkpoints, writes them, or waits for another process."""

import contextlib
import time

import numpy as np

from .._utils._warnings import warn_user
from ._lock import Lock
from ._store import CHECKPOINT, FINISHED, STOPPED, CheckpointStore

# Writing checkpoints takes at most this share of the training time.
_MAX_OVERHEAD = 0.02
# Assumed writing speed until the first checkpoint has been timed.
_BYTES_PER_SECOND = 2e8


class NullCheckpointer:
    """Checkpointer that neither reads nor writes checkpoints."""

    start = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def checkpoint(self, make_state):
        """Do nothing."""

    def finish(self, make_state, *, finished):
        """Do nothing."""


class Checkpointer:
    """Resumes a fit from its latest checkpoint and writes new checkpoints.

    Use it as a context manager around training. On entry, it waits while another
    process runs the same fit.

    Parameters
    ----------
    location : pathlib.Path
        Folder that contains one subfolder for each fit.
    key : str
        Fingerprint of the fit; see :class:`~skcnn._checkpoint._store.CheckpointStore`.
    n_epochs : int
        Number of epochs of the fit.
    shapes : list of (shape, dtype)
        Shapes and dtypes of the variables in a state.

    Attributes
    ----------
    start : TrainingState or None
        The stored state after the largest number of epochs up to `n_epochs`, if any.
    is_complete : bool
        Whether `start` is the final state of the fit, so that no training is needed.
    """

    def __init__(self, location, key, n_epochs, shapes):
        self.start = None
        self.is_complete = False
        self._store = CheckpointStore(location, key, shapes)
        self._lock = Lock(self._store.folder / "lock")
        self._n_epochs = n_epochs
        self._has_warned = False
        size = sum(np.dtype(dtype).itemsize * np.prod(shape) for shape, dtype in shapes)
        self._seconds_to_write = float(size) / _BYTES_PER_SECOND
        self._last_written = time.perf_counter()

    def __enter__(self):
        entries = self._store.entries()
        self._read()
        if not self.is_complete:
            with self._warn_on_oserror():
                self._store.folder.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(self._store.entries, self._is_ahead)
                try:
                    if self._store.entries() != entries:
                        self._read()
                    self._store.remove_temporary_files()
                except BaseException:  # __exit__ is called only if __enter__ returns
                    self._lock.release()
                    raise
        if self.is_complete:
            self._store.promote(self._n_epochs)
        self._store.mark_as_used()
        self._last_written = time.perf_counter()
        return self

    def __exit__(self, *error):
        self._lock.release()

    def checkpoint(self, make_state):
        """Write a checkpoint unless this would take too large a share of the run time.

        Parameters
        ----------
        make_state : callable
            Function that returns a TrainingState. It is called only if the state is
            written.
        """
        elapsed = time.perf_counter() - self._last_written
        if self._seconds_to_write <= _MAX_OVERHEAD * elapsed:
            self._write(CHECKPOINT, make_state())

    def finish(self, make_state, *, finished):
        """Write the last state of the fit.

        Parameters
        ----------
        make_state : callable
            Function that returns a TrainingState.
        finished : bool
            Whether the fit has finished. An unfinished fit is stored as a checkpoint.
        """
        if not self.is_complete:
            state = make_state()
            kind = STOPPED if state.has_stopped else FINISHED
            self._write(kind if finished else CHECKPOINT, state)

    def _read(self):
        self.start = start = self._store.read_latest(self._n_epochs, self._warn_once)
        self.is_complete = start is not None and (
            start.n_epochs == self._n_epochs or start.has_stopped
        )

    def _is_ahead(self, entries):
        """Return whether the owner of the lock has passed the last epoch of this fit.

        In that case, waiting is useless, because this fit cannot use checkpoints of
        later epochs.
        """
        return any(
            n_epochs > self._n_epochs and kind == CHECKPOINT
            for n_epochs, kind, _ in entries
        )

    def _write(self, kind, state):
        start = time.perf_counter()
        with self._warn_on_oserror():
            self._store.write(kind, state)
        self._last_written = time.perf_counter()
        self._seconds_to_write = self._last_written - start

    @contextlib.contextmanager
    def _warn_on_oserror(self):
        """Turn an OSError into a warning, because a fit can do without checkpoints."""
        try:
            yield
        except OSError as error:
            self._warn_once(
                f"memory= cannot store this fit, which continues without it: {error}"
            )

    def _warn_once(self, message):
        if not self._has_warned:
            self._has_warned = True
            warn_user(message)
