"""load_image_folder, on files that each test makes for itself."""

import errno
import os
import shutil
import tracemalloc
import warnings
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedKFold

from skcnn.datasets import load_image_folder


def picture(height=6, width=8, *, seed=0, channels=3):
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **kwargs)
    return path


def one(folder, **kwargs):
    """The only image of a folder."""
    data = load_image_folder(folder, **kwargs)
    assert len(data.images) == 1
    return data.images[0]


@pytest.fixture
def coded(tmp_path):
    """Three classes of 5, 3 and 4 images; each image tells its class and number."""
    for code, (name, count) in enumerate([("ant", 5), ("bee", 3), ("cat", 4)]):
        for i in range(count):
            pixels = np.full((6, 8, 3), 10 * code + i, dtype=np.uint8)
            save(tmp_path / name / f"{i}.png", pixels)
    return tmp_path


# The result


def test_bunch(coded):
    data = load_image_folder(coded)
    assert data.images.shape == (12, 6, 8, 3)
    assert data.images.dtype == np.uint8
    assert data.images.flags.c_contiguous
    assert data.target.dtype == np.intp
    assert data.target.tolist() == [0] * 5 + [1] * 3 + [2] * 4
    assert data.target_names.tolist() == ["ant", "bee", "cat"]
    assert data.skipped == []
    assert "ant: 5" in data.DESCR
    assert "6 x 8 pixels" in data.DESCR
    # Labels, names and contents agree image by image.
    for image, code, file in zip(data.images, data.target, data.filenames, strict=True):
        assert image.min() == image.max() == 10 * code + int(Path(file).stem)
        assert Path(file).parent.name == data.target_names[code]
        assert Path(file).is_file()


def test_return_X_y(coded):
    data = load_image_folder(coded)
    images, target = load_image_folder(coded, return_X_y=True)
    np.testing.assert_array_equal(images, data.images)
    np.testing.assert_array_equal(target, data.target)


def test_order_is_by_class_then_by_name_whatever_the_disk_says(tmp_path, monkeypatch):
    for name in ("b", "a", "B", "é"):
        for file in ("img10.png", "img2.png", "Z.png"):
            save(tmp_path / name / file, picture())
    expected = [
        os.path.join(tmp_path, name, file)
        for name in ("B", "a", "b", "é")
        for file in ("Z.png", "img10.png", "img2.png")
    ]
    assert load_image_folder(tmp_path).filenames.tolist() == expected

    scandir = os.scandir

    class Reversed:
        def __init__(self, path):
            self.entries = sorted(scandir(path), key=lambda e: e.name, reverse=True)

        def __enter__(self):
            return self.entries

        def __exit__(self, *exception):
            pass

    monkeypatch.setattr(os, "scandir", Reversed)
    assert load_image_folder(tmp_path).filenames.tolist() == expected


def test_class_ordered_data_stratify(coded):
    data = load_image_folder(coded)
    for _, test in StratifiedKFold(3).split(data.images, data.target):
        assert set(data.target[test]) == {0, 1, 2}


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_n_jobs_changes_nothing(tmp_path, n_jobs):
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i:02}.jpg", picture(30 + i, 40, seed=i))
    expected = load_image_folder(tmp_path, image_size=16)
    data = load_image_folder(tmp_path, image_size=16, n_jobs=n_jobs)
    np.testing.assert_array_equal(data.images, expected.images)
    np.testing.assert_array_equal(data.filenames, expected.filenames)


def test_threads_even_where_processes_are_configured(coded):
    # Worker processes would fill copies of the array and leave it as it was.
    with joblib.parallel_config(backend="loky", n_jobs=2):
        data = load_image_folder(coded)
    np.testing.assert_array_equal(data.images, load_image_folder(coded).images)


def test_path_like_str_and_home(coded, monkeypatch):
    expected = load_image_folder(coded).images
    np.testing.assert_array_equal(load_image_folder(str(coded)).images, expected)
    monkeypatch.setenv("HOME", str(coded.parent))
    monkeypatch.setenv("USERPROFILE", str(coded.parent))
    np.testing.assert_array_equal(load_image_folder(f"~/{coded.name}").images, expected)


# Which classes and files


def test_include_and_exclude(coded):
    data = load_image_folder(coded, include=["cat", "ant"])
    assert data.target_names.tolist() == ["ant", "cat"]
    assert data.target.tolist() == [0] * 5 + [1] * 4
    data = load_image_folder(coded, exclude=("bee",))
    assert data.target_names.tolist() == ["ant", "cat"]
    data = load_image_folder(coded, include=["ant", "bee"], exclude=["ant"])
    assert data.target_names.tolist() == ["bee"]


@pytest.mark.parametrize("parameter", ["include", "exclude"])
def test_unknown_class(coded, parameter):
    match = f"Got 'bees' in {parameter}.*no such class.*Did you mean 'bee'.*'ant', "
    with pytest.raises(ValueError, match=match):
        load_image_folder(coded, **{parameter: ["bees"]})
    with pytest.raises(TypeError, match=rf"{parameter}='bee'.*Pass.*=\['bee'\]"):
        load_image_folder(coded, **{parameter: "bee"})
    with pytest.raises(TypeError, match=f"{parameter}=3 of type int"):
        load_image_folder(coded, **{parameter: 3})
    with pytest.raises(TypeError, match=f"Got 3 of type int in {parameter}"):
        load_image_folder(coded, **{parameter: [3]})


@pytest.mark.parametrize(
    "selection",
    [
        {"include": []},
        {"exclude": ["ant", "bee", "cat"]},
        {"include": ["ant"], "exclude": ["ant"]},
    ],
)
def test_nothing_selected(coded, selection):
    with pytest.raises(ValueError, match=r"leave none of the classes.*'ant', 'bee'"):
        load_image_folder(coded, **selection)


def test_max_per_class(coded):
    def numbers(**kwargs):
        data = load_image_folder(coded, max_per_class=3, **kwargs)
        assert data.target.tolist() == [0] * 3 + [1] * 3 + [2] * 3
        values = data.images[:, 0, 0, 0].astype(int)
        assert np.all(values // 10 == data.target)
        assert np.all(np.diff(values) > 0)  # the documented order
        return tuple(values)

    assert numbers(random_state=0) == numbers(random_state=0)
    seeds = {numbers(random_state=seed) for seed in range(20)}
    assert len(seeds) > 3
    assert numbers(random_state=np.random.RandomState(1)) in {numbers(random_state=1)}
    assert len(load_image_folder(coded, max_per_class=4).images) == 4 + 3 + 4


def test_global_random_state_untouched(coded):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    load_image_folder(coded, max_per_class=2, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_what_is_no_image_is_passed_over(tmp_path):
    save(tmp_path / "a" / "1.png", picture())
    save(tmp_path / "a" / "UPPER.JPG", picture(), format="JPEG")
    save(tmp_path / "a" / "Grüße 猫.png", picture())
    for name in ("Thumbs.db", ".DS_Store", "notes.txt", "desktop.ini", "noextension"):
        (tmp_path / "a" / name).write_bytes(b"no image")
    (tmp_path / "a" / "._1.png").write_bytes(b"of another system")
    save(tmp_path / "a" / "nested" / "2.png", picture())
    save(tmp_path / "a" / "folder.png" / "2.png", picture())
    save(tmp_path / "stray.png", picture())
    for hidden in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        save(tmp_path / hidden / "1.png", picture())
    data = load_image_folder(tmp_path)
    assert data.target_names.tolist() == ["a"]
    names = [Path(file).name for file in data.filenames]
    assert names == ["1.png", "Grüße 猫.png", "UPPER.JPG"]


def test_links_are_followed(tmp_path):
    save(tmp_path / "elsewhere" / "cats" / "1.png", picture())
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
    with pytest.raises(ValueError, match=r"2\.png'.*a link that leads nowhere"):
        load_image_folder(root)

    (root / "dogs" / "2.png").unlink()
    (root / "dogs" / "3.png").symlink_to(root / "dogs" / "3.png")
    (root / "round").symlink_to(root / "round")
    with pytest.raises(ValueError, match=r"Could not read the image '.*3\.png'"):
        load_image_folder(root)


# Layout errors


def test_no_path_is_not_the_current_folder(coded, monkeypatch):
    monkeypatch.chdir(coded)
    assert len(load_image_folder(".").images)
    with pytest.raises(ValueError, match="Got path='', but expected a folder"):
        load_image_folder("")


def test_unknown_home(coded):
    unknown = "~nobody-of-that-name/images"
    with pytest.raises(FileNotFoundError, match=r"path='~nobody.*no such home folder"):
        load_image_folder(unknown)
    with pytest.raises(FileNotFoundError, match=r"out='~nobody.*no such home folder"):
        load_image_folder(coded, out=unknown + ".npy")


def test_missing_path(tmp_path):
    match = r"Got path='.*nowhere.*train', which does not exist .*what exists of it"
    with pytest.raises(FileNotFoundError, match=match):
        load_image_folder(tmp_path / "nowhere" / "train")


def test_file_instead_of_folder(tmp_path):
    file = save(tmp_path / "1.png", picture())
    with pytest.raises(NotADirectoryError, match=r"1\.png', which is a file"):
        load_image_folder(file)


@pytest.mark.parametrize("path", [None, 3, b"x", ["a"]])
def test_path_of_wrong_type(path):
    with pytest.raises(TypeError, match=r"Got path=.*expected a str or a path"):
        load_image_folder(path)


def test_no_class_folders(tmp_path):
    with pytest.raises(
        ValueError, match=r"No class folders in .*: it holds no folders"
    ):
        load_image_folder(tmp_path)
    save(tmp_path / "1.png", picture())
    match = r"No class folders.*its 1 image\(s\) lie directly in it.*one folder of"
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path)


def test_empty_class_folder(coded):
    (coded / "dog").mkdir()
    match = r"No images in the class folder '.*dog': it is empty.*exclude=\['dog'\]"
    with pytest.raises(ValueError, match=match):
        load_image_folder(coded)
    (coded / "dog" / "readme.txt").touch()
    with pytest.raises(ValueError, match=r"1 entries are passed over: 'readme\.txt'"):
        load_image_folder(coded)
    assert len(load_image_folder(coded, exclude=["dog"]).target_names) == 3


# Arguments


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"image_size": 0}, ValueError, "image_size=0, but expected .* at least 1"),
        ({"image_size": (8, -1)}, ValueError, r"image_size=\(8, -1\).* at least 1"),
        ({"image_size": (8, 8, 3)}, ValueError, "with 3 entries.*color_mode"),
        ({"image_size": (8, 8.5)}, TypeError, "in whole numbers"),
        ({"image_size": 8.0}, TypeError, "image_size=8.0 of type float"),
        ({"image_size": "8"}, TypeError, "image_size='8' of type str"),
        ({"image_size": True}, TypeError, "image_size=True of type bool"),
        ({"color_mode": "rbg"}, ValueError, "color_mode='rbg'.*Did you mean 'rgb'"),
        ({"color_mode": None}, ValueError, "color_mode=None, but expected one of"),
        ({"on_error": "ignore"}, ValueError, "on_error='ignore'.*'raise', 'skip'"),
        ({"max_per_class": 0}, ValueError, "max_per_class=0.*at least 1"),
        ({"max_per_class": 2.0}, TypeError, "max_per_class=2.0 of type float"),
        ({"n_jobs": 0}, ValueError, "n_jobs=0.*-1 for all processors"),
        ({"n_jobs": 1.5}, TypeError, "n_jobs=1.5 of type float"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
        ({"out": 3}, TypeError, "Got out of type int"),
        ({"out": "images.npz"}, ValueError, r"ends in '\.npy'"),
        ({"out": "nowhere/images.npy"}, FileNotFoundError, "Create it first"),
        ({"out": np.zeros((12, 6, 8, 3))}, ValueError, "dtype float64.*uint8"),
        (
            {"out": np.zeros((12, 6, 8), np.uint8)},
            ValueError,
            r"shape \(12, 6, 8\), but the images need \(12, 6, 8, 3\)",
        ),
    ],
)
def test_bad_arguments(coded, kwargs, error, match):
    with pytest.raises(error, match=match):
        load_image_folder(coded, **kwargs)


def test_only_path_is_positional(coded):
    with pytest.raises(TypeError, match="positional"):
        load_image_folder(coded, 8)


# Sizes


def test_size_kept_if_all_agree(tmp_path):
    pixels = picture(5, 7)
    save(tmp_path / "a" / "1.png", pixels)
    np.testing.assert_array_equal(one(tmp_path), pixels)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_sizes_that_differ(tmp_path, on_error, n_jobs):
    for i in range(30):
        save(tmp_path / "a" / f"{i:02}.png", picture(5, 7))
    save(tmp_path / "b" / "odd.png", picture(6, 9))
    save(tmp_path / "b" / "odder.png", picture(1, 1))
    match = (
        r"Images differ in size: '.*00\.png' has 5 x 7 pixels \(height x width\), but "
        r"'.*odd\.png' has 6 x 9\. Pass image_size to resize .*image_size=\(5, 7\)"
    )
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path, on_error=on_error, n_jobs=n_jobs)
    assert load_image_folder(tmp_path, image_size=4).images.shape == (32, 4, 4, 3)


def test_image_size_is_height_and_width(tmp_path):
    save(tmp_path / "a" / "1.png", picture(20, 20))
    assert one(tmp_path, image_size=(4, 9)).shape == (4, 9, 3)
    assert one(tmp_path, image_size=[4, 9]).shape == (4, 9, 3)
    assert one(tmp_path, image_size=np.int64(4)).shape == (4, 4, 3)


def test_images_are_stretched(tmp_path):
    # Left half black, right half white, in a picture wider than high.
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    save(tmp_path / "a" / "1.png", pixels)
    image = one(tmp_path, image_size=10)
    assert np.all(image[:, :4] == 0)
    assert np.all(image[:, 6:] == 255)


def test_shrinking_averages(tmp_path):
    # Stripes finer than the new pixels become grey rather than stripes.
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = 255
    save(tmp_path / "a" / "1.png", pixels)
    image = one(tmp_path, image_size=8)
    assert np.all(np.abs(image.astype(int) - 127.5) < 12)


def test_resizing_is_bilinear(tmp_path):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[:, 1] = 200
    save(tmp_path / "a" / "1.png", pixels)
    # Weights of a linear interpolation between pixel centres
    expected = [0, 50, 150, 200]
    np.testing.assert_array_equal(one(tmp_path, image_size=4)[0, :, 0], expected)


def test_large_jpegs_lose_little_by_decoding_small(tmp_path):
    y, x = np.mgrid[:600, :900]
    waves = [np.sin(x / 40), np.cos(y / 55), np.sin((x + y) / 70)]
    pixels = np.stack(waves, -1) * 100 + 128
    save(tmp_path / "jpg" / "1.jpg", pixels.astype(np.uint8), quality=95)
    with Image.open(tmp_path / "jpg" / "1.jpg") as decoded:
        save(tmp_path / "png" / "1.png", np.asarray(decoded))
    jpg, png = load_image_folder(tmp_path, image_size=(40, 60)).images.astype(int)
    assert np.abs(jpg - png).max() <= 4
    assert np.abs(jpg - png).mean() < 1


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", ["png", "tif", "lzw.tif", "jpg"])
@pytest.mark.parametrize("image_size", [None, (24, 48)])
def test_exif_orientation(tmp_path, orientation, extension, image_size):
    # Pillow treats compressed TIFFs otherwise than plain ones.
    # An L in the upper left corner looks different in all eight orientations.
    upright = np.full((24, 48), 255, np.uint8)
    upright[2:20, 4:10] = 0
    upright[16:20, 4:24] = 0
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].T,
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / "a" / f"1.{extension}"
    kwargs = {
        "jpg": {"progressive": True, "quality": 95},
        "lzw.tif": {"compression": "tiff_lzw"},
    }.get(extension, {})
    save(file, np.ascontiguousarray(undo(upright)), exif=exif, **kwargs)
    image = one(tmp_path, image_size=image_size, color_mode="grayscale")[..., 0]
    assert image.shape == (24, 48)
    tolerance = 60 if extension == "jpg" else 0
    assert np.abs(image.astype(int) - upright).max() <= tolerance


def test_orientation_with_a_jpeg_decoded_small(tmp_path):
    stored = np.zeros((400, 200, 3), np.uint8)
    stored[:200] = (
        255  # white above; turned by 90 degrees clockwise, white at the right
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a" / "1.jpg", stored, exif=exif)
    image = one(tmp_path, image_size=(10, 20))
    assert image.shape == (10, 20, 3)
    assert image[:, :9].max() < 10
    assert image[:, 11:].min() > 245


def test_corrupt_exif_is_no_reason_to_refuse_an_image(tmp_path):
    save(tmp_path / "a" / "1.jpg", picture(), exif=b"Exif\x00\x00garbage of no meaning")
    assert one(tmp_path).shape == (6, 8, 3)


# Colours


def to_l(rgb):
    """Grey by the weights of ITU-R 601-2, in Pillow's integer arithmetic."""
    r, g, b = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return ((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16).astype(np.uint8)


def test_rgb_to_each_mode(tmp_path):
    pixels = picture()
    save(tmp_path / "a" / "1.png", pixels)
    np.testing.assert_array_equal(one(tmp_path), pixels)
    grey = one(tmp_path, color_mode="grayscale")
    assert grey.shape == (6, 8, 1)
    np.testing.assert_array_equal(grey[..., 0], to_l(pixels))
    rgba = one(tmp_path, color_mode="rgba")
    np.testing.assert_array_equal(rgba[..., :3], pixels)
    assert np.all(rgba[..., 3] == 255)


def test_grey(tmp_path):
    pixels = picture(channels=1)
    save(tmp_path / "a" / "1.png", pixels)
    np.testing.assert_array_equal(one(tmp_path), np.stack([pixels] * 3, -1))
    grey = one(tmp_path, color_mode="grayscale")
    np.testing.assert_array_equal(grey[..., 0], pixels)


def test_alpha_lies_over_white(tmp_path):
    pixels = picture(channels=4)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    save(tmp_path / "a" / "1.png", pixels)
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    image = one(tmp_path)
    assert np.abs(image - expected).max() <= 1
    assert np.all(image[0] == 255)
    np.testing.assert_array_equal(image[1], pixels[1, :, :3])
    np.testing.assert_array_equal(one(tmp_path, color_mode="rgba"), pixels)
    grey = one(tmp_path, color_mode="grayscale")[..., 0]
    np.testing.assert_array_equal(grey, to_l(image))


def test_grey_with_alpha(tmp_path):
    pixels = picture(channels=1)
    grey, alpha = Image.fromarray(pixels), Image.new("L", (8, 6), 0)
    (tmp_path / "a").mkdir()
    Image.merge("LA", (grey, alpha)).save(tmp_path / "a" / "1.png")
    assert np.all(one(tmp_path) == 255)
    assert np.all(one(tmp_path, color_mode="grayscale") == 255)


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_palette_with_and_without_transparency(tmp_path, extension):
    indices = (np.arange(48, dtype=np.uint8) % 3).reshape(6, 8)
    palette = np.array([[200, 10, 20], [30, 210, 40], [50, 60, 220]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(palette.tobytes())
    image.frombytes(indices.tobytes())
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / f"1.{extension}")
    np.testing.assert_array_equal(one(tmp_path), palette[indices])
    image.save(tmp_path / "a" / f"1.{extension}", transparency=1)
    palette[1] = 255
    np.testing.assert_array_equal(one(tmp_path), palette[indices])
    rgba = one(tmp_path, color_mode="rgba")
    np.testing.assert_array_equal(rgba[..., 3] == 0, indices == 1)


def test_one_bit(tmp_path):
    pixels = picture(channels=1) > 127
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "1.png")
    with Image.open(tmp_path / "a" / "1.png") as stored:
        assert stored.mode == "1"
    expected = np.where(pixels, 255, 0)
    np.testing.assert_array_equal(one(tmp_path)[..., 1], expected)
    np.testing.assert_array_equal(
        one(tmp_path, color_mode="grayscale")[..., 0], expected
    )


def test_cmyk_jpeg(tmp_path):
    colour = np.zeros((16, 16, 4), np.uint8)
    colour[..., 0] = 255  # cyan ink only
    (tmp_path / "a").mkdir()
    image = Image.frombytes("CMYK", (16, 16), colour.tobytes())
    image.save(tmp_path / "a" / "1.jpg", quality=95)
    with Image.open(tmp_path / "a" / "1.jpg") as stored:
        assert stored.mode == "CMYK"
    assert np.abs(one(tmp_path).astype(int) - [0, 255, 255]).max() <= 6


@pytest.mark.parametrize("extension", ["png", "tif", "pgm"])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
def test_16_bits_are_scaled_not_clipped(tmp_path, extension, color_mode):
    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    file = tmp_path / "a" / f"1.{extension}"
    if extension == "pgm":  # by hand: older versions of Pillow write none of 16 bits
        file.parent.mkdir()
        file.write_bytes(b"P5 8 6 65535\n" + values.astype(">u2").tobytes())
    else:
        save(file, values)
    image = one(tmp_path, color_mode=color_mode)[..., 0]
    np.testing.assert_array_equal(image, np.rint(values / 257))
    assert (image.min(), image.max()) == (0, 255)


def test_32_bits_and_floats(tmp_path):
    values = np.linspace(0, 65535, 48).astype(np.int32).reshape(6, 8)
    file = save(tmp_path / "a" / "1.tif", values)
    np.testing.assert_array_equal(one(tmp_path)[..., 0], np.rint(values / 257))
    unit = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    save(file, unit)
    np.testing.assert_array_equal(one(tmp_path)[..., 0], np.rint(unit * 255))
    save(file, 255 * unit)
    np.testing.assert_array_equal(one(tmp_path)[..., 0], np.rint(unit * 255))
    for bad in (unit - 2, 1000 * unit, values - 5, 2 * values, unit * np.nan):
        save(file, bad)
        with pytest.raises(ValueError, match=r"1\.tif.*no plain meaning in 8 bits"):
            load_image_folder(tmp_path)


def test_first_frame_of_animations(tmp_path):
    frames = [Image.fromarray(np.full((6, 8, 3), v, np.uint8)) for v in (10, 200, 250)]
    (tmp_path / "a").mkdir()
    frames[0].save(tmp_path / "a" / "1.gif", save_all=True, append_images=frames[1:])
    assert np.all(one(tmp_path) == 10)


# Broken images


def truncated_jpeg(path):
    save(path, picture(200, 200))
    path.write_bytes(path.read_bytes()[:2000])


def truncated_png(path):
    save(path, picture(50, 50), format="PNG")
    path.write_bytes(path.read_bytes()[:-4000])


def empty(path):
    path.touch()


def text(path):
    path.write_text("no photograph")


def postscript(path):
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")


BROKEN = [
    (truncated_jpeg, "truncated"),
    (truncated_png, "truncated|unrecognized|broken"),
    (empty, "the file is empty"),
    (text, "its content is no image of a format that Pillow can read"),
    (postscript, "its content is no image of a format that Pillow can read"),
]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("image_size", [None, 5])
@pytest.mark.parametrize(("damage", "reason"), BROKEN)
def test_broken_image(coded, damage, reason, image_size, n_jobs):
    broken = coded / "bee" / "1a.jpg"
    damage(broken)
    (coded / "cat" / "9.jpg").touch()  # broken too, but later
    match = rf"Could not read the image '.*1a\.jpg': .*({reason}).*on_error='skip'"
    with pytest.raises(ValueError, match=match):
        load_image_folder(coded, image_size=image_size, n_jobs=n_jobs)

    with pytest.warns(UserWarning, match=r"Skipped 2 of 14 images.*1a\.jpg") as caught:
        data = load_image_folder(
            coded, image_size=image_size, n_jobs=n_jobs, on_error="skip"
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [file for file, _ in data.skipped] == [
        str(broken),
        str(coded / "cat" / "9.jpg"),
    ]
    assert data.skipped[1][1] == "the file is empty"
    assert "skipped: 2" in data.DESCR
    assert len(data.images) == len(data.target) == len(data.filenames) == 12
    # What is left is as if the broken ones had never been there.
    broken.unlink()
    (coded / "cat" / "9.jpg").unlink()
    whole = load_image_folder(coded, image_size=image_size)
    np.testing.assert_array_equal(data.images, whole.images)
    np.testing.assert_array_equal(data.target, whole.target)
    np.testing.assert_array_equal(data.filenames, whole.filenames)


def test_first_image_broken(coded):
    (coded / "ant" / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Could not read the image '.*0\.png'"):
        load_image_folder(coded)
    with pytest.warns(UserWarning, match="Skipped 1 of 12"):
        assert len(load_image_folder(coded, on_error="skip").images) == 11


def test_class_lost_to_broken_images(coded):
    for file in (coded / "bee").iterdir():
        file.write_bytes(b"")
    match = r"None of the images in the class folder '.*bee'.*exclude=\['bee'\]"
    with pytest.raises(ValueError, match=match):
        load_image_folder(coded, on_error="skip", out=coded / "x.npy")
    assert not list(coded.glob("x.npy*"))
    with pytest.raises(ValueError, match="None of the 3 images could be read"):
        load_image_folder(coded, on_error="skip", include=["bee"])


@pytest.mark.parametrize("factor", [1.5, 3])
@pytest.mark.parametrize("as_error", [True, False])
def test_decompression_bomb(coded, monkeypatch, factor, as_error):
    # Pillow warns of images above its limit and refuses those above twice the limit;
    # both are refused here, whether or not warnings are errors.
    bomb = save(coded / "bee" / "bomb.png", picture(60, 80))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(60 * 80 / factor))
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        action = "error" if as_error else "ignore"
        warnings.simplefilter(action, Image.DecompressionBombWarning)
        with pytest.raises(ValueError, match=r"bomb\.png': .*decompression bombs"):
            load_image_folder(coded, image_size=4, n_jobs=2)
        warnings.simplefilter("ignore", UserWarning)
        data = load_image_folder(coded, image_size=4, on_error="skip")
    assert data.skipped[0][0] == str(bomb)
    assert warnings.filters == filters
    assert int(60 * 80 / factor) == Image.MAX_IMAGE_PIXELS


def test_a_real_bomb_is_refused_without_decoding_it(tmp_path):
    # 400 megapixels that take 400 kB on the disk and would take 400 MB in memory
    (tmp_path / "a").mkdir()
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a" / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png'.*MAX_IMAGE_PIXELS"):
        load_image_folder(tmp_path, image_size=8)


def test_no_limit_if_the_user_lifts_it(tmp_path, monkeypatch):
    save(tmp_path / "a" / "1.png", picture())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert one(tmp_path).shape == (6, 8, 3)


def test_unreadable_file(tmp_path):
    file = save(tmp_path / "a" / "1.png", picture())
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(ValueError, match=r"1\.png'.*[Pp]ermission"):
        load_image_folder(tmp_path)


# Destinations and memory


def test_out_array(coded):
    expected = load_image_folder(coded)
    out = np.empty((12, 6, 8, 3), np.uint8)
    assert load_image_folder(coded, out=out).images is out
    np.testing.assert_array_equal(out, expected.images)

    out.flags.writeable = False
    with pytest.raises(ValueError, match=r"read-only.*mode='r\+'"):
        load_image_folder(coded, out=out)


def test_out_memmap(coded, tmp_path):
    out = np.memmap(tmp_path / "raw", np.uint8, "w+", shape=(12, 6, 8, 3))
    assert load_image_folder(coded, out=out).images is out
    np.testing.assert_array_equal(out, load_image_folder(coded).images)


@pytest.mark.parametrize("as_type", [str, Path])
def test_out_file(coded, as_type):
    expected = load_image_folder(coded)
    file = coded / "images.npy"
    file.write_bytes(b"replaced")
    data = load_image_folder(coded, out=as_type(file))
    assert isinstance(data.images, np.memmap)
    assert data.images.flags.writeable
    np.testing.assert_array_equal(data.images, expected.images)
    np.testing.assert_array_equal(np.load(file), expected.images)
    assert [path.name for path in coded.iterdir() if path.is_file()] == ["images.npy"]


def test_out_with_skipped_images(coded):
    expected = load_image_folder(coded)
    (coded / "ant" / "2a.jpg").touch()
    (coded / "cat" / "9.jpg").touch()
    out = np.empty((14, 6, 8, 3), np.uint8)
    with pytest.warns(UserWarning, match="Skipped 2"):
        data = load_image_folder(coded, out=out, on_error="skip")
    assert data.images.base is out
    np.testing.assert_array_equal(data.images, expected.images)

    with pytest.warns(UserWarning, match="Skipped 2"):
        data = load_image_folder(coded, out=coded / "images.npy", on_error="skip")
    np.testing.assert_array_equal(data.images, expected.images)
    # The file, too, holds what was read and nothing else.
    np.testing.assert_array_equal(np.load(coded / "images.npy"), expected.images)


def test_failure_leaves_the_old_file(coded):
    file = coded / "images.npy"
    file.write_bytes(b"precious")
    (coded / "bee" / "9.jpg").touch()
    with pytest.raises(ValueError, match="Could not read"):
        load_image_folder(coded, out=file)
    assert file.read_bytes() == b"precious"
    assert not (coded / "images.npy.part").exists()


def test_out_on_a_full_disk(coded, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(OSError, match="1728 bytes, but 100 are free") as caught:
        load_image_folder(coded, out=coded / "images.npy")
    assert caught.value.errno == errno.ENOSPC
    assert not list(coded.glob("images.npy*"))


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("image_size", [None, 96])
def test_memory_peak(tmp_path, broken, image_size):
    for i in range(120):
        save(tmp_path / "ab"[i % 2] / f"{i:03}.jpg", picture(96, 96, seed=i))
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


def test_a_file_takes_no_memory_but_the_map(tmp_path):
    for i in range(120):
        save(tmp_path / "a" / f"{i:03}.jpg", picture(96, 96, seed=i))
    tracemalloc.start()
    try:
        data = load_image_folder(tmp_path, out=tmp_path / "images.npy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.3 * data.images.nbytes


# Photographs, where there are some


def test_photographs():
    scenes = os.environ.get("SKCNN_SCENES")
    if not scenes:
        pytest.skip("set SKCNN_SCENES to a folder of class folders of photographs")
    data = load_image_folder(
        scenes, image_size=32, max_per_class=20, n_jobs=2, random_state=0
    )
    assert np.bincount(data.target).max() <= 20
    assert not data.skipped
    for image, file in zip(data.images, data.filenames, strict=True):
        with Image.open(file) as photograph:
            small = photograph.convert("RGB").resize((32, 32), Image.Resampling.BOX)
        assert np.abs(image.astype(int) - np.asarray(small)).mean() < 12
