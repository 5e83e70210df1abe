"""Tests of loading images into an array or a file, and of memory use."""

import errno
import shutil
import tracemalloc
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from image_helpers import random_pixels, save

from skcnn.datasets import load_image_folder

# Output arrays and memory


def test_writes_to_out_array(image_folder):
    expected = load_image_folder(image_folder)
    out = np.empty((12, 6, 8, 3), np.uint8)
    assert load_image_folder(image_folder, out=out).images is out
    np.testing.assert_array_equal(out, expected.images)

    out.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only.*mode='r\+'"):
        load_image_folder(image_folder, out=out)


def test_writes_to_out_memmap(image_folder, tmp_path):
    out = np.memmap(tmp_path / "raw", np.uint8, "w+", shape=(12, 6, 8, 3))
    assert load_image_folder(image_folder, out=out).images is out
    np.testing.assert_array_equal(out, load_image_folder(image_folder).images)


@pytest.mark.parametrize("as_type", [str, Path])
def test_writes_to_out_file(image_folder, as_type):
    expected = load_image_folder(image_folder)
    file = image_folder / "images.npy"
    file.write_bytes(b"old content")
    data = load_image_folder(image_folder, out=as_type(file))
    assert isinstance(data.images, np.memmap)
    assert data.images.flags.writeable
    np.testing.assert_array_equal(data.images, expected.images)
    np.testing.assert_array_equal(np.load(file), expected.images)
    assert [path.name for path in image_folder.iterdir() if path.is_file()] == [
        "images.npy"
    ]


def test_out_leaves_out_skipped_images(image_folder):
    expected = load_image_folder(image_folder)
    (image_folder / "ant" / "2a.jpg").touch()
    (image_folder / "cat" / "9.jpg").touch()
    out = np.empty((14, 6, 8, 3), np.uint8)
    with pytest.warns(UserWarning, match="Skipped 2"):
        data = load_image_folder(image_folder, out=out, on_error="skip")
    assert data.images.base is out
    np.testing.assert_array_equal(data.images, expected.images)

    with pytest.warns(UserWarning, match="Skipped 2"):
        data = load_image_folder(
            image_folder, out=image_folder / "images.npy", on_error="skip"
        )
    np.testing.assert_array_equal(data.images, expected.images)
    # The file must not contain rows for skipped images, either.
    np.testing.assert_array_equal(np.load(image_folder / "images.npy"), expected.images)


def test_failure_keeps_existing_out_file(image_folder):
    file = image_folder / "images.npy"
    file.write_bytes(b"precious")
    (image_folder / "bee" / "9.jpg").touch()
    with pytest.raises(ValueError, match="Could not read"):
        load_image_folder(image_folder, out=file)
    assert file.read_bytes() == b"precious"
    assert not (image_folder / "images.npy.part").exists()


def test_rejects_out_file_larger_than_free_disk_space(image_folder, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(OSError, match="1728 bytes, but only 100 bytes") as caught:
        load_image_folder(image_folder, out=image_folder / "images.npy")
    assert caught.value.errno == errno.ENOSPC
    assert not list(image_folder.glob("images.npy*"))


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("image_size", [None, 96])
def test_memory_peak_is_close_to_size_of_images(tmp_path, broken, image_size):
    for i in range(120):
        save(tmp_path / "ab"[i % 2] / f"{i:03}.jpg", random_pixels(96, 96, seed=i))
    if broken:
        (tmp_path / "a" / "050.jpg").write_bytes(b"")
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            images, _ = load_image_folder(
                tmp_path,
                image_size=image_size,
                on_error="skip",
                n_jobs=2,
                return_X_y=True,
            )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert images.nbytes == (120 - broken) * 96 * 96 * 3
    assert peak < 1.3 * images.nbytes


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_out_has_the_requested_dtype(image_folder, dtype):
    (image_folder / "ant" / "2a.jpg").touch()
    with pytest.warns(UserWarning, match="Skipped 1"):
        expected = load_image_folder(image_folder, dtype=dtype, on_error="skip")
    file = image_folder / "images.npy"
    with pytest.warns(UserWarning, match="Skipped 1"):
        data = load_image_folder(image_folder, dtype=dtype, on_error="skip", out=file)
    assert isinstance(data.images, np.memmap)
    assert data.images.dtype == np.load(file).dtype == dtype
    assert file.stat().st_size == data.images.offset + data.images.nbytes
    np.testing.assert_array_equal(np.load(file), expected.images)

    (image_folder / "ant" / "2a.jpg").unlink()
    out = np.empty((12, 6, 8, 3), dtype)
    assert load_image_folder(image_folder, dtype=dtype, out=out).images is out
    np.testing.assert_array_equal(out, expected.images)
    with pytest.raises(ValueError, match=f"dtype {dtype}, but expected .* uint8"):
        load_image_folder(image_folder, out=out)


def test_out_file_takes_little_memory(tmp_path):
    for i in range(120):
        save(tmp_path / "a" / f"{i:03}.jpg", random_pixels(96, 96, seed=i))
    tracemalloc.start()
    try:
        data = load_image_folder(tmp_path, out=tmp_path / "images.npy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.3 * data.images.nbytes
