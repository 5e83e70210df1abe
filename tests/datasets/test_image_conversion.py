"""Tests of image conversion: size, orientation and color."""

import numpy as np
import pytest
from image_helpers import load_single_image, random_pixels, save
from PIL import Image

from skcnn.datasets import load_image_folder

# Image sizes


def test_keeps_size_if_all_images_agree(tmp_path):
    pixels = random_pixels(5, 7)
    save(tmp_path / "a" / "1.png", pixels)
    np.testing.assert_array_equal(load_single_image(tmp_path), pixels)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_rejects_images_that_differ_in_size(tmp_path, on_error, n_jobs):
    for i in range(30):
        save(tmp_path / "a" / f"{i:02}.png", random_pixels(5, 7))
    save(tmp_path / "b" / "odd.png", random_pixels(6, 9))
    save(tmp_path / "b" / "odder.png", random_pixels(1, 1))
    match = (
        r"Images differ in size: '.*00\.png' has 5 x 7 pixels \(height x width\), but "
        r"'.*odd\.png' has 6 x 9\. Pass image_size to resize .*image_size=\(5, 7\)"
    )
    with pytest.raises(ValueError, match=match):
        load_image_folder(tmp_path, on_error=on_error, n_jobs=n_jobs)
    assert load_image_folder(tmp_path, image_size=4).images.shape == (32, 4, 4, 3)


def test_image_size_is_height_and_width(tmp_path):
    save(tmp_path / "a" / "1.png", random_pixels(20, 20))
    assert load_single_image(tmp_path, image_size=(4, 9)).shape == (4, 9, 3)
    assert load_single_image(tmp_path, image_size=[4, 9]).shape == (4, 9, 3)
    assert load_single_image(tmp_path, image_size=np.int64(4)).shape == (4, 4, 3)


def test_resizing_stretches_images(tmp_path):
    # The image is wider than it is high. Only its right half is white.
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, 20:] = 255
    save(tmp_path / "a" / "1.png", pixels)
    image = load_single_image(tmp_path, image_size=10)
    assert np.all(image[:, :4] == 0)
    assert np.all(image[:, 6:] == 255)


def test_shrinking_is_antialiased(tmp_path):
    # The stripes are narrower than the new pixels and must be averaged to gray.
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = 255
    save(tmp_path / "a" / "1.png", pixels)
    image = load_single_image(tmp_path, image_size=8)
    assert np.all(np.abs(image.astype(int) - 127.5) < 12)


def test_resizing_is_bilinear(tmp_path):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[:, 1] = 200
    save(tmp_path / "a" / "1.png", pixels)
    # Values are interpolated linearly between pixel centers.
    expected = [0, 50, 150, 200]
    np.testing.assert_array_equal(
        load_single_image(tmp_path, image_size=4)[0, :, 0], expected
    )


def test_decoding_jpegs_at_reduced_size_changes_little(tmp_path):
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
def test_applies_exif_orientation(tmp_path, orientation, extension, image_size):
    # Also test compressed TIFFs, because Pillow uses a different code path for them.
    # The image shows the letter L in the upper left corner, so it looks different in
    # each of the eight orientations.
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
    image = load_single_image(tmp_path, image_size=image_size, color_mode="grayscale")[
        ..., 0
    ]
    assert image.shape == (24, 48)
    tolerance = 60 if extension == "jpg" else 0
    assert np.abs(image.astype(int) - upright).max() <= tolerance


def test_applies_exif_orientation_to_jpeg_decoded_at_reduced_size(tmp_path):
    # The upper half is white. A clockwise rotation by 90 degrees moves it to the right.
    stored = np.zeros((400, 200, 3), np.uint8)
    stored[:200] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a" / "1.jpg", stored, exif=exif)
    image = load_single_image(tmp_path, image_size=(10, 20))
    assert image.shape == (10, 20, 3)
    assert image[:, :9].max() < 10
    assert image[:, 11:].min() > 245


def test_ignores_corrupt_exif(tmp_path):
    save(tmp_path / "a" / "1.jpg", random_pixels(), exif=b"Exif\x00\x00garbage")
    assert load_single_image(tmp_path).shape == (6, 8, 3)


# Color


def to_grey(rgb):
    """Convert to gray with the weights of ITU-R 601-2 and Pillow's integer rounding."""
    r, g, b = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return ((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16).astype(np.uint8)


def test_converts_rgb_to_each_color_mode(tmp_path):
    pixels = random_pixels()
    save(tmp_path / "a" / "1.png", pixels)
    np.testing.assert_array_equal(load_single_image(tmp_path), pixels)
    grey = load_single_image(tmp_path, color_mode="grayscale")
    assert grey.shape == (6, 8, 1)
    np.testing.assert_array_equal(grey[..., 0], to_grey(pixels))
    rgba = load_single_image(tmp_path, color_mode="rgba")
    np.testing.assert_array_equal(rgba[..., :3], pixels)
    assert np.all(rgba[..., 3] == 255)


def test_converts_grayscale_images(tmp_path):
    pixels = random_pixels(channels=1)
    save(tmp_path / "a" / "1.png", pixels)
    np.testing.assert_array_equal(
        load_single_image(tmp_path), np.stack([pixels] * 3, -1)
    )
    grey = load_single_image(tmp_path, color_mode="grayscale")
    np.testing.assert_array_equal(grey[..., 0], pixels)


def test_blends_transparent_pixels_with_white(tmp_path):
    pixels = random_pixels(channels=4)
    pixels[0, :, 3], pixels[1, :, 3] = 0, 255
    save(tmp_path / "a" / "1.png", pixels)
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + 255 * (1 - alpha)
    image = load_single_image(tmp_path)
    assert np.abs(image - expected).max() <= 1
    assert np.all(image[0] == 255)
    np.testing.assert_array_equal(image[1], pixels[1, :, :3])
    np.testing.assert_array_equal(
        load_single_image(tmp_path, color_mode="rgba"), pixels
    )
    grey = load_single_image(tmp_path, color_mode="grayscale")[..., 0]
    np.testing.assert_array_equal(grey, to_grey(image))


def test_blends_transparent_grayscale_images_with_white(tmp_path):
    pixels = random_pixels(channels=1)
    grey, alpha = Image.fromarray(pixels), Image.new("L", (8, 6), 0)
    (tmp_path / "a").mkdir()
    Image.merge("LA", (grey, alpha)).save(tmp_path / "a" / "1.png")
    assert np.all(load_single_image(tmp_path) == 255)
    assert np.all(load_single_image(tmp_path, color_mode="grayscale") == 255)


@pytest.mark.parametrize("extension", ["png", "gif"])
def test_converts_palettes_with_and_without_transparency(tmp_path, extension):
    indices = (np.arange(48, dtype=np.uint8) % 3).reshape(6, 8)
    palette = np.array([[200, 10, 20], [30, 210, 40], [50, 60, 220]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(palette.tobytes())
    image.frombytes(indices.tobytes())
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / f"1.{extension}")
    np.testing.assert_array_equal(load_single_image(tmp_path), palette[indices])
    image.save(tmp_path / "a" / f"1.{extension}", transparency=1)
    palette[1] = 255
    np.testing.assert_array_equal(load_single_image(tmp_path), palette[indices])
    rgba = load_single_image(tmp_path, color_mode="rgba")
    np.testing.assert_array_equal(rgba[..., 3] == 0, indices == 1)


def test_converts_1_bit_images(tmp_path):
    pixels = random_pixels(channels=1) > 127
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "1.png")
    with Image.open(tmp_path / "a" / "1.png") as stored:
        assert stored.mode == "1"
    expected = np.where(pixels, 255, 0)
    np.testing.assert_array_equal(load_single_image(tmp_path)[..., 1], expected)
    np.testing.assert_array_equal(
        load_single_image(tmp_path, color_mode="grayscale")[..., 0], expected
    )


def test_converts_cmyk_jpeg(tmp_path):
    colour = np.zeros((16, 16, 4), np.uint8)
    colour[..., 0] = 255  # cyan ink only
    (tmp_path / "a").mkdir()
    image = Image.frombytes("CMYK", (16, 16), colour.tobytes())
    image.save(tmp_path / "a" / "1.jpg", quality=95)
    with Image.open(tmp_path / "a" / "1.jpg") as stored:
        assert stored.mode == "CMYK"
    assert np.abs(load_single_image(tmp_path).astype(int) - [0, 255, 255]).max() <= 6


def test_loads_first_frame_of_animations(tmp_path):
    frames = [Image.fromarray(np.full((6, 8, 3), v, np.uint8)) for v in (10, 200, 250)]
    (tmp_path / "a").mkdir()
    frames[0].save(tmp_path / "a" / "1.gif", save_all=True, append_images=frames[1:])
    assert np.all(load_single_image(tmp_path) == 10)


def test_loads_first_page_of_tiff(tmp_path):
    pages = [Image.fromarray(np.full((6, 8), v, np.uint8)) for v in (10, 200)]
    (tmp_path / "a").mkdir()
    pages[0].save(tmp_path / "a" / "1.tif", save_all=True, append_images=pages[1:])
    assert np.all(load_single_image(tmp_path) == 10)
