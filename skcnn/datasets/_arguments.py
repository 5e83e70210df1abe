"""Check the arguments that the loaders share."""

import os
from pathlib import Path

import numpy as np

from .._utils._validation import did_you_mean, is_int
from ._pixels import CHANNELS


def check_at_least(name, value, minimum):
    """Return `value` as an int; raise if it is not an integer >= `minimum`."""
    if not is_int(value):
        raise TypeError(
            f"Got {name}={value!r} of type {type(value).__name__}, "
            f"but expected an integer of at least {minimum}."
        )
    if value < minimum:
        raise ValueError(
            f"Got {name}={value}, but expected an integer of at least {minimum}."
        )
    return int(value)


def check_options(image_size, color_mode, dtype, n_jobs, on_error, out):
    """Check the arguments that all file loaders share.

    Returns
    -------
    size : (int, int) or None
        Height and width.
    dtype : {"uint8", "uint16", "float32"}
    """
    size = check_image_size(image_size)
    check_choice("color_mode", color_mode, tuple(CHANNELS))
    dtype = check_dtype(dtype)
    check_choice("on_error", on_error, ("raise", "skip"))
    check_n_jobs(n_jobs)
    check_out(out, dtype)
    return size, dtype


def check_dtype(dtype):
    """Return the name of `dtype`; raise if it is not supported."""
    choices = ("uint8", "uint16", "float32")
    try:
        name = "None" if dtype is None else np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in choices:
        raise ValueError(
            f"Got dtype={dtype!r}, but expected one of "
            + ", ".join(repr(choice) for choice in choices)
            + "."
            + did_you_mean(name, choices)
        )
    return name


def check_n_jobs(n_jobs):
    """Raise unless `n_jobs` is None or a nonzero integer."""
    if n_jobs is not None and not is_int(n_jobs):
        raise TypeError(
            f"Got n_jobs={n_jobs!r} of type {type(n_jobs).__name__}, "
            "but expected an integer or None."
        )
    if n_jobs == 0:
        raise ValueError(
            "Got n_jobs=0, but expected a number of threads, -1 for all processors, "
            "or None."
        )


def check_choice(name, value, choices):
    """Raise if `value` is not one of the strings in `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"Got {name}={value!r}, but expected one of "
            + ", ".join(repr(c) for c in choices)
            + "."
            + did_you_mean(str(value), choices, cutoff=0.5)
        )


def check_image_size(image_size):
    """Return `image_size` as a pair (height, width) or None."""
    if image_size is None:
        return None
    expected = (
        "expected an int, a pair (height, width) of ints, or None to keep the size"
    )
    pair = (image_size, image_size) if is_int(image_size) else image_size
    if isinstance(pair, (str, bytes)) or not hasattr(pair, "__len__"):
        raise TypeError(
            f"Got image_size={image_size!r} of type {type(image_size).__name__}, "
            f"but {expected}."
        )
    if len(pair) != 2:
        raise ValueError(
            f"Got image_size={image_size!r} with {len(pair)} entries, but {expected}. "
            "Leave out the number of channels: it follows from color_mode."
        )
    if not all(is_int(pixels) for pixels in pair):
        raise TypeError(
            f"Got image_size={image_size!r}, but {expected}. Round it to whole pixels."
        )
    if min(pair) < 1:
        raise ValueError(
            f"Got image_size={image_size!r}, but {expected}. Both sides must have at "
            "least 1 pixel."
        )
    return int(pair[0]), int(pair[1])


def check_out(out, dtype):
    """Raise if `out` is invalid. Its shape is checked later, when it is known."""
    if out is None:
        return
    if isinstance(out, np.ndarray):
        if out.dtype != dtype:
            raise ValueError(
                f"Got out of dtype {out.dtype}, but expected an array of dtype "
                f"{dtype}. Create it with dtype={dtype!r}, or pass another dtype."
            )
        if not out.flags.writeable:
            raise ValueError(
                "Got a read-only array as out, but expected a writeable one. Open a "
                "memory map with mode='r+' or 'w+'."
            )
    elif isinstance(out, (str, os.PathLike)):
        file = expand_home("out", out)
        if file.suffix != ".npy":
            raise ValueError(
                f"Got out={str(out)!r}, but expected a path that ends in '.npy'."
            )
        if not file.parent.is_dir():
            raise FileNotFoundError(
                f"Got out={str(out)!r}, but the folder {str(file.parent)!r} does not "
                "exist. Create it first."
            )
        if file.is_dir():
            raise IsADirectoryError(
                f"Got out={str(out)!r}, which is a folder, but expected the path of a "
                "file. Choose another name."
            )
    else:
        raise TypeError(
            f"Got out of type {type(out).__name__}, but expected an array, "
            "a path that ends in '.npy', or None."
        )


def expand_home(parameter, path):
    """Return `path` as a Path with a leading ``~`` or ``~user`` expanded."""
    try:
        return Path(os.fspath(path)).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            f"Got {parameter}={str(path)!r}, but this home folder does not exist. Pass "
            "an absolute path."
        ) from error
