"""Files of images to rows of an array, in threads."""

import os

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, UnidentifiedImageError

# Pillow opens a file by its content, whatever its name. Formats outside this list are
# never tried: a file from the net must not start, say, a PostScript interpreter.
_FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "MPO"),
    *("TGA", "AVIF", "HEIF", "HEIC"),
)

# Files go to the threads in chunks: after each, the first failure in the order of files
# is raised, so the same folder always gives the same error, and soon. A batch is what
# one task decodes.
_CHUNK, _BATCH = 512, 8

# Orientation in EXIF data to what sets the image upright
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAP_SIDES = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))


class _UnreadableImageError(Exception):
    """The reason why one file cannot be used."""


class _SizeError(Exception):
    """The message about two images that differ in size."""


class Decoder:
    """Decodes a list of files into the rows of an array."""

    def __init__(self, files, color_mode, size, on_error):
        Image.init()
        self.formats = [name for name in _FORMATS if name in Image.OPEN]
        self.files = files
        self.color_mode = color_mode
        self.resize_to = size
        self.on_error = on_error
        self.reference, self.size = (None, size) if size else self._find_size()

    def _find_size(self):
        """The first image that can be read, and its size, which all must have."""
        for i, file in enumerate(self.files):
            try:
                image = self._decode_file(i)
            except _UnreadableImageError as error:
                if self.on_error == "raise":
                    raise self._explain(i, error) from error
                continue
            return file, (image.height, image.width)
        raise ValueError(
            f"None of the {len(self.files)} images could be read, of which the first "
            f"is {self.files[0]!r}. Pass on_error='raise' to see what is wrong with it."
        )

    def decode(self, images, n_jobs):
        """Fill the rows of `images`; return (row, reason) of those left out."""
        skipped = []
        # Threads are required, not preferred: in a parallel_config context that asks
        # for processes, workers would fill copies of the array.
        with Parallel(n_jobs=n_jobs, require="sharedmem") as parallel:
            for start in range(0, len(self.files), _CHUNK):
                stop = min(start + _CHUNK, len(self.files))
                outcomes = parallel(
                    delayed(self._decode_batch)(images, range(i, min(i + _BATCH, stop)))
                    for i in range(start, stop, _BATCH)
                )
                for i, error in (failure for batch in outcomes for failure in batch):
                    if isinstance(error, _SizeError):
                        raise ValueError(str(error))
                    if self.on_error == "raise":
                        raise self._explain(i, error) from error
                    skipped.append((i, str(error)))
        return skipped

    def _decode_batch(self, images, rows):
        failed = []
        for i in rows:
            try:
                image = self._decode_file(i)
                self._check_size(i, image)
            except (_UnreadableImageError, _SizeError) as error:
                # Returned, as joblib would raise whatever thread fails first.
                failed.append((i, error))
            else:
                images[i] = np.asarray(image).reshape(images.shape[1:])
        return failed

    def _decode_file(self, i):
        file = self.files[i]
        try:
            # Opened here, as by name Pillow maps some TIFFs to memory, and then takes
            # the sides of those to be turned for each other (seen in Pillow 13.0).
            with (
                open(file, "rb") as stream,
                Image.open(stream, formats=self.formats) as image,
            ):
                return _convert(image, self.color_mode, self.resize_to)
        except (_UnreadableImageError, MemoryError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _UnreadableImageError(_explain_bomb()) from error
        except UnidentifiedImageError as error:
            raise _UnreadableImageError(
                "its content is no image of a format that Pillow can read"
                if os.path.getsize(file)
                else "the file is empty"
            ) from error
        except FileNotFoundError as error:
            raise _UnreadableImageError("a link that leads nowhere, or gone") from error
        except Exception as error:  # Pillow raises nearly anything on corrupt data
            reason = str(error) or type(error).__name__
            raise _UnreadableImageError(reason) from error

    def _check_size(self, i, image):
        height, width = self.size
        if (image.height, image.width) != self.size:
            raise _SizeError(
                f"Images differ in size: {self.reference!r} has {height} x {width} "
                f"pixels (height x width), but {self.files[i]!r} has {image.height} x "
                f"{image.width}. Pass image_size to resize all of them, for example "
                f"image_size=({height}, {width})."
            )

    def _explain(self, i, reason):
        return ValueError(
            f"Could not read the image {self.files[i]!r}: {reason}. Repair or remove "
            "it, or pass on_error='skip' to load the others."
        )


def _convert(image, color_mode, size):
    """Decode an opened image: upright, of 8 bits, resized to `size`."""
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
        # Pillow itself only warns of images up to twice the limit.
        raise _UnreadableImageError(_explain_bomb(image.size))
    if size is not None:
        # Only JPEGs heed this. Which side is the height is not sure before the
        # orientation is known, hence the longer one for both.
        image.draft(None, (2 * max(size), 2 * max(size)))
    image.load()
    # Read after loading, which turns images of some formats and drops the tag.
    turn = _TURNS.get(_orientation(image))
    image = _to_mode(image, color_mode)
    if size is not None:
        height, width = size
        if turn in _SWAP_SIDES:
            height, width = width, height
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image if turn is None else image.transpose(turn)


def _explain_bomb(size=None):
    sides = f"{size[1]} x {size[0]} (height x width)" if size else "too many"
    return (
        f"{sides} pixels, more than the {Image.MAX_IMAGE_PIXELS} that guard against "
        "decompression bombs (if you trust it, raise PIL.Image.MAX_IMAGE_PIXELS)"
    )


def _orientation(image):
    try:
        return image.getexif().get(0x0112)
    except Exception:  # corrupt EXIF data say nothing about orientation
        return None


def _to_mode(image, color_mode):
    """Convert to 8 bits, and to the mode that `color_mode` names."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _deep_to_8_bits(image)
    if color_mode == "rgba":
        return image.convert("RGBA")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if color_mode == "rgb" or image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return image.convert("L") if color_mode == "grayscale" else image


def _deep_to_8_bits(image):
    """Grey of 16 bits or floats to grey of 8; Pillow's own conversion would clip."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode != "F" and low >= 0 and high <= 65535:
        values = (values.astype(np.uint32) + 128) // 257
    elif image.mode == "F" and low >= 0 and high <= 255:
        values = np.rint(values * (255 if high <= 1 else 1))
    else:
        raise _UnreadableImageError(
            f"its values from {low} to {high} (mode {image.mode!r}) have no plain "
            "meaning in 8 bits; convert it to grey or colour of 8 bits"
        )
    return Image.fromarray(values.astype(np.uint8))
