"""The array into which images are decoded, in memory or in a file."""

import errno
import os
import shutil

import numpy as np

from ._arguments import expand_home


class Destination:
    """Context manager for the array into which images are decoded.

    If `out` is a path, the images are first written to a temporary file next to it.
    `finish` renames this file to `out`. If `finish` was not called, leaving the context
    removes the temporary file, so that a failure does not change an existing file
    `out`.

    Parameters
    ----------
    out : ndarray, str, os.PathLike or None
        As in `load_image_folder`.
    shape : tuple of int
        Shape of the array: (n_files, height, width, n_channels).
    dtype : {"uint8", "uint16", "float32"}
        Type of the array.

    Attributes
    ----------
    images : ndarray of the given shape and dtype
        The array to fill.
    """

    def __init__(self, out, shape, dtype):
        dtype = np.dtype(dtype)
        self.file = self.temporary_file = None
        if out is None:
            try:
                self.images = np.empty(shape, dtype)
            except MemoryError as error:
                raise MemoryError(
                    f"{error}. Pass out='images.npy' to load into a memory-mapped "
                    "file, or pass a smaller image_size."
                ) from error
        elif isinstance(out, np.ndarray):
            if out.shape != shape:
                raise ValueError(
                    f"Got out of shape {out.shape}, but expected {shape}, the shape of "
                    "the images. Pass an array of that shape."
                )
            self.images = out
        else:
            self.file = expand_home("out", out)
            self.temporary_file = self.file.with_name(self.file.name + ".part")
            required = np.prod(shape, dtype=np.int64) * dtype.itemsize
            free = shutil.disk_usage(self.file.parent).free
            if required > free:
                # Check in advance, because if the disk is full, writing to a memory map
                # kills the process instead of raising an error.
                raise OSError(
                    errno.ENOSPC,
                    f"The images require {required} bytes, but only {free} bytes of "
                    "disk space are free for the file out. Free some space, or pass a "
                    "smaller image_size",
                    str(self.file),
                )
            self.images = np.lib.format.open_memmap(
                self.temporary_file, mode="w+", dtype=dtype, shape=shape
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.temporary_file is not None:
            self.images = None  # Windows cannot remove a mapped file
            self.temporary_file.unlink(missing_ok=True)

    def finish(self, kept):
        """Remove the rows of skipped images and put the file, if any, in place.

        Parameters
        ----------
        kept : ndarray of shape (n_files,), dtype bool
            False for the rows of skipped images.

        Returns
        -------
        images : ndarray of shape (n_kept, height, width, n_channels)
            A view of the first rows of the array, or a memory map of the final file.
        """
        images, n_kept = self.images, np.count_nonzero(kept)
        if n_kept < len(kept):
            # Move one row at a time, because `images[kept]` would copy the whole array.
            for row, i in enumerate(np.flatnonzero(kept)):
                if row < i:
                    images[row] = images[i]
            images = images[:n_kept]
        if self.file is None:
            return images
        header = {
            "descr": np.lib.format.dtype_to_descr(images.dtype),
            "fortran_order": False,
            "shape": images.shape,
        }
        n_bytes, offset = images.nbytes, self.images.offset
        self.images.flush()
        self.images = images = None
        with open(self.temporary_file, "r+b") as file:
            # Write the number of kept rows into the header. NumPy pads the header, so
            # its length does not depend on the number of rows.
            np.lib.format.write_array_header_1_0(file, header)
            if file.tell() != offset:
                raise RuntimeError(
                    f"NumPy wrote a header of {file.tell()} bytes, but expected "
                    f"{offset}. Please report this with the version of NumPy."
                )
            file.truncate(offset + n_bytes)
        os.replace(self.temporary_file, self.file)
        return np.load(self.file, mmap_mode="r+")
