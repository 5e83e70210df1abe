"""Decode image files into the rows of one array, using threads."""

import errno
import os
from itertools import chain

import numpy as np
from joblib import Parallel, delayed
from PIL import Image, UnidentifiedImageError

from ._formats import PILLOW_FORMATS, describe_content
from ._pixels import ScaleError, UnreadableImageError, read_pixels, too_large_message

# Files are decoded in chunks. If a chunk contains broken files, the error for the first
# of them is raised at the end of the chunk. The same folder thus always leads to the
# same error, and not all files need to be decoded first. Each thread decodes one batch
# of a chunk at a time.
_CHUNK_SIZE, _BATCH_SIZE = 512, 8


class _SizeError(Exception):
    """Raised if an image differs in size from the first image."""


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
        all images must have the size of the first readable image.
    dtype : {"uint8", "uint16", "float32"}
        Type to convert the values to.
    on_error : {"raise", "skip"}
        Whether a broken image raises an error or is skipped.

    Attributes
    ----------
    size : (int, int)
        Height and width of the decoded images.
    facts : ndarray of shape (n_files,)
        Structured array with one row per file, whose fields are those of `Pixels`
        except `values`. The field `stored` is -1 for files that have not been decoded.
    """

    def __init__(self, files, color_mode, size, dtype, on_error):
        Image.init()
        self.formats = [name for name in PILLOW_FORMATS if name in Image.OPEN]
        self.files = files
        self.color_mode = color_mode
        self.resize_to = size
        self.dtype = dtype
        self.on_error = on_error
        self.facts = np.zeros(
            len(files),
            [
                *[("stored", "i1"), ("outside", "?"), ("dim", "?")],
                *[("n_lost", "i4"), ("n_left", "i4")],
            ],
        )
        self.facts["stored"] = -1
        if size:
            self.reference_file, self.size = None, size
        else:
            self.reference_file, self.size = self._find_reference()

    def _find_reference(self):
        """Return the path and the size (height, width) of the first readable image."""
        reasons = []
        for i, file in enumerate(self.files):
            try:
                pixels = self._decode_file(i)
            except UnreadableImageError as error:
                if self.on_error == "raise":
                    raise self._error(i, error) from error
                reasons.append(str(error))
                continue
            except ScaleError as error:
                raise self._error(i, error) from error
            return file, pixels.values.shape[:2]
        raise ValueError(
            f"None of the {len(self.files)} images could be read; the first is "
            f"{self.files[0]!r}: {reasons[0]}."
        )

    def decode(self, images, n_jobs):
        """Decode each file `i` into ``images[i]``.

        Parameters
        ----------
        images : ndarray of shape (n_files, height, width, n_channels)
            Output array, filled in place. Rows of skipped images are not changed.
        n_jobs : int or None
            Number of threads.

        Returns
        -------
        skipped : list of (int, str)
            The row of each skipped image, and the reason why it was skipped.
        """
        skipped = []
        # "sharedmem" enforces threads. If threads were only preferred, a
        # parallel_config context could still select processes, and these would write to
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
                    # Skip only unreadable images. Skipping images with a _SizeError or
                    # a ScaleError could bias the data by image size or brightness.
                    if self.on_error == "raise" or not isinstance(
                        error, UnreadableImageError
                    ):
                        raise self._error(i, error) from error
                    skipped.append((i, str(error)))
        return skipped

    def _decode_batch(self, images, rows):
        """Decode the files in `rows`, and return (row, error) for each failure."""
        failures = []
        for i in rows:
            try:
                values, *facts = self._decode_file(i)
                self._check_size(i, values.shape[:2])
            except (UnreadableImageError, ScaleError, _SizeError) as error:
                # Return errors instead of raising them. joblib would raise the error
                # that occurs first, which varies from run to run.
                failures.append((i, error))
            else:
                images[i] = values
                self.facts[i] = tuple(facts)
        return failures

    def _decode_file(self, i):
        """Return the `Pixels` of file `i`, or raise UnreadableImageError."""
        file = self.files[i]
        try:
            # Pass an open file to Pillow instead of its name. Given a name, Pillow
            # memory-maps some TIFFs, and then swaps the height and width of images that
            # the EXIF orientation rotates by 90 degrees (seen in Pillow 13.0).
            with (
                open(file, "rb") as stream,
                Image.open(stream, formats=self.formats) as image,
            ):
                return read_pixels(image, self.color_mode, self.resize_to, self.dtype)
        except (UnreadableImageError, ScaleError, MemoryError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise UnreadableImageError(too_large_message()) from error
        # If Pillow lacks support for a format, it issues a UserWarning before it raises
        # the UnidentifiedImageError. Warning filters may turn this warning into an
        # error.
        except (UnidentifiedImageError, UserWarning) as error:
            raise UnreadableImageError(_why_unidentified(file)) from error
        except FileNotFoundError as error:
            raise UnreadableImageError(
                "it is a broken link, or the file does not exist"
            ) from error
        except IsADirectoryError as error:
            raise UnreadableImageError("it is a folder, not a file") from error
        except PermissionError as error:
            raise UnreadableImageError(
                "you have no permission to read it (permission denied)"
            ) from error
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise UnreadableImageError(str(error)) from error
            raise UnreadableImageError("it is a circular link") from error
        # For corrupt data, Pillow raises errors of many types, such as SyntaxError or
        # struct.error.
        except Exception as error:
            reason = str(error).strip() or type(error).__name__
            raise UnreadableImageError(reason) from error

    def _check_size(self, i, size):
        """Raise _SizeError if `size`, the size of file `i`, is not the common size."""
        if size != self.size:
            height, width = self.size
            raise _SizeError(
                f"Images differ in size: {self.reference_file!r} has {height} x "
                f"{width} pixels (height x width), but {self.files[i]!r} has "
                f"{size[0]} x {size[1]}. Pass image_size to "
                f"resize all of them, for example image_size=({height}, {width})."
            )

    def _error(self, i, reason):
        """Return a ValueError that says why file `i` could not be decoded."""
        if isinstance(reason, _SizeError):
            return ValueError(str(reason))
        if isinstance(reason, ScaleError):
            return ValueError(
                f"Could not convert the image {self.files[i]!r} to {self.dtype}: "
                f"{reason}."
            )
        return ValueError(
            f"Could not read the image {self.files[i]!r}: {reason}. Repair or remove "
            "it, or pass on_error='skip' to load the others."
        )


def _why_unidentified(file):
    """Return the reason why Pillow cannot identify the format of a file."""
    if not os.path.getsize(file):
        return "the file is empty"
    description = describe_content(file)
    if description is None:
        return "its content is not an image in a format that Pillow can read"
    return f"it is {description}"
