"""Turn an opened image into an array of the requested size, channels and dtype.

The rule that scales the values of a file depends only on the type of these values and
on the requested dtype, not on the values themselves or on other files. A file is
therefore always converted to the same array, whether it is loaded with the training
images or alone.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from ._formats import RAW

CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}

# Value of white for each type of stored values and for each dtype of the result. Files
# with 16 bits per colour channel are a separate type, because Pillow decodes them to 8
# bits. 32-bit integers have no defined value of white, so they are not scaled.
_WHITE = {"uint8": 255, "uint16": 65535, "uint16 colour": 255, "float32": 1}
STORED_TYPES = (*_WHITE, "int32")

# An image counts as damaged by the conversion if it keeps fewer than half of its
# distinct values, and fewer than _FEW_LEVELS of them.
_FEW_LEVELS = 64
_MAX_SAMPLE_SIZE = 65536

# Maps the EXIF orientation to the operation that turns the image upright.
_TRANSPOSE_METHODS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# These operations swap height and width.
_SWAP_AXES = frozenset(_TRANSPOSE_METHODS[orientation] for orientation in (5, 6, 7, 8))


class UnreadableImageError(Exception):
    """Raised if a file cannot be decoded. The message states the reason."""


class ScaleError(Exception):
    """Raised if the values of a file do not fit into the requested dtype."""


class Pixels(NamedTuple):
    """The values of one image, and information about their conversion.

    Attributes
    ----------
    values : ndarray of shape (height, width, n_channels)
        The converted image.
    stored : int
        Type of the values in the file, as an index into `STORED_TYPES`.
    outside : bool
        Whether the converted values are floats, some of which are outside the range
        from 0 to 1.
    dim : bool
        Whether the file has 16-bit values that use at most the lower 14 bits.
    n_lost : int
        If the conversion lost most of the distinct values, the number of distinct
        values before the conversion, or -1 if this number is unknown. Otherwise 0.
    n_left : int
        Number of distinct values after the conversion if `n_lost` is not 0. Otherwise
        0.
    """

    values: np.ndarray
    stored: int
    outside: bool = False
    dim: bool = False
    n_lost: int = 0
    n_left: int = 0


def describe_scaling(stored, dtype):
    """Describe how values of a stored type are converted to `dtype`."""
    if stored == "int32":
        return "unchanged"
    before, after = _WHITE[stored], _WHITE[dtype]
    if before == after:
        text = "unchanged"
    elif before > after:
        text = f"divided by {before // after}"
    else:
        text = f"multiplied by {after // before}"
    if stored != "uint16 colour":
        return text
    return "reduced to 8 bits by Pillow" + (
        "" if text == "unchanged" else f", then {text}"
    )


def read_pixels(image, color_mode, size, dtype):
    """Load an opened image, turn it upright, resize it and convert it.

    Parameters
    ----------
    image : PIL.Image.Image
        An image that has been opened but not loaded.
    color_mode : {"rgb", "grayscale", "rgba"}
        Colour mode to convert to.
    size : (int, int) or None
        Height and width of the result, in pixels. None keeps the size.
    dtype : {"uint8", "uint16", "float32"}
        Type of the result.

    Returns
    -------
    Pixels

    Raises
    ------
    UnreadableImageError
        If the image is too large, is a camera raw file, or contains NaN or infinity and
        `dtype` is not float32.
    ScaleError
        If the values of the image do not fit into `dtype`.
    """
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
        # For images of up to twice the limit, Pillow itself only issues a warning.
        raise UnreadableImageError(too_large_message(image.size))
    stored = _stored_type(image)
    if size is not None:
        # Decode JPEGs at a reduced size; other formats ignore this request. The
        # orientation is not yet known, so either side may be the height. Base both
        # requested sides on the larger value in `size`.
        image.draft(None, (2 * max(size), 2 * max(size)))
    image.load()
    # Read the orientation after loading, because for some formats, load() already turns
    # the image upright and removes the EXIF tag.
    transpose_method = _TRANSPOSE_METHODS.get(_orientation(image))
    if stored in ("uint8", "uint16 colour"):
        image = _to_8_bit_mode(image, color_mode)
        image = _resize(image, size, transpose_method)
        values = np.asarray(image).reshape(image.height, image.width, -1)
        facts = _facts_about_colours(values) if stored == "uint16 colour" else {}
        if dtype == "uint16":
            values = values.astype(np.uint16) * np.uint16(257)
        elif dtype == "float32":
            values = values.astype(np.float32) / np.float32(255)
    else:
        values, opaque = _grey_values(image, stored)
        facts = _check_and_count(values, stored, dtype)
        if color_mode != "rgba" and opaque is not None:
            values[~opaque] = _WHITE[stored]
        grey = _resize(Image.fromarray(values), size, transpose_method)
        grey = _scale(np.asarray(grey), stored, dtype)
        values = np.repeat(grey[..., None], CHANNELS[color_mode], axis=2)
        if color_mode == "rgba":
            values[..., 3] = _WHITE[dtype]
            if opaque is not None:
                alpha = Image.fromarray(opaque.astype(np.float32))
                alpha = np.asarray(_resize(alpha, size, transpose_method))
                values[..., 3] = _scale(alpha, "float32", dtype)
    return Pixels(values, STORED_TYPES.index(stored), **facts)


def too_large_message(size=None):
    """Return the reason why an image has too many pixels; `size` is (width, height)."""
    shape = f"{size[1]} x {size[0]} pixels (height x width), " if size else ""
    return (
        f"it has {shape}more than the PIL.Image.MAX_IMAGE_PIXELS="
        f"{Image.MAX_IMAGE_PIXELS} pixels allowed to protect against decompression "
        "bombs; raise this limit if you trust the image"
    )


def _stored_type(image):
    """Return the type of the values in the file, one of `STORED_TYPES`.

    Raises
    ------
    UnreadableImageError
        If the file is a camera raw file, which is a TIFF whose first page is a small
        preview.
    """
    tags = image.tag_v2 if image.format == "TIFF" else {}
    is_preview = tags.get(254, 0) & 1 and 330 in tags
    if is_preview or 50706 in tags:
        raise UnreadableImageError(f"it is {RAW}")
    if image.mode == "F":
        return "float32"
    # Pillow opens 16-bit PGM files, and before version 11 also 16-bit PNGs, as 32-bit
    # integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format != "TIFF"):
        return "uint16"
    if image.mode == "I":
        return "int32"
    # The decoder's argument is usually a raw mode, such as "RGB;16B". For a PPM file,
    # it is a tuple that also contains the largest possible value, as in ("RGB", 65535).
    args = image.tile[0][3] if image.tile else ""
    rawmode, *rest = args if isinstance(args, tuple) else (args,)
    if (
        ";16" in str(rawmode)
        or (image.format == "PPM" and rest and rest[0] > 255)
        or max(tags.get(258) or (8,)) == 16
    ):
        return "uint16 colour"
    return "uint8"


def _orientation(image):
    """Return the EXIF orientation, 1 to 8, or None if it is missing or corrupt."""
    try:
        return image.getexif().get(0x0112)
    except Exception:  # load the image even if its EXIF data is corrupt
        return None


def _resize(image, size, transpose_method):
    """Resize an image so that it has `size` (height, width) once it is upright."""
    if size is not None:
        height, width = size
        if transpose_method in _SWAP_AXES:
            height, width = width, height
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image if transpose_method is None else image.transpose(transpose_method)


# Images with 8 bits per channel


def _to_8_bit_mode(image, color_mode):
    """Convert an image with 8 bits per channel to the Pillow mode for `color_mode`."""
    if color_mode == "rgba":
        return image.convert("RGBA")
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image.convert("RGBA"))
    if color_mode == "rgb" or image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return image.convert("L") if color_mode == "grayscale" else image


def _facts_about_colours(values):
    """Return facts about colours that Pillow has reduced from 16 to 8 bits.

    The values before the reduction are unknown. However, if all values are small, the
    file uses only some of its 16 bits, and few of the 256 values remain.
    """
    n_left = int(values[..., :3].max()) + 1
    return {"n_lost": -1, "n_left": n_left} if n_left < _FEW_LEVELS else {}


# Grayscale images with more than 8 bits


def _grey_values(image, stored):
    """Return the values in a grayscale file, and the mask of its opaque pixels.

    Returns
    -------
    values : ndarray of shape (height, width), dtype float32
        A new array.
    opaque : ndarray of shape (height, width), dtype bool, or None
        None if all pixels are opaque.
    """
    values = np.asarray(image)
    if stored == "int32" and image.tag_v2.get(339, (1,)) == (1,):
        values = values.view(np.uint32)  # Pillow has no mode for unsigned integers
    transparent = image.info.get("transparency")
    opaque = values != transparent if isinstance(transparent, int) else None
    values = values.astype(np.float32)
    if image.format == "TIFF" and image.tag_v2.get(258) == (12,):
        values = np.rint(values * np.float32(65535 / 4095))
    return values, opaque


def _scale(values, stored, dtype):
    """Scale values of a stored type, given as floats, and convert them to `dtype`."""
    if stored != "int32":
        before, after = _WHITE[stored], _WHITE[dtype]
        if before > after:
            values = values / np.float32(before // after)
        elif before < after:
            values = values * np.float32(after // before)
    return (values if dtype == "float32" else np.rint(values)).astype(dtype)


def _check_and_count(values, stored, dtype):
    """Raise if values do not fit into `dtype`; count the distinct values that remain.

    Returns
    -------
    dict
        Keyword arguments of `Pixels`.
    """
    low, high = float(values.min()), float(values.max())
    facts = {"dim": stored == "uint16" and high < 2**14}
    if dtype == "float32":
        outside = stored == "float32" and not (low >= 0 and high <= 1)
        return {"outside": outside, **facts}
    if stored != "uint16":
        _check_range(low, high, stored, dtype)
    if dtype == "uint16":
        return facts
    sample = values.reshape(-1)[:: max(1, values.size // _MAX_SAMPLE_SIZE)]
    n_left = len(np.unique(_scale(sample, stored, dtype)))
    n_stored = len(np.unique(sample))
    if n_left < _FEW_LEVELS and 2 * n_left < n_stored:
        facts |= {"n_lost": n_stored, "n_left": n_left}
    return facts


def _check_range(low, high, stored, dtype):
    """Raise if floats or 32-bit integers from `low` to `high` do not fit in `dtype`."""
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UnreadableImageError(
            f"it contains NaN or infinity, which {dtype} cannot represent; pass "
            "dtype='float32' to keep them"
        )
    # Allow for rounding errors by accepting values that would be rounded to a limit.
    limit = 1 if stored == "float32" else _WHITE[dtype]
    tolerance = 0.499 * limit / _WHITE[dtype]
    if low < -tolerance or high > limit + tolerance:
        what = "floats" if stored == "float32" else "32-bit or signed integers"
        rule = (
            f"0 is black and 1 is white in floats, which become 0 and {_WHITE[dtype]}"
            if stored == "float32"
            else f"such integers are not scaled, and {dtype} ends at {_WHITE[dtype]}"
        )
        keep = "dtype='float32'"
        if stored == "int32" and dtype == "uint8" and low >= 0 and high <= 65535:
            keep = "dtype='uint16' or dtype='float32'"
        raise ScaleError(
            f"its {what} range from {low:g} to {high:g}, but expected 0 to {limit} "
            f"for dtype={dtype!r} ({rule}). Pass {keep} to keep all values as they are"
        )
