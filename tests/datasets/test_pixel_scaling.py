"""Tests of the dtype of images and of the scaling of pixel values."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from image_helpers import random_pixels, save
from PIL import Image

from skcnn.datasets import load_image_folder, load_images

WHITE = {"uint8": 255, "uint16": 65535, "float32": 1}


def write_png16(path, values):
    """Write a PNG with 16 bits per channel, which Pillow cannot do for color."""
    height, width, n_channels = values.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[n_channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data))
            + name
            + data
            + struct.pack(">I", zlib.crc32(name + data))
            for name, data in [
                (b"IHDR", struct.pack(">IIBB3x", width, height, 16, color_type)),
                (b"IDAT", zlib.compress(rows)),
                (b"IEND", b""),
            ]
        )
    )
    return path


def write_tiff(path, values, bits=None, data=None):
    """Write `values`, or packed `data` with `bits` per pixel, as a grayscale TIFF."""
    height, width = values.shape
    bits = bits or 8 * values.itemsize
    data = values.tobytes() if data is None else data
    sample_format = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags = {
        **{256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 134, 277: 1},
        **{278: height, 279: len(data), 339: sample_format},
    }
    path.write_bytes(
        struct.pack("<4sIH", b"II*\0", 8, len(tags))
        + b"".join(
            struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()
        )
        + struct.pack("<I", 0)
        + data
    )
    return path


def load(file, **kwargs):
    """Load one file, and return its first channel and its scaling."""
    data = load_images([file], **kwargs)
    return data.images[0, ..., 0], data.scaling


# Values that span the full range of their type


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
def test_converts_8_bit_images(tmp_path, dtype, color_mode):
    pixels = random_pixels(channels=4 if color_mode == "rgba" else 3)
    file = save(tmp_path / "1.png", pixels)
    expected = load_images(file, color_mode=color_mode).images
    images = load_images(file, color_mode=color_mode, dtype=dtype).images
    assert images.dtype == dtype
    factor = {"uint8": 1, "uint16": 257, "float32": 1 / 255}[dtype]
    np.testing.assert_allclose(images, expected.astype(float) * factor, rtol=1e-6)


@pytest.mark.parametrize("extension", ["png", "tif", "pgm"])
@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_converts_16_bit_images(tmp_path, extension, color_mode, dtype):
    values = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    file = tmp_path / f"1.{extension}"
    if extension == "pgm":  # older versions of Pillow cannot write 16-bit PGM files
        file.write_bytes(b"P5 8 6 65535\n" + values.astype(">u2").tobytes())
    else:
        save(file, values)
    image, scaling = load(file, color_mode=color_mode, dtype=dtype)
    assert image.dtype == dtype
    expected = values * (WHITE[dtype] / 65535)
    if dtype != "float32":
        expected = np.rint(expected)
    np.testing.assert_allclose(image, expected, rtol=1e-6)
    how = {"uint8": "divided by 257", "uint16": "unchanged"}
    assert scaling == {"uint16": how.get(dtype, "divided by 65535")}
    if color_mode == "rgba":
        alpha = load_images(file, color_mode="rgba", dtype=dtype).images[..., 3]
        assert np.all(alpha == WHITE[dtype])


def test_converts_big_endian_16_bit_tiff(tmp_path):
    values = random_pixels(channels=1).astype(np.uint16) * 257
    image = Image.frombytes("I;16B", (8, 6), values.astype(">u2").tobytes())
    image.save(tmp_path / "1.tif")
    np.testing.assert_array_equal(load(tmp_path / "1.tif", dtype="uint16")[0], values)


def test_converts_12_bit_tiff(tmp_path):
    values = np.linspace(0, 4095, 48).astype(np.uint16).reshape(6, 8)
    first, second = values[:, ::2].astype(int), values[:, 1::2].astype(int)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], -1)
    data = packed.astype(np.uint8).tobytes()
    file = write_tiff(tmp_path / "1.tif", values, bits=12, data=data)
    np.testing.assert_array_equal(load(file)[0], np.rint(values * (255 / 4095)))
    image, scaling = load(file, dtype="uint16")
    np.testing.assert_array_equal(image, np.rint(values * (65535 / 4095)))
    assert scaling == {"uint16": "unchanged"}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_converts_floats_from_0_to_1(tmp_path, dtype):
    values = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    image, scaling = load(save(tmp_path / "1.tif", values), dtype=dtype)
    expected = values * WHITE[dtype]
    if dtype != "float32":
        expected = np.rint(expected)
    np.testing.assert_array_equal(image, expected)
    how = {"uint8": "multiplied by 255", "uint16": "multiplied by 65535"}
    assert scaling == {"float32": how.get(dtype, "unchanged")}


def test_allows_for_rounding_errors_of_floats(tmp_path):
    values = np.array([[-1e-4, 1.0001]], np.float32)
    np.testing.assert_array_equal(load(save(tmp_path / "1.tif", values))[0], [[0, 255]])


@pytest.mark.parametrize("kind", ["int32", "uint32", "int16"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_keeps_integers_without_a_white_value(tmp_path, kind, dtype):
    values = random_pixels(channels=1).astype(kind)
    image, scaling = load(write_tiff(tmp_path / "1.tif", values), dtype=dtype)
    np.testing.assert_array_equal(image, values)
    assert scaling == {"int32": "unchanged"}


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 2**31, 2**32 - 256]], np.uint32),
        np.array([[-1024, 3071]], np.int16),
        np.array([[-(2**30), 70_000]], np.int32),
        np.array([[-0.5, 300, 1e20]], np.float32),
        np.array([[np.nan, 1, np.inf]], np.float32),
    ],
)
def test_float32_keeps_all_values(tmp_path, values):
    file = write_tiff(tmp_path / "1.tif", values)
    np.testing.assert_array_equal(load(file, dtype="float32")[0], values)


@pytest.mark.parametrize("dtype", [np.uint16, "float32", np.dtype("<f4")])
def test_accepts_dtype_as_in_numpy(tmp_path, dtype):
    file = save(tmp_path / "1.png", random_pixels())
    assert load_images(file, dtype=dtype).images.dtype == dtype


def test_resizes_without_rounding_to_8_bits(tmp_path):
    values = np.repeat([[1000, 1001, 1002, 1003]], 4, axis=0).astype(np.uint16)
    file = save(tmp_path / "1.png", values)
    image, _ = load(file, dtype="uint16", image_size=(2, 2))
    assert np.all(image[:, 0] < image[:, 1])
    image, _ = load(file, dtype="float32", image_size=(1, 1))
    np.testing.assert_allclose(image * 65535, 1001.5, rtol=1e-5)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_turns_16_bit_images_upright(tmp_path, orientation):
    upright = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    stored = {1: upright, 3: upright[::-1, ::-1], 6: np.rot90(upright, 1)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "1.png", np.ascontiguousarray(stored), exif=exif)
    image, _ = load(tmp_path / "1.png", dtype="uint16", image_size=(6, 8))
    np.testing.assert_array_equal(image, upright)


def test_transparent_pixels_of_16_bit_images(tmp_path):
    values = np.full((6, 8), 40_000, np.uint16)
    values[:3] = 77
    file = save(tmp_path / "1.png", values, transparency=77)
    blended = np.where(values == 77, 65535, values)
    np.testing.assert_array_equal(load(file, dtype="uint16")[0], blended)
    rgba = load_images(file, dtype="uint16", color_mode="rgba").images[0]
    np.testing.assert_array_equal(rgba[..., 0], values)
    np.testing.assert_array_equal(rgba[..., 3], np.where(values == 77, 0, 65535))


# Each file is scaled by the same rule


def test_scaling_does_not_depend_on_other_files(tmp_path):
    # After scaling, a dark class and a bright class must not look alike.
    rng = np.random.default_rng(0)
    unit = rng.random((3, 20, 20), dtype=np.float32)
    for i in range(3):
        save(tmp_path / "bright" / f"{i}.tif", unit[i])
        save(tmp_path / "dark" / f"{i}.tif", unit[i] * 0.3)
    for dtype in ("uint8", "uint16", "float32"):
        data = load_image_folder(tmp_path, dtype=dtype)
        bright, dark = data.images[:3].mean(), data.images[3:].mean()
        assert dark / bright == pytest.approx(0.3, rel=0.02)
        alone = load_images(data.filenames[3:4], dtype=dtype)
        np.testing.assert_array_equal(alone.images, data.images[3:4])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_mixed_folder_has_one_scale(tmp_path, dtype):
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None], 4, axis=0)
    save(tmp_path / "a" / "8.png", grey)
    save(tmp_path / "a" / "16.png", grey.astype(np.uint16) * 257)
    save(tmp_path / "b" / "float.tif", (grey / 255).astype(np.float32))
    data = load_image_folder(tmp_path, dtype=dtype, color_mode="grayscale")
    for image in data.images:
        np.testing.assert_allclose(image[..., 0], grey / 255 * WHITE[dtype], rtol=1e-6)
    assert set(data.scaling) == {"uint8", "uint16", "float32"}
    assert "uint8 " + data.scaling["uint8"] in data.DESCR


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_result_and_warnings_do_not_depend_on_n_jobs(tmp_path, n_jobs, dtype):
    rng = np.random.default_rng(0)
    for i in range(20):
        values = rng.integers(0, 4096, (9, 9), dtype=np.uint16)
        save(tmp_path / "a" / f"{i:02}.png", values)
        save(tmp_path / "b" / f"{i:02}.png", random_pixels(9, 9, seed=i))
    results = []
    for jobs in (None, n_jobs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            data = load_image_folder(
                tmp_path, dtype=dtype, n_jobs=jobs, image_size=7, out=tmp_path / "x.npy"
            )
        results.append((np.array(data.images), [str(w.message) for w in caught]))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert len(results[0][1]) == 1


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("image_size", [None, 5])
@pytest.mark.parametrize(
    ("values", "dtype", "match"),
    [
        (np.array([[0, 4095]], np.int32), "uint8", "Pass dtype='uint16' or dtype='flo"),
        (np.array([[-1, 4095]], np.int16), "uint8", "from -1 to 4095.*Pass dtype='flo"),
        (np.array([[0, 70_000]], np.int32), "uint16", "expected 0 to 65535.*'float32'"),
        (np.array([[0, 255]], np.float32), "uint8", "floats range from 0 to 255, but"),
        (np.array([[-0.5, 0.5]], np.float32), "uint16", "expected 0 to 1 .*'float32'"),
    ],
)
def test_rejects_values_that_do_not_fit(
    tmp_path, values, dtype, match, on_error, image_size
):
    # Skipping these files could bias the data by brightness, so they raise an error.
    fits = np.array([[0, 1]], values.dtype)
    files = [write_tiff(tmp_path / f"{i}.tif", v) for i, v in enumerate((fits, values))]
    match = rf"Could not convert the image '.*1\.tif' to {dtype}: .*{match}"
    for paths in (files, files[1:]):
        with pytest.raises(ValueError, match=match):
            load_images(paths, dtype=dtype, on_error=on_error, image_size=image_size)
    load_images(files, dtype="float32", image_size=image_size)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_floats_that_are_not_finite_count_as_broken(tmp_path, value, dtype):
    good = save(tmp_path / "0.tif", np.ones((6, 8), np.float32))
    bad = save(tmp_path / "1.tif", np.full((6, 8), value, np.float32))
    with pytest.raises(ValueError, match=r"1\.tif': it contains NaN.*dtype='float32'"):
        load_images([good, bad], dtype=dtype)
    with pytest.warns(UserWarning, match=r"Skipped 1 of 2 .*NaN"):
        data = load_images([good, bad], dtype=dtype, on_error="skip")
    assert np.all(data.images == WHITE[dtype])


# Warnings


def few_bits(n_bits, *, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**n_bits, (40, 40), dtype=np.uint16)


def test_warns_where_most_grey_levels_are_lost(tmp_path):
    for i in range(3):
        save(tmp_path / "a" / f"{i}.png", few_bits(12, seed=i))
    match = (
        r"loses most grey levels of 3 of 3 images .*0\.png' keeps 17 of \d+ \(uint16 "
        r"values are divided by 257\)\. Pass dtype='uint16' or dtype='float32'"
    )
    with pytest.warns(UserWarning, match=match) as caught:
        load_image_folder(tmp_path, image_size=8)
    assert len(caught) == 1
    data = load_image_folder(tmp_path, dtype="uint16")
    np.testing.assert_array_equal(data.images[0, ..., 0], few_bits(12))


def test_warns_about_dark_floats(tmp_path):
    rng = np.random.default_rng(0)
    file = save(tmp_path / "1.tif", rng.random((40, 40), dtype=np.float32) / 50)
    with pytest.warns(UserWarning, match=r"keeps 6 of 1\d+ .*Pass dtype='float32' to"):
        load_images(file)


@pytest.mark.parametrize(
    "values",
    [
        few_bits(16),
        few_bits(16) // 65535 * 65535,  # black and white
        few_bits(5) * 257,  # dark, but converted to 8 bits without loss
        np.full((6, 8), 300, np.uint16),
    ],
)
def test_no_warning_if_few_grey_levels_are_lost(tmp_path, values):
    for image_size in (None, 30):
        load_images(save(tmp_path / "1.png", values), image_size=image_size)


def test_no_warning_if_a_quarter_of_the_images_are_dark(tmp_path):
    for i in range(8):
        save(tmp_path / f"{i}.png", few_bits(12 if i < 2 else 16, seed=i))
    load_images(tmp_path)
    save(tmp_path / "2.png", few_bits(12))
    with pytest.warns(UserWarning, match="loses most grey levels of 3 of 8 images"):
        load_images(tmp_path)


@pytest.mark.parametrize("n_channels", [2, 3, 4])
def test_colours_of_16_bits_are_reduced_by_pillow(tmp_path, n_channels):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 65536, (6, 8, n_channels))
    file = write_png16(tmp_path / "1.png", values)
    data = load_images(file, color_mode="rgba")
    assert data.scaling == {"uint16 colour": "reduced to 8 bits by Pillow"}
    np.testing.assert_array_equal(data.images[0, ..., 0], values[..., 0] // 256)
    match = r"Pillow reduces colours of 16 bits to 8 bits: '.*1\.png' keeps 256 levels"
    with pytest.warns(UserWarning, match=match):
        wide = load_images(file, color_mode="rgba", dtype="uint16")
    np.testing.assert_array_equal(wide.images, data.images * np.uint16(257))


def test_recognizes_16_bit_ppm(tmp_path):
    values = np.full((6, 8, 3), 2000, ">u2")
    (tmp_path / "1.ppm").write_bytes(b"P6 8 6 4095\n" + values.tobytes())
    data = load_images(tmp_path / "1.ppm")
    assert np.all(data.images == round(2000 / 4095 * 255))
    assert list(data.scaling) == ["uint16 colour"]


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale", "rgba"])
def test_warns_about_16_bit_colours_that_use_few_bits(tmp_path, color_mode):
    rng = np.random.default_rng(0)
    file = write_png16(tmp_path / "1.png", rng.integers(0, 4096, (40, 40, 3)))
    with pytest.warns(UserWarning, match=r"keeps at most 1\d levels.*Stretch the valu"):
        load_images(file, color_mode=color_mode)


@pytest.mark.parametrize(
    ("values", "dtype", "match"),
    [
        (np.full((6, 8), 200, np.float32), "float32", "float32 values, which are not"),
        (np.full((6, 8), 200, np.int32), "uint16", "int32 values, which are not"),
        (np.full((6, 8), 200, np.int32), "float32", "int32 values, which are not"),
        (
            np.full((6, 8), 4095, np.uint16),
            "uint16",
            "uint16 values, which use at most",
        ),
    ],
)
def test_warns_about_different_scales(tmp_path, values, dtype, match):
    files = [
        write_tiff(tmp_path / "0.tif", values),
        save(tmp_path / "1.png", random_pixels()),
    ]
    with pytest.warns(UserWarning, match=f"different scales: .*{match}.* uint8 values"):
        load_images(files, dtype=dtype)
    for file in files:
        load_images(file, dtype=dtype)
