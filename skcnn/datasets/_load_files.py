"""List and load image files. All file loaders share these functions."""

import os

import numpy as np

from .._utils._warnings import warn_user
from ._decode import Decoder
from ._formats import EXTENSIONS, UNSUPPORTED_EXTENSIONS
from ._output import Destination
from ._pixels import CHANNELS, STORED_TYPES, describe_scaling


def load_files(
    files, *, names, size, color_mode, dtype, n_jobs, on_error, out, check_kept=None
):
    """Load image files into one array, and warn about problems with their content.

    Parameters
    ----------
    files : list of str
        Paths to open.
    names : list of str
        The path of each file in the form that is returned to the user.
    size : (int, int) or None
        Height and width.
    color_mode, dtype, n_jobs, on_error, out
        As in `load_image_folder`, already checked.
    check_kept : callable, default=None
        Function that is called with `kept` before the images are stored. It may raise
        an error.

    Returns
    -------
    images : ndarray of shape (n_kept, height, width, n_channels)
    kept : ndarray of shape (n_files,), dtype bool
        False for files that were skipped.
    details : dict
        The attributes `filenames`, `skipped` and `scaling` of the returned Bunch.
    """
    decoder = Decoder(files, color_mode, size, dtype, on_error)
    shape = (len(files), *decoder.size, CHANNELS[color_mode])
    with Destination(out, shape, dtype) as destination:
        skipped = decoder.decode(destination.images, n_jobs)
        kept = np.ones(len(files), dtype=bool)
        kept[[i for i, _ in skipped]] = False
        if not kept.any():
            raise ValueError(
                f"None of the {len(files)} images could be read; the first is "
                f"{names[0]!r}: {skipped[0][1]}."
            )
        if check_kept is not None:
            check_kept(kept)
        images = destination.finish(kept)

    skipped = [(names[i], reason) for i, reason in skipped]
    if skipped:
        _warn_skipped(skipped, len(files))
    facts = decoder.facts
    _warn_lost_levels(facts, names, dtype)
    _warn_colours_reduced(facts, names, dtype)
    _warn_different_scales(facts, names, dtype)
    details = {
        "filenames": np.array([names[i] for i in np.flatnonzero(kept)]),
        "skipped": skipped,
        "scaling": {
            name: describe_scaling(name, dtype)
            for k, name in enumerate(STORED_TYPES)
            if np.any(facts["stored"] == k)
        },
    }
    return images, kept, details


def describe(images, color_mode, scaling, skipped):
    """Return the lines of `DESCR` that all file loaders share."""
    n_images, height, width, n_channels = images.shape
    lines = [
        f"{n_images} images of {height} x {width} pixels (height x width), "
        f"{n_channels} channel(s) ({color_mode}), {images.dtype}.",
        "Values by their type in the files: "
        + ", ".join(f"{name} {how}" for name, how in scaling.items())
        + ".",
    ]
    if skipped:
        lines.append(f"Broken images skipped: {len(skipped)}.")
    return lines


# Listing


def scan(folder):
    """Return the entries of a folder, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            "You have no permission to list this folder; change its permissions",
            str(folder),
        ) from error


def is_folder(entry):
    """Return True if a directory entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False


def is_image(entry):
    """Return True if a directory entry is an image, judging by its name and type."""
    if _extension(entry) not in EXTENSIONS:
        return False
    try:
        if entry.is_file():
            return True
    except OSError:  # a circular link
        pass
    # Treat broken and circular links as broken images instead of ignoring them.
    return not os.path.exists(entry.path)


def unsupported_images(entries):
    """Return the paths of files with the extension of an unsupported image format."""
    return [
        entry.path
        for entry in entries
        if _extension(entry) in UNSUPPORTED_EXTENSIONS and not is_folder(entry)
    ]


def contains_images(folder):
    """Return True if a folder directly contains images."""
    try:
        return any(is_image(entry) for entry in scan(folder))
    except OSError:
        return False


def describe_entries(entries):
    """Describe the contents of a folder that has no images."""
    if not entries:
        return "it is empty"
    unsupported = unsupported_images(entries)
    found = f"none of its {len(entries)} entries is an image: " + format_names(
        [entry.name for entry in entries]
    )
    if unsupported:
        extension = os.path.splitext(unsupported[0])[1].lower()
        found += (
            f" ({os.path.basename(unsupported[0])!r} is "
            f"{UNSUPPORTED_EXTENSIONS[extension]})"
        )
    return found


def _extension(entry):
    """Return the extension in lower case; "" for hidden files."""
    name = entry.name
    return "" if name.startswith(".") else os.path.splitext(name)[1].lower()


def format_names(names, max_names=8):
    """Return a string with the first names and the number of further names."""
    shown = ", ".join(repr(name) for name in names[:max_names])
    n_more = len(names) - max_names
    return f"{shown} and {n_more} more" if n_more > 0 else shown


# Warnings


def warn_unsupported(files):
    """Warn if images were ignored because their format is not supported."""
    if files:
        extension = os.path.splitext(files[0])[1].lower()
        warn_user(
            f"Ignored {len(files)} file(s) in formats that are not read, for example "
            f"{files[0]!r}: it is {UNSUPPORTED_EXTENSIONS[extension]}."
        )


def _warn_skipped(skipped, n_files):
    """Issue one warning that names the first skipped images."""
    shown = "; ".join(f"{file!r}: {reason}" for file, reason in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    warn_user(
        f"Skipped {len(skipped)} of {n_files} images: {shown}{more}. The attribute "
        "skipped of the returned Bunch lists all of them."
    )


def _warn_lost_levels(facts, names, dtype):
    """Warn if the conversion loses most grey levels of many images."""
    if dtype != "uint8":
        return
    colour = facts["stored"] == STORED_TYPES.index("uint16 colour")
    grey = (facts["stored"] > 0) & ~colour
    damaged = grey & (facts["n_lost"] > 0)
    if 4 * damaged.sum() > grey.sum():
        i = int(np.flatnonzero(damaged)[0])
        stored = STORED_TYPES[facts["stored"][i]]
        keep = "dtype='float32'"
        if stored == "uint16":
            keep = "dtype='uint16' or dtype='float32'"
        warn_user(
            f"The conversion to uint8 loses most grey levels of {damaged.sum()} of "
            f"{grey.sum()} images with more than 8 bits: {names[i]!r} keeps "
            f"{facts['n_left'][i]} of {facts['n_lost'][i]} ({stored} values are "
            f"{describe_scaling(stored, dtype)}). Pass {keep} to keep all of them."
        )


def _warn_colours_reduced(facts, names, dtype):
    """Warn if Pillow reduced 16-bit colours to 8 bits and thereby lost information."""
    colour = facts["stored"] == STORED_TYPES.index("uint16 colour")
    affected = colour & (facts["n_lost"] < 0) if dtype == "uint8" else colour
    if 4 * affected.sum() > colour.sum():
        i = int(np.flatnonzero(affected)[0])
        left = facts["n_left"][i]
        warn_user(
            f"Pillow reduces colours of 16 bits to 8 bits: {names[i]!r} "
            + (f"keeps at most {left} levels. " if left else "keeps 256 levels. ")
            + f"This affects {affected.sum()} of {len(facts)} images, and no dtype "
            "prevents it. "
            + (
                "Stretch the values to the full range of 16 bits beforehand."
                if left
                else "Only grayscale images keep their 16 bits."
            )
        )


def _warn_different_scales(facts, names, dtype):
    """Warn if images of different dtypes are on different scales."""
    stored = facts["stored"]
    int32, uint16 = STORED_TYPES.index("int32"), STORED_TYPES.index("uint16")
    different = facts["outside"].copy()
    # With dtype uint8, 32-bit integers have the same range as 8-bit files, and
    # _warn_lost_levels warns about dim images.
    if dtype != "uint8":
        different |= stored == int32
        if facts["dim"][stored == uint16].all():
            different |= stored == uint16
    is_same_type = np.isin(stored, np.unique(stored[different]))
    others = (stored >= 0) & ~is_same_type
    if different.any() and others.any():
        i, j = np.flatnonzero(different)[0], np.flatnonzero(others)[0]
        name, other = (STORED_TYPES[stored[k]] for k in (i, j))
        how = "use at most 14 bits" if name == "uint16" else "are not scaled"
        white = {"uint16": 65535, "float32": 1}[dtype]
        warn_user(
            f"The images have different scales: {names[i]!r} has {name} values, which "
            f"{how}, but {names[j]!r} has {other} values, of which white becomes "
            f"{white}. Convert all files to the same type and scale."
        )
