"""A lock file that keeps several processes from training the same network."""

import contextlib
import json
import os
import secrets
import socket
import threading
import time

_FORMAT_VERSION = 1
# Seconds between the owner's heartbeats, and seconds without a heartbeat after which
# the lock is stale. The margin is wide, because changes on a network file system may
# take a long time to become visible.
_HEARTBEAT_INTERVAL, _STALE_AFTER = 5.0, 90.0
# A process stops waiting if the lock's owner makes no progress for this many seconds.
_WAIT_TIMEOUT = 3600.0
_POLL_INTERVAL = 0.1


class Lock:
    """Lock file that names the training process, which touches it at regular intervals.

    The lock saves time, but correctness does not depend on it. If two processes train
    the same network because one considers the other's lock stale, both write the same
    results.

    Parameters
    ----------
    path : pathlib.Path
    """

    def __init__(self, path):
        self.path = path
        self._token = secrets.token_hex(8)
        self._released = None  # a threading.Event while the lock is held

    def acquire(self, get_progress, is_waiting_useless):
        """Acquire the lock, after waiting while a live process holds it.

        Return without the lock if waiting is useless or the owner has made no progress
        for a long time. The caller then trains at the same time as the owner.

        Parameters
        ----------
        get_progress : callable
            Function that returns a value that changes when the owner makes progress.
        is_waiting_useless : callable
            Function that takes the return value of `get_progress` and returns whether
            to stop waiting.
        """
        owner, progress = None, None
        owner_since, progress_since = 0.0, time.monotonic()
        while not self._try_acquire():
            now, new_owner, new_progress = (
                time.monotonic(),
                self._read_owner(),
                get_progress(),
            )
            if new_owner != owner:
                owner, owner_since = new_owner, now
            if new_progress != progress:
                progress, progress_since = new_progress, now
            if is_waiting_useless(progress) or now - progress_since > _WAIT_TIMEOUT:
                return
            if owner is not None and (
                not _is_alive(owner) or now - owner_since > _STALE_AFTER
            ):
                self._break_stale(owner)
            time.sleep(_POLL_INTERVAL)

    def release(self):
        """Remove the lock file if this process holds the lock."""
        if self._released is not None:
            self._released.set()
            self._released = None
            with contextlib.suppress(OSError):
                if self._is_ours():
                    self.path.unlink()

    def _try_acquire(self):
        try:
            file = open(self.path, "x")  # noqa: SIM115, it is closed below
        except FileExistsError:
            return False
        metadata = {
            "format_version": _FORMAT_VERSION,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "token": self._token,
        }
        released = threading.Event()
        try:
            with file:
                json.dump(metadata, file)
            threading.Thread(
                target=self._send_heartbeats, args=[released], daemon=True
            ).start()
        except BaseException:  # for example, if the disk is full
            released.set()
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise
        self._released = released
        return True

    def _send_heartbeats(self, released):
        while not released.wait(_HEARTBEAT_INTERVAL):
            try:
                if not self._is_ours():
                    return
                os.utime(self.path)
            except FileNotFoundError:  # another process broke the lock
                return
            except OSError:  # network file systems may fail temporarily
                pass

    def _read_owner(self):
        """Return the contents and modification time of the lock file, or None."""
        try:
            return self.path.read_bytes(), self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def _is_ours(self):
        return self._token.encode() in self.path.read_bytes()

    def _break_stale(self, owner):
        """Remove the lock file unless it has a new owner or a new heartbeat."""
        renamed = self.path.with_name(f".lock-{self._token}")
        with contextlib.suppress(FileNotFoundError):
            if self._read_owner() == owner:
                os.rename(self.path, renamed)
                renamed.unlink()


def _is_alive(owner):
    """Return False if the owner is known to be dead, and True otherwise."""
    try:
        metadata = json.loads(owner[0])
        if metadata["host"] != socket.gethostname() or os.name != "posix":
            return True
        os.kill(metadata["pid"], 0)
    except ProcessLookupError:
        return False
    except Exception:  # invalid metadata, or another user's process
        return True
    return True
