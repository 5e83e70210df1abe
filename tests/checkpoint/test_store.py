"""The files of a fit: format, corruption, and folders that are not accessible."""

import json
import os
import warnings

import joblib
import numpy as np
import pytest
from helpers import fit_result, one_warning, stored_files, stored_states

from skcnn._checkpoint import _store


def test_files_are_no_pickles_and_joblib_removes_them(few, tiny_cnn, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    for epochs in (1, 2):
        tiny_cnn(epochs=epochs, memory=memory).fit(few.images, few.target)
    tiny_cnn(epochs=1, l2=0.1, memory=memory).fit(few.images, few.target)
    assert stored_states(tmp_path) in (  # either fit's folder may come first
        ["finished-000001", "finished-000001", "finished-000002"],
        ["finished-000001", "finished-000002", "finished-000001"],
    )
    for path in stored_files(tmp_path):
        assert path.suffix == ".npz"
        with np.load(path, allow_pickle=False) as arrays:
            assert all(not arrays[name].dtype.hasobject for name in arrays)
            assert json.loads(arrays["metadata"].tobytes())["history"]["loss"]
    memory.reduce_size(items_limit=1)
    assert len({path.parent for path in stored_files(tmp_path)}) == 1
    memory.clear(warn=False)
    assert stored_files(tmp_path) == []
    tiny_cnn(epochs=1, memory=memory).fit(few.images, few.target)
    assert len(stored_files(tmp_path)) == 1


@pytest.mark.parametrize("other_version", [0, _store._FORMAT_VERSION + 1])
def test_file_of_other_format_version_is_ignored(
    few, tiny_cnn, tmp_path, monkeypatch, trained_epochs, other_version
):
    estimator = tiny_cnn(epochs=2, memory=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(_store, "_FORMAT_VERSION", other_version)
        expected = fit_result(estimator.fit(few.images, few.target), few.images)
    with one_warning(r"is corrupt \(it has another format version\); ignoring it and"):
        estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1, 0, 1]
    assert fit_result(estimator, few.images) == expected
    estimator.fit(few.images, few.target)  # the new file is read without a warning
    assert trained_epochs == [0, 1, 0, 1]


# Corruption


def corrupt(path, other, rng):
    """Corrupt a file in a random way: change its bits, bytes, length or name."""
    data = bytearray(path.read_bytes())
    way = rng.integers(9)
    if way == 0:
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    elif way == 1:
        for place in rng.integers(len(data), size=20):
            data[place] = rng.integers(256)
    elif way == 2:
        del data[rng.integers(len(data)) :]
    elif way == 3:
        data += b"more"
    elif way == 4:
        data[:] = rng.bytes(len(data))
    elif way == 5:
        data.clear()
    elif way == 6:  # another fit's intact file, with its own name
        path.unlink()
        (path.parent / other.name).write_bytes(other.read_bytes())
        return
    elif way == 7:  # the name states a wrong number of epochs
        path.rename(path.parent / path.name.replace("-00000", "-00001"))
        return
    else:  # the contents of another fit's file
        data[:] = other.read_bytes()
    path.write_bytes(data)


def test_corrupt_files_never_change_a_result(
    few, tiny_cnn, tmp_path, checkpoint_every_epoch
):
    X, y = few.images[:64], few.target[:64]
    estimator = tiny_cnn(epochs=1, memory=tmp_path / "fit")
    for epochs in (1, 2):
        expected = fit_result(estimator.set_params(epochs=epochs).fit(X, y), X)
    tiny_cnn(epochs=1, random_state=9, memory=tmp_path / "other").fit(X, y)
    (other,) = stored_files(tmp_path / "other")
    intact = [(p, p.read_bytes()) for p in stored_files(tmp_path / "fit")]
    assert len(intact) == 2
    rng = np.random.default_rng(0)
    n_warnings = 0
    for n in range(220):
        for path in stored_files(tmp_path / "fit"):
            path.unlink()
        for path, data in intact:
            path.write_bytes(data)
        for path, _ in intact[rng.integers(2) :]:
            corrupt(path, other, rng)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert fit_result(estimator.fit(X, y), X) == expected
        for warning in caught:
            assert "is corrupt (" in str(warning.message)
            assert "; ignoring it and retraining." in str(warning.message)
        n_warnings += len(caught)
        if n % 20 == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # the fit has replaced the files
                estimator.fit(X, y)
    assert n_warnings > 150


# File system errors


def test_unreadable_file_is_kept(few, tiny_cnn, tmp_path, monkeypatch, trained_epochs):
    estimator = tiny_cnn(epochs=2, memory=tmp_path).fit(few.images, few.target)
    (path,) = stored_files(tmp_path)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched, one_warning("cannot be read"):
        patched.setattr(_store.CheckpointStore, "_read", refuse)
        estimator.fit(few.images, few.target)
    assert path.exists()
    estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1, 0, 1]


def test_fit_is_found_in_read_only_folder(
    few, tiny_cnn, tmp_path, monkeypatch, trained_epochs
):
    estimator = tiny_cnn(epochs=2, memory=tmp_path).fit(few.images, few.target)

    def refuse(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    for name in ("mkdir", "open", "utime", "replace", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    estimator.fit(few.images, few.target)
    assert trained_epochs == [0, 1]
    with one_warning("Read-only file system"):
        estimator.set_params(epochs=3).fit(few.images, few.target)
    assert trained_epochs == [0, 1, 2]


def test_full_disk_does_not_stop_training(
    few, tiny_cnn, fitted_tiny, tmp_path, monkeypatch, checkpoint_every_epoch
):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    estimator = tiny_cnn(memory=tmp_path)
    with one_warning("No space left on device"):
        estimator.fit(few.images, few.target)
    assert fit_result(estimator, few.images) == fit_result(fitted_tiny, few.images)
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != ".gitignore"]
    assert left == []


def test_unusable_folder_does_not_stop_training(few, tiny_cnn, fitted_tiny, tmp_path):
    (tmp_path / "file").touch()
    estimator = tiny_cnn(memory=tmp_path / "file" / "folder")
    with one_warning("is ignored for this fit: "):
        estimator.fit(few.images, few.target)
    assert fit_result(estimator, few.images) == fit_result(fitted_tiny, few.images)
