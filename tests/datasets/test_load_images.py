"""Tests of load_images."""

import inspect
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_helpers import random_pixels, save

from skcnn.datasets import load_image_folder, load_images


@pytest.fixture
def files(tmp_path):
    """Create six images. All pixels of an image equal the number in its file name."""
    return [
        save(tmp_path / "flat" / f"{i}.png", np.full((6, 8, 3), i, np.uint8))
        for i in range(6)
    ]


def values(data):
    """Return the pixel value of each image."""
    assert np.all(data.images == data.images[:, :1, :1, :1])
    return data.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "collect",
    [
        list,
        tuple,
        lambda paths: [str(path) for path in paths],
        lambda paths: np.array([str(path) for path in paths]),
        lambda paths: np.array(paths, dtype=object),
        lambda paths: pd.Series([str(path) for path in paths], index=range(9, 4, -1)),
        lambda paths: pd.Index([str(path) for path in paths]),
        iter,
    ],
)
def test_loads_files_in_the_given_order(files, collect):
    paths = [files[i] for i in (3, 0, 5, 3, 1)]
    data = load_images(collect(paths))
    assert data.images.shape == (5, 6, 8, 3)
    assert data.images.dtype == np.uint8
    assert values(data) == [3, 0, 5, 3, 1]
    assert data.filenames.tolist() == [str(path) for path in paths]
    assert data.skipped == []
    assert data.scaling == {"uint8": "unchanged"}
    assert "5 images of 6 x 8 pixels" in data.DESCR
    assert "target" not in data


@pytest.mark.parametrize("as_type", [str, Path])
def test_loads_flat_folder_sorted_by_name(files, as_type):
    folder = files[0].parent
    save(folder / "10.png", np.full((6, 8, 3), 10, np.uint8))
    save(folder / "subfolder.png" / "1.png", random_pixels())
    (folder / "notes.txt").touch()
    data = load_images(as_type(folder))
    assert values(data) == [0, 1, 10, 2, 3, 4, 5]
    assert data.filenames[2] == str(folder / "10.png")


@pytest.mark.parametrize("as_type", [str, Path])
def test_loads_single_file(files, as_type):
    data = load_images(as_type(files[2]))
    assert values(data) == [2]
    assert data.filenames.tolist() == [str(files[2])]


def test_file_names_are_kept_as_given(files, monkeypatch):
    monkeypatch.chdir(files[0].parent)
    monkeypatch.setenv("HOME", str(files[0].parent))
    monkeypatch.setenv("USERPROFILE", str(files[0].parent))
    save(Path("~tilde.png"), random_pixels())  # not a home directory
    paths = ["0.png", Path("1.png"), "./2.png", "~/3.png", "~tilde.png"]
    data = load_images(paths)
    assert data.filenames.tolist() == [str(path) for path in paths]
    assert load_images(".").filenames[0] == os.path.join(".", "0.png")


def test_labels_from_a_table(files, tmp_path):
    table = pd.DataFrame({"file": [f.name for f in files], "label": list("abcabc")})
    table = table.sample(frac=1, random_state=0)
    (tmp_path / "flat" / "4.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="Skipped 1 of 6"):
        data = load_images(f"{tmp_path}/flat/" + table["file"], on_error="skip")
    names = [Path(file).name for file in data.filenames]
    y = table.set_index("file").loc[names, "label"]
    assert y.tolist() == ["abcabc"[v] for v in values(data)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_images_equal_those_of_load_image_folder(image_folder, dtype):
    save(image_folder / "ant" / "9.png", random_pixels(7, 9, channels=4))
    kwargs = {"image_size": (5, 7), "color_mode": "rgba", "dtype": dtype, "n_jobs": 2}
    expected = load_image_folder(image_folder, **kwargs)
    data = load_images(expected.filenames, out=image_folder / "images.npy", **kwargs)
    assert isinstance(data.images, np.memmap)
    np.testing.assert_array_equal(data.images, expected.images)
    np.testing.assert_array_equal(data.filenames, expected.filenames)


def test_extension_does_not_matter_in_a_list(tmp_path):
    file = save(tmp_path / "1.png", random_pixels())
    file = file.rename(tmp_path / "no_extension")
    assert len(load_images([file]).images) == 1
    assert len(load_images(file).images) == 1


# Broken and missing files


def test_missing_files_are_reported_before_decoding(files, monkeypatch):
    files[0].write_bytes(b"")  # decoding would fail at this file first
    missing = files[0].parent / "gone.png"
    match = r"^2 of 8 files do not exist: '.*gone\.png', '.*gone\.png'\. Correct"
    with pytest.raises(FileNotFoundError, match=match):
        load_images([*files, missing, missing])
    monkeypatch.chdir(files[0].parent)
    with pytest.raises(FileNotFoundError, match=r"'x\.png'\. Relative paths start in"):
        load_images(["x.png"])


def test_skips_missing_and_broken_files(files):
    files[1].write_bytes(b"")
    paths = [*files, "gone.png", files[0].parent]
    with pytest.warns(UserWarning, match=r"Skipped 3 of 8 images: .*1\.png': the") as w:
        data = load_images(paths, on_error="skip")
    assert len(w) == 1
    assert values(data) == [0, 2, 3, 4, 5]
    assert [reason for _, reason in data.skipped] == [
        "the file is empty",
        "it is a broken link, or the file does not exist",
        "it is a folder, not a file",
    ]
    assert data.skipped[1][0] == "gone.png"
    with pytest.raises(ValueError, match=r"None of the 1 images .* 'gone\.png': it is"):
        load_images(["gone.png"], on_error="skip", image_size=8)


def test_warning_points_at_the_line_of_the_user(files):
    files[1].write_bytes(b"")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        load_images(files, on_error="skip")
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


# Errors


def test_names_load_image_folder_for_class_folders(image_folder):
    match = r"in its subfolders: 'ant', 'bee', 'cat'.*datasets\.load_image_folder"
    with pytest.raises(ValueError, match=match):
        load_images(image_folder)


def test_rejects_folder_without_images(tmp_path):
    with pytest.raises(ValueError, match=r"No images in the folder .*: it is empty\."):
        load_images(tmp_path)
    (tmp_path / "1.NEF").touch()
    with pytest.raises(ValueError, match=r"'1\.NEF' is a camera raw file.*develop it"):
        load_images(tmp_path)


def test_warns_about_formats_that_are_not_read(files):
    (files[0].parent / "drawing.svg").touch()
    with pytest.warns(UserWarning, match=r"Ignored 1 .*\.svg': it is an SVG drawing"):
        assert len(load_images(files[0].parent).images) == 6


def test_rejects_missing_folder(files):
    folder = files[0].parent
    with pytest.raises(FileNotFoundError, match=r"does not exist.*Did you mean 'flat'"):
        load_images(folder.with_name("flatt"))
    with pytest.raises(FileNotFoundError, match=r"pass sorted\(glob\.glob\(pattern"):
        load_images(f"{folder}/*.png")
    with pytest.raises(FileNotFoundError, match="does not exist: found no"):
        load_images(folder / "a" / "b" / "c")
    with pytest.raises(FileNotFoundError, match="this home folder does not exist"):
        load_images("~nobody-of-that-name/images")


def test_rejects_folder_in_a_list(files):
    with pytest.raises(ValueError, match=r"1 folder\(s\) as paths: .*flat'"):
        load_images([files[0], files[0].parent])


@pytest.mark.parametrize(
    ("paths", "error", "match"),
    [
        ("", ValueError, r"paths='', but expected.*Pass '\.'"),
        ([], ValueError, r"Got no paths \(an empty list\)"),
        (None, TypeError, "paths=None of type NoneType, but expected a list of files"),
        (3, TypeError, "paths=3 of type int"),
        (b"x.png", TypeError, "paths of type bytes"),
        ({"x.png"}, TypeError, "paths of type set.*which has an order"),
        ({"x.png": 1}, TypeError, "paths of type dict"),
        (pd.DataFrame({"file": ["x.png"]}), TypeError, "DataFrame.*a single column"),
        (np.zeros((2, 2, 2, 3)), TypeError, "paths of type ndarray"),
        (
            pd.Series(["x.png", None]),
            TypeError,
            r"at position 1 of paths.*Remove missi",
        ),
        ([b"x.png"], TypeError, r"Got b'x\.png' of type bytes at position 0"),
        ([""], TypeError, "Got '' of type str at position 0"),
    ],
)
def test_rejects_invalid_paths(paths, error, match):
    with pytest.raises(error, match=match):
        load_images(paths)


def test_rejects_invalid_options(files):
    for kwargs, match in [
        ({"dtype": "float64"}, "dtype='float64'.*Did you mean 'float32'"),
        ({"image_size": 0}, "image_size=0"),
        ({"color_mode": "gray"}, "color_mode='gray'.*Did you mean 'grayscale'"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"out": "images.txt"}, "out='images.txt'"),
    ]:
        with pytest.raises(ValueError, match=match):
            load_images(files, **kwargs)
    with pytest.raises(TypeError, match="positional"):
        load_images(files, 8)


def test_reports_missing_permission(files):
    files[0].chmod(0)
    if os.access(files[0], os.R_OK):
        pytest.skip("the current user can read all files")
    with pytest.raises(ValueError, match=r"0\.png': you have no permission"):
        load_images(files)
