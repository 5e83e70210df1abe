"""The lock file of a fit: one process trains, and the others wait for it.

No test waits for a real timeout, because the lock uses a fake clock.
"""

import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import (
    FakeClock,
    fit_result,
    interrupt,
    one_warning,
    stored_files,
    stored_states,
)
from sklearn.exceptions import ConvergenceWarning

from skcnn._checkpoint import _lock

# No process has this ID, because it exceeds the maximum on Linux.
UNUSED_PID = 2**22 + 1


@pytest.fixture
def clock(monkeypatch):
    """Return a fake clock that advances ten seconds each time a lock is checked."""
    clock = FakeClock()
    monkeypatch.setattr(_lock, "time", clock)
    monkeypatch.setattr(_lock, "_POLL_INTERVAL", 10.0)
    return clock


def write_lock(folder, **changed):
    """Write the lock file of another owner, which is alive by default."""
    metadata = {
        "format_version": _lock._FORMAT_VERSION,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "token": "x",
    }
    path = folder / "lock"
    path.write_text(json.dumps(metadata | changed))
    return path


@pytest.fixture
def locked_fit(few, tiny_cnn, tmp_path):
    """Return a function that trains one epoch and locks the fit for another owner."""

    def lock(**changed):
        estimator = tiny_cnn(epochs=1, memory=tmp_path).fit(few.images, few.target)
        (path,) = stored_files(tmp_path)
        return estimator.set_params(epochs=2), write_lock(path.parent, **changed)

    return lock


def test_lock_file_names_its_owner(tmp_path):
    lock = _lock.Lock(tmp_path / "lock")
    lock.acquire(lambda: None, lambda progress: False)
    metadata = json.loads(lock.path.read_text())
    del metadata["token"]
    assert metadata == {
        "format_version": _lock._FORMAT_VERSION,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    lock.release()
    assert not lock.path.exists()


def test_simultaneous_fits_train_once(
    few, tiny_cnn, tmp_path, trained_epochs, monkeypatch
):
    waiting, all_wait = set(), threading.Event()
    read_owner = _lock.Lock._read_owner

    def recorded(lock):
        waiting.add(threading.get_ident())
        if len(waiting) == 2:
            all_wait.set()
        return read_owner(lock)

    def wait_for_others():
        assert all_wait.wait(timeout=300)

    def fit(_):
        estimator = tiny_cnn(epochs=6, memory=tmp_path)
        return fit_result(estimator.fit(few.images, few.target), few.images)

    monkeypatch.setattr(_lock.Lock, "_read_owner", recorded)
    trained_epochs.hooks[1] = wait_for_others
    with ThreadPoolExecutor(3) as pool:
        first, second, third = pool.map(fit, range(3))
    assert first == second == third
    assert trained_epochs == [*range(6)]


@pytest.mark.skipif(os.name != "posix", reason="needs signals to ask for processes")
def test_lock_of_dead_owner_is_broken(few, locked_fit, trained_epochs, clock):
    estimator, path = locked_fit(pid=UNUSED_PID)
    estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1]
    assert clock.n_sleeps == 1  # the first check broke the lock
    assert not path.exists()


@pytest.mark.parametrize("changed", [{"host": "elsewhere"}, {"pid": "garbage"}])
def test_lock_without_heartbeat_is_broken(
    few, locked_fit, trained_epochs, clock, changed
):
    estimator, path = locked_fit(**changed)
    start = clock.now
    estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1]
    assert _lock._STALE_AFTER < clock.now - start < _lock._STALE_AFTER + 30
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"host": 1, "pid": 1e99}'])
def test_unreadable_lock_is_broken(few, locked_fit, trained_epochs, clock, content):
    estimator, path = locked_fit()
    path.write_bytes(content)
    start = clock.now
    estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1]
    assert _lock._STALE_AFTER < clock.now - start < _lock._STALE_AFTER + 30
    assert not path.exists()


def test_lock_waits_for_live_owner_until_it_hangs(
    few, locked_fit, trained_epochs, clock
):
    """The owner sends heartbeats but makes no progress."""
    estimator, path = locked_fit()

    def send_heartbeat():
        os.utime(path, ns=(clock.n_sleeps, clock.n_sleeps))

    clock.on_sleep = send_heartbeat
    start = clock.now
    estimator.fit(few.images, few.target)
    assert _lock._WAIT_TIMEOUT < clock.now - start < _lock._WAIT_TIMEOUT + 30
    assert trained_epochs == [0, 1]
    assert path.exists()  # another process owns the lock


def test_progress_of_owner_prolongs_waiting(tmp_path, clock):
    path = write_lock(tmp_path)
    lock = _lock.Lock(path)

    def send_heartbeat():
        os.utime(path, ns=(clock.n_sleeps, clock.n_sleeps))
        if clock.n_sleeps == 1000:
            path.unlink()

    clock.on_sleep = send_heartbeat
    lock.acquire(lambda: clock.n_sleeps // 300, lambda progress: False)
    assert clock.n_sleeps == 1000  # 10,000 s, more than three epochs of 3,000 s
    assert lock._is_ours()
    lock.release()


def test_owner_sends_heartbeats(
    few, tiny_cnn, tmp_path, trained_epochs, monkeypatch, clock
):
    """Without heartbeats, a waiting fit would consider the lock stale."""
    has_waited = threading.Event()

    def wait_for_heartbeat():
        (path,) = tmp_path.rglob("lock")
        before = path.stat().st_mtime_ns
        for _ in range(4_000):  # at least 20 s
            if not path.exists() or path.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        else:
            has_waited.set()
            raise AssertionError("the owner sends no heartbeat")
        if clock.n_sleeps == 30:  # 300 s on the fake clock
            has_waited.set()

    def train_for_long():
        assert has_waited.wait(timeout=300)

    def fit(_):
        tiny_cnn(epochs=3, memory=tmp_path).fit(few.images, few.target)

    monkeypatch.setattr(_lock, "_HEARTBEAT_INTERVAL", 0.01)
    clock.on_sleep = wait_for_heartbeat
    trained_epochs.hooks[1] = train_for_long
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fit, range(2)))
    assert _lock._STALE_AFTER < 300
    assert trained_epochs == [0, 1, 2]


@pytest.mark.skipif(os.name != "posix", reason="needs signals to ask for processes")
def test_lock_that_cannot_be_broken_does_not_stop_training(
    few, locked_fit, trained_epochs, monkeypatch, clock
):
    """A lock cannot be broken on a disk that has become read-only, for example."""
    estimator, path = locked_fit(pid=UNUSED_PID)

    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refuse)
    with one_warning("Read-only file system"):
        estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1]
    assert path.exists()


def test_fit_does_not_wait_for_owner_that_is_ahead(
    few, tiny_cnn, tmp_path, trained_epochs, checkpoint_every_epoch, clock
):
    estimator = tiny_cnn(epochs=5, memory=tmp_path)
    trained_epochs.hooks[3] = interrupt
    with pytest.raises(KeyboardInterrupt), pytest.warns(ConvergenceWarning):
        estimator.fit(few.images, few.target)
    assert stored_states(tmp_path) == ["checkpoint-000003"]
    write_lock(stored_files(tmp_path)[0].parent)
    estimator.set_params(epochs=2).fit(few.images, few.target)
    assert trained_epochs == [0, 1, 2, 0, 1]
    assert clock.n_sleeps == 0
