"""Tests of images that are broken, too large or in an unsupported format."""

import os
import warnings

import numpy as np
import pytest
from image_helpers import load_single_image, random_pixels, save
from PIL import Image

from skcnn.datasets import load_image_folder

# Broken images


def truncated_jpeg(path):
    save(path, random_pixels(200, 200))
    path.write_bytes(path.read_bytes()[:2000])


def truncated_png(path):
    save(path, random_pixels(50, 50), format="PNG")
    path.write_bytes(path.read_bytes()[:-4000])


def empty(path):
    path.touch()


def text(path):
    path.write_text("not a photograph")


def postscript(path):
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")


BROKEN = [
    (truncated_jpeg, "truncated"),
    (truncated_png, "truncated|unrecognized|broken"),
    (empty, "the file is empty"),
    (text, "its content is not an image in a format that Pillow can read"),
    (postscript, "it is a PostScript file, which is not read"),
]


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("image_size", [None, 5])
@pytest.mark.parametrize(("damage", "reason"), BROKEN)
def test_raises_or_skips_broken_images(
    image_folder, damage, reason, image_size, n_jobs
):
    broken = image_folder / "bee" / "1a.jpg"
    damage(broken)
    (image_folder / "cat" / "9.jpg").touch()  # also broken, but comes later
    match = rf"Could not read the image '.*1a\.jpg': .*({reason}).*on_error='skip'"
    with pytest.raises(ValueError, match=match):
        load_image_folder(image_folder, image_size=image_size, n_jobs=n_jobs)

    with pytest.warns(UserWarning, match=r"Skipped 2 of 14 images.*1a\.jpg") as caught:
        data = load_image_folder(
            image_folder, image_size=image_size, n_jobs=n_jobs, on_error="skip"
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [file for file, _ in data.skipped] == [
        str(broken),
        str(image_folder / "cat" / "9.jpg"),
    ]
    assert data.skipped[1][1] == "the file is empty"
    assert "skipped: 2" in data.DESCR
    assert len(data.images) == len(data.target) == len(data.filenames) == 12
    # The result must be the same as without the broken files.
    broken.unlink()
    (image_folder / "cat" / "9.jpg").unlink()
    whole = load_image_folder(image_folder, image_size=image_size)
    np.testing.assert_array_equal(data.images, whole.images)
    np.testing.assert_array_equal(data.target, whole.target)
    np.testing.assert_array_equal(data.filenames, whole.filenames)


def test_raises_or_skips_broken_first_image(image_folder):
    (image_folder / "ant" / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"Could not read the image '.*0\.png'"):
        load_image_folder(image_folder)
    with pytest.warns(UserWarning, match="Skipped 1 of 12"):
        assert len(load_image_folder(image_folder, on_error="skip").images) == 11


def test_rejects_class_whose_images_are_all_broken(image_folder):
    for file in (image_folder / "bee").iterdir():
        file.write_bytes(b"")
    match = r"None of the images in the class folder '.*bee'.*exclude=\['bee'\]"
    with pytest.raises(ValueError, match=match):
        load_image_folder(image_folder, on_error="skip", out=image_folder / "x.npy")
    assert not list(image_folder.glob("x.npy*"))
    with pytest.raises(ValueError, match="None of the 3 images could be read"):
        load_image_folder(image_folder, on_error="skip", include=["bee"])


@pytest.mark.parametrize("factor", [1.5, 3])
@pytest.mark.parametrize("as_error", [True, False])
def test_rejects_decompression_bomb(image_folder, monkeypatch, factor, as_error):
    # Pillow issues a warning for images above its size limit and raises an error for
    # images above twice that limit. load_image_folder rejects images in both cases,
    # whether or not warnings are errors.
    bomb = save(image_folder / "bee" / "bomb.png", random_pixels(60, 80))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(60 * 80 / factor))
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        action = "error" if as_error else "ignore"
        warnings.simplefilter(action, Image.DecompressionBombWarning)
        with pytest.raises(ValueError, match=r"bomb\.png': .*decompression bombs"):
            load_image_folder(image_folder, image_size=4, n_jobs=2)
        warnings.simplefilter("ignore", UserWarning)
        data = load_image_folder(image_folder, image_size=4, on_error="skip")
    assert data.skipped[0][0] == str(bomb)
    assert warnings.filters == filters
    assert int(60 * 80 / factor) == Image.MAX_IMAGE_PIXELS


def test_rejects_decompression_bomb_without_decoding_it(tmp_path):
    # The image has 400 megapixels. It takes 400 kB on disk, but 400 MB in memory.
    (tmp_path / "a").mkdir()
    Image.new("1", (20_000, 20_000)).save(tmp_path / "a" / "bomb.png")
    with pytest.raises(ValueError, match=r"bomb\.png'.*MAX_IMAGE_PIXELS"):
        load_image_folder(tmp_path, image_size=8)


def test_loads_images_without_pixel_limit(tmp_path, monkeypatch):
    save(tmp_path / "a" / "1.png", random_pixels())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert load_single_image(tmp_path).shape == (6, 8, 3)


def test_reports_missing_permission(tmp_path):
    file = save(tmp_path / "a" / "1.png", random_pixels())
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("the current user can read all files")
    with pytest.raises(ValueError, match=r"1\.png'.*[Pp]ermission"):
        load_image_folder(tmp_path)


# Unsupported formats, which are recognized by file content


def media(*brands):
    """Return the start of a file with a "ftyp" box, which lists its formats."""
    box = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return (len(box) + 4).to_bytes(4, "big") + box + bytes(64)


HEIC = "a HEIC image.*pip install pillow-heif.*register_heif_opener"
AVIF = "an AVIF image.*Pillow 11.3 or later.*pillow-avif-plugin"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (media(b"heic", b"mif1"), HEIC),
        (media(b"mif1", b"mif1", b"heix"), HEIC),
        (media(b"avif"), AVIF),
        (media(b"mif1", b"mif1", b"avif", b"miaf"), AVIF),
        (media(b"crx ", b"isom"), "a camera raw file"),
        (media(b"isom", b"mp42"), "a video"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "a camera raw file"),
        (b"FUJIFILMCCD-RAW 0201", "a camera raw file"),
        (b"8BPS\0\2", "a Photoshop file"),
        (b"%PDF-1.7", "a PDF document"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"/>', "an SVG drawing"),
        (b"\xef\xbb\xbf<svg/>", "an SVG drawing"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (bytes(128) + b"DICM", "pydicom"),
        (b"\xff\x0a\0", "a JPEG XL image"),
        (b"\x93NUMPY\1\0", "numpy.load"),
        (b"PK\3\4", "a ZIP archive"),
        (b"II*\0\x08\0\0\0" + bytes(64), "a TIFF whose type of pixels"),
        (b"<?xml version='1.0'?><a/>", "not an image in a format"),
    ],
)
def test_names_the_format_of_unreadable_files(image_folder, content, match):
    # The extension does not matter, because the content determines the format.
    (image_folder / "bee" / "1a.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=rf"1a\.jpg': it.* {match}"):
        load_image_folder(image_folder)
    with pytest.warns(UserWarning, match=rf"Skipped 1 .*1a\.jpg': it.* {match}"):
        load_image_folder(image_folder, on_error="skip")


def test_names_the_plugin_if_pillow_cannot_read_avif(image_folder, monkeypatch):
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    file = image_folder / "bee" / "1a.jpg"
    file.write_bytes(media(b"avif"))
    with pytest.raises(ValueError, match=rf"1a\.jpg': it is {AVIF}"):
        load_image_folder(image_folder)

    # Pillow may also list a format that it does not support. It then issues a warning.
    accept = lambda prefix: "AVIF support not installed"  # noqa: E731
    monkeypatch.setitem(Image.OPEN, "AVIF", (None, accept))
    if "AVIF" not in Image.ID:
        monkeypatch.setattr(Image, "ID", [*Image.ID, "AVIF"])
    with pytest.raises(ValueError, match=rf"1a\.jpg': it is {AVIF}"):
        load_image_folder(image_folder)


@pytest.mark.parametrize(
    "tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}], ids=["dng", "preview"]
)
def test_rejects_the_preview_in_a_camera_raw_file(tmp_path, tags):
    # Pillow opens these files as TIFFs and would load only the small preview.
    save(tmp_path / "a" / "1.tif", random_pixels(), tiffinfo=tags)
    with pytest.raises(ValueError, match=r"1\.tif': it is a camera raw file.*rawpy"):
        load_image_folder(tmp_path)


def test_reports_folder_and_broken_first_image(image_folder):
    for file in (image_folder / "ant").iterdir():
        file.write_bytes(b"%PDF-")
    with pytest.raises(ValueError, match=r"None of the 5 .*0\.png': it is a PDF"):
        load_image_folder(image_folder, include=["ant"], on_error="skip")
