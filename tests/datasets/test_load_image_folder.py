"""Tests of load_image_folder: its result, the choice of files, and its arguments."""

import os
from pathlib import Path

import joblib
import numpy as np
import pytest
from image_helpers import random_pixels, save
from PIL import Image
from sklearn.model_selection import StratifiedKFold

from skcnn.datasets import load_image_folder

# The result


def test_bunch(image_folder):
    data = load_image_folder(image_folder)
    assert data.images.shape == (12, 6, 8, 3)
    assert data.images.dtype == np.uint8
    assert data.images.flags.c_contiguous
    assert data.target.dtype == np.intp
    assert data.target.tolist() == [0] * 5 + [1] * 3 + [2] * 4
    assert data.target_names.tolist() == ["ant", "bee", "cat"]
    assert data.skipped == []
    assert "ant: 5" in data.DESCR
    assert "6 x 8 pixels" in data.DESCR
    # For each image, the label, the file name and the content must match.
    for image, k, file in zip(data.images, data.target, data.filenames, strict=True):
        assert image.min() == image.max() == 10 * k + int(Path(file).stem)
        assert Path(file).parent.name == data.target_names[k]
        assert Path(file).is_file()


def test_return_X_y(image_folder):
    data = load_image_folder(image_folder)
    images, target = load_image_folder(image_folder, return_X_y=True)
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(target, data.target)


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    for name in ("b", "a", "B", "é"):
        for file in ("img10.png", "img2.png", "Z.png"):
            save(tmp_path / name / file, random_pixels())
    expected = [
        os.path.join(tmp_path, name, file)
        for name in ("B", "a", "b", "é")
        for file in ("Z.png", "img10.png", "img2.png")
    ]
    assert load_image_folder(tmp_path).filenames.tolist() == expected

    scandir = os.scandir

    class ReversedScandir:
        def __init__(self, path):
            self.entries = sorted(scandir(path), key=lambda e: e.name, reverse=True)

        def __enter__(self):
            return self.entries

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(os, "scandir", ReversedScandir)
    assert load_image_folder(tmp_path).filenames.tolist() == expected


def test_stratified_folds_contain_all_classes(image_folder):
    data = load_image_folder(image_folder)
    for _, test in StratifiedKFold(3).split(data.images, data.target):
        assert set(data.target[test]) == {0, 1, 2}


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_result_does_not_depend_on_n_jobs(tmp_path, n_jobs):
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i:02}.jpg", random_pixels(30 + i, 40, seed=i))
    expected = load_image_folder(tmp_path, image_size=16)
    data = load_image_folder(tmp_path, image_size=16, n_jobs=n_jobs)
    np.testing.assert_array_equal(data.images, expected.images)
    np.testing.assert_array_equal(data.filenames, expected.filenames)


def test_uses_threads_if_processes_are_configured(image_folder):
    # Worker processes would write to copies of the array and leave the original empty.
    with joblib.parallel_config(backend="loky", n_jobs=2):
        data = load_image_folder(image_folder)
    np.testing.assert_array_equal(data.images, load_image_folder(image_folder).images)


def test_path_as_str_and_with_home_folder(image_folder, monkeypatch):
    expected = load_image_folder(image_folder).images
    np.testing.assert_array_equal(load_image_folder(str(image_folder)).images, expected)
    monkeypatch.setenv("HOME", str(image_folder.parent))
    monkeypatch.setenv("USERPROFILE", str(image_folder.parent))
    np.testing.assert_array_equal(
        load_image_folder(f"~/{image_folder.name}").images, expected
    )


# Selection of classes and files


def test_include_and_exclude(image_folder):
    data = load_image_folder(image_folder, include=["ant", "cat"])
    assert data.target_names.tolist() == ["ant", "cat"]
    assert data.target.tolist() == [0] * 5 + [1] * 4
    data = load_image_folder(image_folder, exclude=("bee",))
    assert data.target_names.tolist() == ["ant", "cat"]
    data = load_image_folder(image_folder, include=["ant", "bee"], exclude=["ant"])
    assert data.target_names.tolist() == ["bee"]


def test_include_decides_the_order_of_the_classes(image_folder):
    expected = load_image_folder(image_folder, max_per_class=3, random_state=0)
    for include in (["cat", "ant", "bee"], np.array(["cat", "ant", "bee", "cat"])):
        data = load_image_folder(
            image_folder, include=include, max_per_class=3, random_state=0
        )
        assert data.target_names.tolist() == ["cat", "ant", "bee"]
        assert data.target.tolist() == [0] * 3 + [1] * 3 + [2] * 3
        # The random subset does not depend on the order of the classes.
        order = [6, 7, 8, 0, 1, 2, 3, 4, 5]
        np.testing.assert_array_equal(data.images, expected.images[order])
        np.testing.assert_array_equal(data.filenames, expected.filenames[order])
    data = load_image_folder(image_folder, include=["cat", "bee"], exclude=["ant"])
    assert data.target_names.tolist() == ["cat", "bee"]
    # A set has no order, so the classes are sorted by name.
    data = load_image_folder(image_folder, include={"cat", "bee", "ant"})
    assert data.target_names.tolist() == ["ant", "bee", "cat"]


@pytest.mark.parametrize("parameter", ["include", "exclude"])
def test_rejects_unknown_class(image_folder, parameter):
    match = f"Got 'bees' in {parameter}.*no such class.*Did you mean 'bee'.*'ant', "
    with pytest.raises(ValueError, match=match):
        load_image_folder(image_folder, **{parameter: ["bees"]})
    with pytest.raises(TypeError, match=rf"{parameter}='bee'.*Pass.*=\['bee'\]"):
        load_image_folder(image_folder, **{parameter: "bee"})
    with pytest.raises(TypeError, match=f"{parameter}=3 of type int"):
        load_image_folder(image_folder, **{parameter: 3})
    with pytest.raises(TypeError, match=f"Got 3 of type int in {parameter}"):
        load_image_folder(image_folder, **{parameter: [3]})


@pytest.mark.parametrize(
    "selection",
    [
        {"include": []},
        {"exclude": ["ant", "bee", "cat"]},
        {"include": ["ant"], "exclude": ["ant"]},
    ],
)
def test_rejects_empty_selection(image_folder, selection):
    with pytest.raises(ValueError, match=r"select none of the classes.*'ant', 'bee'"):
        load_image_folder(image_folder, **selection)


def test_max_per_class(image_folder):
    def load_values(**kwargs):
        data = load_image_folder(image_folder, max_per_class=3, **kwargs)
        assert data.target.tolist() == [0] * 3 + [1] * 3 + [2] * 3
        values = data.images[:, 0, 0, 0].astype(int)
        assert np.all(values // 10 == data.target)
        assert np.all(np.diff(values) > 0)  # sorted by class and name
        return tuple(values)

    assert load_values(random_state=0) == load_values(random_state=0)
    subsets = {load_values(random_state=seed) for seed in range(20)}
    assert len(subsets) > 3
    rng = np.random.RandomState(1)
    assert load_values(random_state=rng) == load_values(random_state=1)
    assert len(load_image_folder(image_folder, max_per_class=4).images) == 4 + 3 + 4


def test_global_random_state_is_unchanged(image_folder):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    load_image_folder(image_folder, max_per_class=2, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_ignores_files_that_are_not_images(tmp_path):
    save(tmp_path / "a" / "1.png", random_pixels())
    save(tmp_path / "a" / "UPPER.JPG", random_pixels(), format="JPEG")
    save(tmp_path / "a" / "Grüße 猫.png", random_pixels())
    for name in ("Thumbs.db", ".DS_Store", "notes.txt", "desktop.ini", "noextension"):
        (tmp_path / "a" / name).write_bytes(b"not an image")
    (tmp_path / "a" / "._1.png").write_bytes(b"metadata of another system")
    save(tmp_path / "a" / "nested" / "2.png", random_pixels())
    save(tmp_path / "a" / "folder.png" / "2.png", random_pixels())
    save(tmp_path / "stray.png", random_pixels())
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        save(tmp_path / hidden / "1.png", random_pixels())
    data = load_image_folder(tmp_path)
    assert data.target_names.tolist() == ["a"]
    names = [Path(file).name for file in data.filenames]
    assert names == ["1.png", "Grüße 猫.png", "UPPER.JPG"]


def test_warns_about_images_in_formats_that_are_not_read(image_folder):
    for name in ("0.CR2", "1.cr2", ".2.cr2", "notes.txt"):
        (image_folder / "bee" / name).touch()
    with pytest.warns(
        UserWarning, match=r"Ignored 2 .*0\.CR2': it is a camera raw file"
    ):
        data = load_image_folder(image_folder)
    assert len(data.images) == 12
    for file in (image_folder / "bee").glob("*.png"):
        file.unlink()
    match = r"none of its 4 entries.*\('0\.CR2' is a camera raw file.*develop it"
    with pytest.raises(ValueError, match=match):
        load_image_folder(image_folder)


def test_follows_symbolic_links(tmp_path):
    save(tmp_path / "elsewhere" / "cats" / "1.png", random_pixels())
    root = tmp_path / "root"
    root.mkdir()
    try:
        (root / "cats").symlink_to(tmp_path / "elsewhere" / "cats")
        (root / "dogs").mkdir()
        (root / "dogs" / "1.png").symlink_to(tmp_path / "elsewhere" / "cats" / "1.png")
    except OSError:
        pytest.skip("links are not permitted here")
    data = load_image_folder(root)
    assert data.target_names.tolist() == ["cats", "dogs"]
    np.testing.assert_array_equal(data.images[0], data.images[1])

    (root / "dogs" / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(ValueError, match=r"2\.png'.*broken link"):
        load_image_folder(root)

    (root / "dogs" / "2.png").unlink()
    (root / "dogs" / "3.png").symlink_to(root / "dogs" / "3.png")
    (root / "round").symlink_to(root / "round")
    with pytest.raises(ValueError, match=r"'.*3\.png': it is a circular link"):
        load_image_folder(root)


# Errors in the folder layout


def test_empty_path_is_not_the_current_folder(image_folder, monkeypatch):
    monkeypatch.chdir(image_folder)
    assert len(load_image_folder(".").images)
    with pytest.raises(ValueError, match="Got path='', but expected a folder"):
        load_image_folder("")


def test_rejects_unknown_home_folder(image_folder):
    unknown = "~nobody-of-that-name/images"
    match = r"path='~nobody.*this home folder does not exist"
    with pytest.raises(FileNotFoundError, match=match):
        load_image_folder(unknown)
    match = r"out='~nobody.*this home folder does not exist"
    with pytest.raises(FileNotFoundError, match=match):
        load_image_folder(image_folder, out=unknown + ".npy")


def test_rejects_missing_path(tmp_path):
    match = r"Got path='.*nowhere.*train', which does not exist: .*closest existing"
    with pytest.raises(FileNotFoundError, match=match):
        load_image_folder(tmp_path / "nowhere" / "train")


def test_rejects_path_of_a_file(tmp_path):
    file = save(tmp_path / "1.png", random_pixels())
    with pytest.raises(NotADirectoryError, match=r"1\.png', which is a file"):
        load_image_folder(file)


@pytest.mark.parametrize("path", [None, 3, b"x", ["a"]])
def test_rejects_path_of_wrong_type(path):
    with pytest.raises(
        TypeError, match=r"Got path=.*expected a str or an os\.PathLike"
    ):
        load_image_folder(path)


def test_rejects_folder_without_class_folders(tmp_path):
    with pytest.raises(
        ValueError, match=r"No class folders in .*: it contains no folders"
    ):
        load_image_folder(tmp_path)
    save(tmp_path / "1.png", random_pixels())
    match = (
        r"No class folders.*it directly contains 1 image\(s\).*load_images, or create"
    )
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path)


def test_names_the_folder_to_pass_if_the_classes_are_one_level_below(tmp_path):
    save(tmp_path / "train" / "ant" / "1.png", random_pixels())
    match = r"directly in the class folder '.*train', but in its subfolders 'ant'\. "
    with pytest.raises(ValueError, match=match + r"Pass the folder .*path='.*train'"):
        load_image_folder(tmp_path)


@pytest.mark.parametrize("kind", [list, np.array])
def test_names_load_images_for_a_list_of_files(image_folder, kind):
    files = kind([str(image_folder / "ant" / "0.png")])
    with pytest.raises(TypeError, match=r"Load a list of files with .*load_images"):
        load_image_folder(files)
    with pytest.raises(NotADirectoryError, match=r"with skcnn\.datasets\.load_images"):
        load_image_folder(files[0])


def test_reports_class_folder_without_permission(image_folder):
    (image_folder / "bee").chmod(0)
    try:
        if os.access(image_folder / "bee", os.R_OK):
            pytest.skip("the current user can read all folders")
        with pytest.raises(PermissionError, match=r"no permission to list.*bee"):
            load_image_folder(image_folder)
    finally:
        (image_folder / "bee").chmod(0o755)


def test_rejects_class_folder_without_images(image_folder):
    (image_folder / "dog").mkdir()
    match = r"No images in the class folder '.*dog': it is empty.*exclude=\['dog'\]"
    with pytest.raises(ValueError, match=match):
        load_image_folder(image_folder)
    (image_folder / "dog" / "readme.txt").touch()
    with pytest.raises(
        ValueError, match=r"none of its 1 entries is an image: 'readme\.txt'"
    ):
        load_image_folder(image_folder)
    assert len(load_image_folder(image_folder, exclude=["dog"]).target_names) == 3


# Arguments


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"image_size": 0}, ValueError, "image_size=0, but expected .* at least 1"),
        ({"image_size": (8, -1)}, ValueError, r"image_size=\(8, -1\).* at least 1"),
        ({"image_size": (8, 8, 3)}, ValueError, "with 3 entries.*color_mode"),
        ({"image_size": (8, 8.5)}, TypeError, "Round it to whole pixels"),
        ({"image_size": 8.0}, TypeError, "image_size=8.0 of type float"),
        ({"image_size": "8"}, TypeError, "image_size='8' of type str"),
        ({"image_size": True}, TypeError, "image_size=True of type bool"),
        ({"color_mode": "rbg"}, ValueError, "color_mode='rbg'.*Did you mean 'rgb'"),
        (
            {"color_mode": None},
            ValueError,
            "color_mode=None, but expected one of",
        ),
        ({"on_error": "ignore"}, ValueError, "on_error='ignore'.*'raise', 'skip'"),
        ({"max_per_class": 0}, ValueError, "max_per_class=0.*at least 1"),
        ({"max_per_class": 2.0}, TypeError, "max_per_class=2.0 of type float"),
        ({"n_jobs": 0}, ValueError, "n_jobs=0.*-1 for all processors"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs=1.5 of type float"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
        ({"dtype": "int8"}, ValueError, r"dtype='int8', but .* 'float32'\. Did you"),
        ({"dtype": None}, ValueError, "dtype=None, but expected one of 'uint8'"),
        ({"dtype": float}, ValueError, "dtype=<class 'float'>.*Did you mean 'float32'"),
        ({"dtype": "numbers"}, ValueError, "dtype='numbers'"),
        ({"out": 3}, TypeError, "Got out of type int"),
        ({"out": "images.npz"}, ValueError, r"ends in '\.npy'"),
        ({"out": "nowhere/images.npy"}, FileNotFoundError, "Create it first"),
        ({"out": np.zeros((12, 6, 8, 3))}, ValueError, "dtype float64.*uint8"),
        (
            {"out": np.zeros((12, 6, 8), np.uint8)},
            ValueError,
            r"shape \(12, 6, 8\), but expected \(12, 6, 8, 3\)",
        ),
    ],
)
def test_rejects_invalid_arguments(image_folder, kwargs, error, match):
    with pytest.raises(error, match=match):
        load_image_folder(image_folder, **kwargs)


def test_other_parameters_are_keyword_only(image_folder):
    with pytest.raises(TypeError, match="positional"):
        load_image_folder(image_folder, 8)


# Real photographs, if available


def test_loads_photographs():
    scenes = os.environ.get("SKCNN_SCENES")
    if not scenes:
        pytest.skip("set SKCNN_SCENES to a folder of photographs, one folder per class")
    data = load_image_folder(
        scenes, image_size=32, max_per_class=20, n_jobs=2, random_state=0
    )
    assert np.bincount(data.target).max() <= 20
    assert not data.skipped
    for image, file in zip(data.images, data.filenames, strict=True):
        with Image.open(file) as photograph:
            small = photograph.convert("RGB").resize((32, 32), Image.Resampling.BOX)
        assert np.abs(image.astype(int) - np.asarray(small)).mean() < 12
