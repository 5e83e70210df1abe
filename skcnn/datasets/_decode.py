"""Decode image files into the rows of one array, using threads."""

import os
from itertools import chain

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, UnidentifiedImageError

# Pillow detects the format from the content of a file, not from its name. Restrict it
# to these formats, so that an untrusted file cannot start, for example, the PostScript
# interpreter that Pillow calls for EPS.
_FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "MPO"),
    *("TGA", "AVIF", "HEIF", "HEIC"),
)

# The threads decode one chunk of files at a time. After each chunk, the error of the
# first broken file, in file order, is raised. The same folder thus always raises the
# same error, without decoding all files first. Each task decodes one batch of a chunk.
_CHUNK_SIZE, _BATCH_SIZE = 512, 8

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
# These operations exchange height and width.
_SWAP_AXES = frozenset(_TRANSPOSE_METHODS[orientation] for orientation in (5, 6, 7, 8))


class _UnreadableImageError(Exception):
    """Raised if one file cannot be decoded; the message is the reason."""


class _SizeError(Exception):
    """Raised if an image does not have the size of the first image."""


class Decoder:
    """Decode a list of image files into the rows of an array.

    Parameters
    ----------
    files : list of str
        Paths of the images.
    color_mode : {"rgb", "grayscale", "rgba"}
        Colour mode to convert to.
    size : (int, int) or None
        Height and width to resize to, in pixels. If None, images are not resized, and
        all must have the size of the first readable image.
    on_error : {"raise", "skip"}
        Whether a broken image raises an error or is skipped.

    Attributes
    ----------
    size : (int, int)
        Height and width of the decoded images.
    """

    def __init__(self, files, color_mode, size, on_error):
        Image.init()
        self.formats = [name for name in _FORMATS if name in Image.OPEN]
        self.files = files
        self.color_mode = color_mode
        self.resize_to = size
        self.on_error = on_error
        if size:
            self.reference_file, self.size = None, size
        else:
            self.reference_file, self.size = self._find_reference()

    def _find_reference(self):
        """Return the path and the size (height, width) of the first readable image."""
        for i, file in enumerate(self.files):
            try:
                image = self._decode_file(i)
            except _UnreadableImageError as error:
                if self.on_error == "raise":
                    raise self._read_error(i, error) from error
                continue
            return file, (image.height, image.width)
        raise ValueError(
            f"None of the {len(self.files)} images could be read; the first is "
            f"{self.files[0]!r}. Pass on_error='raise' to see why it cannot be read."
        )

    def decode(self, images, n_jobs):
        """Decode file `i` into ``images[i]`` for all files.

        Parameters
        ----------
        images : ndarray of shape (n_files, height, width, n_channels), dtype uint8
            Output array, filled in place. Rows of skipped images are left as they are.
        n_jobs : int or None
            Number of threads.

        Returns
        -------
        skipped : list of (int, str)
            Row of each skipped image, and the reason why it was skipped.
        """
        skipped = []
        # "sharedmem" requires threads. With a mere preference for threads, a
        # parallel_config context could still select processes, and these would fill
        # copies of `images`.
        with Parallel(n_jobs=n_jobs, require="sharedmem") as parallel:
            for start in range(0, len(self.files), _CHUNK_SIZE):
                stop = min(start + _CHUNK_SIZE, len(self.files))
                failures_per_batch = parallel(
                    delayed(self._decode_batch)(
                        images, range(i, min(i + _BATCH_SIZE, stop))
                    )
                    for i in range(start, stop, _BATCH_SIZE)
                )
                for i, error in chain.from_iterable(failures_per_batch):
                    if isinstance(error, _SizeError):
                        raise ValueError(str(error))
                    if self.on_error == "raise":
                        raise self._read_error(i, error) from error
                    skipped.append((i, str(error)))
        return skipped

    def _decode_batch(self, images, rows):
        """Decode the files of `rows`; return a list of (row, error) of the failures."""
        failures = []
        for i in rows:
            try:
                image = self._decode_file(i)
                self._check_size(i, image)
            except (_UnreadableImageError, _SizeError) as error:
                # Return errors instead of raising them: joblib would raise that of the
                # thread that fails first, which varies from run to run.
                failures.append((i, error))
            else:
                images[i] = np.asarray(image).reshape(images.shape[1:])
        return failures

    def _decode_file(self, i):
        """Return the converted image of file `i`, or raise _UnreadableImageError."""
        file = self.files[i]
        try:
            # Pass an open file instead of its name. Given a name, Pillow memory-maps
            # some TIFFs and then swaps height and width of those that the EXIF
            # orientation rotates by 90 degrees (seen in Pillow 13.0).
            with (
                open(file, "rb") as stream,
                Image.open(stream, formats=self.formats) as image,
            ):
                return _convert(image, self.color_mode, self.resize_to)
        except (_UnreadableImageError, MemoryError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _UnreadableImageError(_bomb_message()) from error
        except UnidentifiedImageError as error:
            raise _UnreadableImageError(
                "its content is not an image in a format that Pillow can read"
                if os.path.getsize(file)
                else "the file is empty"
            ) from error
        except FileNotFoundError as error:
            raise _UnreadableImageError(
                "it is a broken link, or the file no longer exists"
            ) from error
        # Corrupt data make Pillow raise errors of many types, such as SyntaxError or
        # struct.error.
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise _UnreadableImageError(reason) from error

    def _check_size(self, i, image):
        """Raise _SizeError if `image`, of file `i`, does not have the common size."""
        height, width = self.size
        if (image.height, image.width) != self.size:
            raise _SizeError(
                f"Images differ in size: {self.reference_file!r} has {height} x "
                f"{width} pixels (height x width), but {self.files[i]!r} has "
                f"{image.height} x {image.width}. Pass image_size to "
                f"resize all of them, for example image_size=({height}, {width})."
            )

    def _read_error(self, i, reason):
        """Return the ValueError to raise if file `i` cannot be read."""
        return ValueError(
            f"Could not read the image {self.files[i]!r}: {reason}. Repair or remove "
            "it, or pass on_error='skip' to load the others."
        )


def _convert(image, color_mode, size):
    """Load an opened image, turn it upright, convert it to 8 bits and resize it.

    Parameters
    ----------
    image : PIL.Image.Image
        An image that is opened but not loaded.
    color_mode : {"rgb", "grayscale", "rgba"}
        Colour mode to convert to.
    size : (int, int) or None
        Height and width of the result, in pixels. None keeps the size.

    Returns
    -------
    PIL.Image.Image
        The converted image, of mode "RGB", "L" or "RGBA".
    """
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
        # Pillow itself only warns about images of up to twice the limit.
        raise _UnreadableImageError(_bomb_message(image.size))
    if size is not None:
        # Decode JPEGs at reduced size; other formats ignore this. The orientation is
        # not yet known, so either side may be the height: request the longer side of
        # `size` for both.
        image.draft(None, (2 * max(size), 2 * max(size)))
    image.load()
    # Read the orientation after loading: for some formats, load() already turns the
    # image and removes the EXIF tag.
    transpose_method = _TRANSPOSE_METHODS.get(_orientation(image))
    image = _to_mode(image, color_mode)
    if size is not None:
        height, width = size
        if transpose_method in _SWAP_AXES:
            height, width = width, height
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
    return image if transpose_method is None else image.transpose(transpose_method)


def _bomb_message(size=None):
    """Return the reason why an image has too many pixels; `size` is (width, height)."""
    shape = f"{size[1]} x {size[0]} pixels (height x width), " if size else ""
    return (
        f"it has {shape}more than the PIL.Image.MAX_IMAGE_PIXELS="
        f"{Image.MAX_IMAGE_PIXELS} pixels allowed to protect against decompression "
        "bombs; raise this limit if you trust the image"
    )


def _orientation(image):
    """Return the EXIF orientation, 1 to 8, or None if it is missing or corrupt."""
    try:
        return image.getexif().get(0x0112)
    except Exception:  # corrupt EXIF data must not prevent loading the image
        return None


def _to_mode(image, color_mode):
    """Convert an image to 8 bits per channel and to the mode of `color_mode`."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _high_depth_to_8_bits(image)
    if color_mode == "rgba":
        return image.convert("RGBA")
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image.convert("RGBA"))
    if color_mode == "rgb" or image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return image.convert("L") if color_mode == "grayscale" else image


def _high_depth_to_8_bits(image):
    """Scale a grayscale image of integers or floats to 8 bits.

    Integers from 0 to 65535 are divided by 257. Floats from 0 to 1 are multiplied by
    255, and floats from 0 to 255 are only rounded. Pillow's own conversion does not
    scale but clips values at 255.
    """
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode != "F" and low >= 0 and high <= 65535:
        values = (values.astype(np.uint32) + 128) // 257
    elif image.mode == "F" and low >= 0 and high <= 255:
        values = np.rint(values * (255 if high <= 1 else 1))
    else:
        raise _UnreadableImageError(
            f"its values range from {low} to {high} (mode {image.mode!r}), which "
            "cannot be mapped to 8 bits unambiguously; convert it to an 8-bit image"
        )
    return Image.fromarray(values.astype(np.uint8))
