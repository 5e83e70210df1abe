"""A folder of images to arrays."""

import errno
import os
import shutil
import warnings
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch, check_random_state

from ._checks import check_at_least, is_int
from ._decode import Decoder

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}

# What counts as an image, by the end of its name. HEIC and AVIF are here although
# Pillow may be unable to read them: to pass them over silently would lose photographs.
_EXTENSIONS = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg"),
    *(".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)

# Left behind by macOS archives and by network storage; hidden folders go by their dot.
_NO_CLASSES = frozenset(("__MACOSX", "@eaDir"))


def load_image_folder(
    path,
    *,
    image_size=None,
    color_mode="rgb",
    include=None,
    exclude=None,
    max_per_class=None,
    n_jobs=None,
    on_error="raise",
    random_state=None,
    return_X_y=False,
    out=None,
):
    """Load a folder that holds one folder of images per class.

    Images and labels come from one list of files, read once, so they cannot come apart.
    The order is always the same: classes sorted by name and, within a class, files
    sorted by name (by code points, so ``img10.jpg`` comes before ``img2.jpg``). The
    data are therefore ordered by class: shuffle when splitting
    (:func:`~sklearn.model_selection.train_test_split` does by default), or stratify, as
    ``cv=5`` does for classifiers.

    Parameters
    ----------
    path : str or os.PathLike
        The folder. Its folders are the classes. A leading ``~`` is the home folder.

    image_size : int, (int, int) or None, default=None
        Size in pixels to resize to: one number for squares, or a pair
        `(height, width)`. With None images keep their size, and all must have the same.

    color_mode : {"rgb", "grayscale", "rgba"}, default="rgb"
        Colours to convert to: 3 channels, 1 or 4.

    include : list of str or None, default=None
        Names of the class folders to load. None loads all.

    exclude : list of str or None, default=None
        Names of class folders to leave out.

    max_per_class : int or None, default=None
        Load at most so many images of each class, picked at random; `random_state` says
        which, together with the classes that are loaded. The order stays as above. None
        loads all.

    n_jobs : int or None, default=None
        Number of threads that decode images. None means 1 unless in a
        :func:`joblib.parallel_config` context. -1 means using all processors. The
        result does not depend on it.

    on_error : {"raise", "skip"}, default="raise"
        What to do with a broken image: raise an error that names the file, or go on
        without it, warn once, and list it in `skipped`.

    random_state : int, RandomState instance or None, default=None
        Determines which images `max_per_class` picks. Pass an int for the same ones at
        each call.

    return_X_y : bool, default=False
        Return `(images, target)` instead of a Bunch.

    out : ndarray, str, os.PathLike or None, default=None
        Where to decode to. A writeable uint8 array, memory maps included, of the shape
        that `images` is going to have; or the path of a file whose name ends in
        ``.npy``, which is then written and memory-mapped, so that a folder larger than
        memory can be loaded. An existing file is replaced, once loading has succeeded.
        None allocates an array.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_images, height, width, n_channels)
            The images as uint8, 0 to 255. A :class:`numpy.memmap` if `out` is a path.
        target : ndarray of shape (n_images,)
            The class of each image, as index of `target_names`.
        target_names : ndarray of shape (n_classes,)
            Names of the classes, sorted.
        filenames : ndarray of shape (n_images,)
            Path of each image.
        skipped : list of (str, str)
            Path of each image that was skipped, and the reason.
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path`, or the folder of `out`, does not exist.
    NotADirectoryError
        If `path` is a file.
    OSError
        If the disk has no room for the file `out`.
    TypeError
        If a parameter is of a wrong type.
    ValueError
        If a parameter has no valid value, there are no class folders, a class is empty,
        an image is broken, or images differ in size and `image_size` is None.

    Warns
    -----
    UserWarning
        If images were skipped, once for all of them.
    PIL.Image.DecompressionBombWarning
        By Pillow, beside the error or warning above, for an image that has more pixels
        than it allows.

    See Also
    --------
    from_dataset : Convert a `tf.data.Dataset`.
    sklearn.datasets.load_files : The same layout, for texts.

    Notes
    -----
    **What is loaded.** Files directly in a class folder whose names end in one of
    .avif, .bmp, .gif, .heic, .heif, .jfif, .jp2, .jpe, .jpeg, .jpg, .pbm, .pgm, .png,
    .pnm, .ppm, .tga, .tif, .tiff or .webp, in upper or lower case. Everything else is
    passed over: hidden files and folders, other files such as ``Thumbs.db`` or
    ``.txt``, folders inside class folders, and images beside the class folders. Links
    are followed. HEIC needs the package pillow-heif and a call of its
    ``register_heif_opener()``.

    **Resizing** stretches an image to `image_size`, whatever its proportions, as
    ``keras.utils.image_dataset_from_directory`` does by default, and is bilinear.
    Unlike there, all pixels count when an image is made smaller (antialiasing). JPEGs
    more than twice too large are decoded at a half, a quarter or an eighth of their
    size first, but never below twice `image_size`, which saves most of the time and
    changes values by little.

    **Conversion.** The orientation in EXIF data is applied. Of animated images the
    first frame is taken. Transparent pixels are laid over white for "rgb" and
    "grayscale". Grey of 16 bits is scaled to 8 bits, 65535 becoming 255, also where an
    instrument has used 12 of them only: scale such images before. Grey images of
    floats are scaled by 255 if their values are from 0 to 1, and rounded if from 0 to
    255. "grayscale" weighs red, green and blue by 0.299, 0.587 and 0.114. Embedded
    colour profiles are ignored.

    **Broken** are files that Pillow cannot read, truncated ones, and those of more than
    `PIL.Image.MAX_IMAGE_PIXELS` pixels, which are refused before they are decoded.

    **Memory.** The result is allocated once and each image is decoded right into its
    place. If images were skipped, `images` is a view of the first rows.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skcnn.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("blue", "red"):
    ...         (Path(folder) / name).mkdir()
    ...         Image.new("RGB", (40, 30), name).save(Path(folder, name, "plain.png"))
    ...     colours = load_image_folder(folder, image_size=16)
    >>> colours.images.shape
    (2, 16, 16, 3)
    >>> colours.images[:, 0, 0]
    array([[  0,   0, 255],
           [255,   0,   0]], dtype=uint8)
    >>> colours.target
    array([0, 1])
    >>> print(*colours.target_names)
    blue red
    """
    size = _check_image_size(image_size)
    _check_choice("color_mode", color_mode, tuple(_CHANNELS))
    _check_choice("on_error", on_error, ("raise", "skip"))
    if max_per_class is not None:
        max_per_class = check_at_least("max_per_class", max_per_class, 1)
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
    rng = check_random_state(random_state)
    _check_out(out)

    root = _check_folder(path)
    target_names = _select_classes(root, include, exclude)
    files, target = _list_files(root, target_names, max_per_class, rng)

    decoder = Decoder(files, color_mode, size, on_error)
    shape = (len(files), *decoder.size, _CHANNELS[color_mode])
    with _Destination(out, shape) as destination:
        skipped = decoder.decode(destination.images, n_jobs)
        kept = np.ones(len(files), dtype=bool)
        kept[[i for i, _ in skipped]] = False
        _check_no_class_lost(root, target_names, target, kept)
        images = destination.finish(kept)

    filenames = np.array(files)[kept]
    target = target[kept]
    skipped = [(files[i], reason) for i, reason in skipped]
    if skipped:
        _warn_of_skipped(root, skipped, len(files))
    if return_X_y:
        return images, target
    return Bunch(
        images=images,
        target=target,
        target_names=np.array(target_names),
        filenames=filenames,
        skipped=skipped,
        DESCR=_describe(root, images, color_mode, target_names, target, skipped),
    )


# Arguments


def _check_choice(name, value, choices):
    if not isinstance(value, str) or value not in choices:
        hint = get_close_matches(str(value), choices, 1, 0.5)
        raise ValueError(
            f"Got {name}={value!r}, but expected one of "
            + ", ".join(repr(c) for c in choices)
            + "."
            + (f" Did you mean {hint[0]!r}?" if hint else "")
        )


def _check_image_size(image_size):
    """Return (height, width), or None."""
    if image_size is None:
        return None
    expected = (
        "expected a number of pixels, a pair (height, width), or None to keep the size"
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
            "The number of channels follows from color_mode."
        )
    if not all(is_int(pixels) for pixels in pair):
        raise TypeError(
            f"Got image_size={image_size!r}, but {expected}, in whole numbers."
        )
    if min(pair) < 1:
        raise ValueError(f"Got image_size={image_size!r}, but {expected}, at least 1.")
    return int(pair[0]), int(pair[1])


def _check_out(out):
    if out is None:
        return
    if isinstance(out, np.ndarray):
        if out.dtype != np.uint8:
            raise ValueError(
                f"Got out of dtype {out.dtype}, but images are uint8. "
                "Pass an array of dtype uint8."
            )
        if not out.flags.writeable:
            raise ValueError(
                "Got a read-only array as out. Pass a writeable one; "
                "open a memory map with mode='r+' or 'w+'."
            )
    elif isinstance(out, (str, os.PathLike)):
        file = _expand_home("out", out)
        if file.suffix != ".npy":
            raise ValueError(
                f"Got out={str(out)!r}, but expected a file name that ends in '.npy'."
            )
        if not file.parent.is_dir():
            raise FileNotFoundError(
                f"Got out={str(out)!r}, but the folder {str(file.parent)!r} does not "
                "exist. Create it first."
            )
        if file.is_dir():
            raise IsADirectoryError(f"Got out={str(out)!r}, which is a folder.")
    else:
        raise TypeError(
            f"Got out of type {type(out).__name__}, but expected a uint8 array, "
            "a path that ends in '.npy', or None."
        )


def _expand_home(parameter, path):
    try:
        return Path(os.fspath(path)).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            f"Got {parameter}={str(path)!r}, but there is no such home folder."
        ) from error


def _check_folder(path):
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"Got path={path!r} of type {type(path).__name__}, "
            "but expected a str or a path."
        )
    if not os.fspath(path):
        raise ValueError("Got path='', but expected a folder; '.' is the current one.")
    root = _expand_home("path", path)
    if not root.exists():
        where = root
        while not where.exists() and where != where.parent:
            where = where.parent
        raise FileNotFoundError(
            f"Got path={str(path)!r}, which does not exist (looked for "
            f"{str(root.absolute())!r}; what exists of it is "
            f"{str(where.absolute())!r})."
        )
    if not root.is_dir():
        raise NotADirectoryError(
            f"Got path={str(path)!r}, which is a file, but expected a folder that "
            "holds one folder of images per class."
        )
    return root


# Classes and files


def _is_image(entry):
    return (
        not entry.name.startswith(".")
        and os.path.splitext(entry.name)[1].lower() in _EXTENSIONS
        # A link that leads nowhere, or in a circle, is a broken image, not something
        # to pass over.
        and (os.path.isfile(entry.path) or not os.path.exists(entry.path))
    )


def _scan(folder):
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _select_classes(root, include, exclude):
    """Sorted names of the class folders to load."""
    entries = _scan(root)
    names = [
        entry.name
        for entry in entries
        if os.path.isdir(entry.path)
        and not entry.name.startswith(".")
        and entry.name not in _NO_CLASSES
    ]
    if not names:
        n_images = sum(map(_is_image, entries))
        raise ValueError(
            f"No class folders in {str(root)!r}: "
            + (
                f"its {n_images} image(s) lie directly in it, so their classes are "
                "unknown. "
                if n_images
                else "it holds no folders. "
            )
            + "Expected one folder of images per class, such as "
            + repr(os.path.join(str(root), "cat", "1.jpg"))
            + "."
        )
    selected = set(names)
    if include is not None:
        selected = set(_check_names("include", include, names, root))
    if exclude is not None:
        selected -= set(_check_names("exclude", exclude, names, root))
    if not selected:
        raise ValueError(
            f"Got include={include!r} and exclude={exclude!r}, which leave none of the "
            f"classes in {str(root)!r}: {_enumerate(names)}. Leave some."
        )
    return [name for name in names if name in selected]


def _check_names(parameter, value, names, root):
    if isinstance(value, (str, bytes)):
        raise TypeError(
            f"Got {parameter}={value!r}, but expected a list of names of class "
            f"folders. Pass {parameter}=[{value!r}]."
        )
    try:
        value = list(value)
    except TypeError:
        raise TypeError(
            f"Got {parameter}={value!r} of type {type(value).__name__}, "
            "but expected a list of names of class folders, or None."
        ) from None
    for name in value:
        if not isinstance(name, str):
            raise TypeError(
                f"Got {name!r} of type {type(name).__name__} in {parameter}, "
                "but expected names of class folders."
            )
        if name not in names:
            hint = get_close_matches(name, names, 1)
            raise ValueError(
                f"Got {name!r} in {parameter}, but {str(root)!r} has no such class "
                "folder."
                + (f" Did you mean {hint[0]!r}?" if hint else "")
                + f" Its classes are {_enumerate(names)}."
            )
    return value


def _list_files(root, names, max_per_class, rng):
    """Paths and class codes, in the documented order."""
    files, counts = [], []
    for name in names:
        folder = os.path.join(root, name)
        entries = _scan(folder)
        images = [entry.path for entry in entries if _is_image(entry)]
        if not images:
            found = (
                "it is empty"
                if not entries
                else f"its {len(entries)} entries are passed over: "
                + _enumerate([entry.name for entry in entries])
            )
            raise ValueError(
                f"No images in the class folder {folder!r}: {found}. Add images (names "
                f"that end in .jpg, .png, ...), or pass exclude=[{name!r}]."
            )
        if max_per_class is not None and len(images) > max_per_class:
            chosen = rng.choice(len(images), max_per_class, replace=False)
            images = [images[i] for i in np.sort(chosen)]
        files += images
        counts.append(len(images))
    return files, np.repeat(np.arange(len(names), dtype=np.intp), counts)


def _check_no_class_lost(root, names, target, kept):
    left = np.bincount(target[kept], minlength=len(names))
    for name, n_left in zip(names, left, strict=True):
        if n_left == 0:
            raise ValueError(
                f"None of the images in the class folder "
                f"{os.path.join(root, name)!r} could be read. Repair them, or pass "
                f"exclude=[{name!r}]."
            )


# Results


class _Destination:
    """The array to decode into, as `out` asks; a file is left only on success."""

    def __init__(self, out, shape):
        self.file = self.part = None
        if out is None:
            try:
                self.images = np.empty(shape, dtype=np.uint8)
            except MemoryError as error:
                raise MemoryError(
                    f"{error}. Pass out='images.npy' to load into a file that is "
                    "memory-mapped, or a smaller image_size."
                ) from error
        elif isinstance(out, np.ndarray):
            if out.shape != shape:
                raise ValueError(
                    f"Got out of shape {out.shape}, but the images need {shape}. "
                    "Pass an array of that shape."
                )
            self.images = out
        else:
            self.file = _expand_home("out", out)
            self.part = self.file.with_name(self.file.name + ".part")
            needed = np.prod(shape, dtype=np.int64)
            free = shutil.disk_usage(self.file.parent).free
            if needed > free:
                # A memory map without room ends the process when it is written to.
                raise OSError(
                    errno.ENOSPC,
                    f"The images need {needed} bytes, but {free} are free for out",
                    str(self.file),
                )
            self.images = np.lib.format.open_memmap(
                self.part, mode="w+", dtype=np.uint8, shape=shape
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.part is not None:
            self.images = None  # some systems remove no file that is mapped
            self.part.unlink(missing_ok=True)

    def finish(self, kept):
        """Close the gaps that skipped images left; return what is filled."""
        images, n_kept = self.images, np.count_nonzero(kept)
        if n_kept < len(kept):
            # Row by row, since indexing with `kept` would copy all of them.
            for row, i in enumerate(np.flatnonzero(kept)):
                if row < i:
                    images[row] = images[i]
            images = images[:n_kept]
        if self.file is None:
            return images
        shape, offset = images.shape, self.images.offset
        self.images.flush()
        self.images = images = None
        with open(self.part, "r+b") as file:
            # The header has room for any number of rows, so it keeps its length.
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            if file.tell() != offset:
                raise RuntimeError("NumPy wrote a header of another length.")
            file.truncate(offset + np.prod(shape, dtype=np.int64))
        os.replace(self.part, self.file)
        return np.load(self.file, mmap_mode="r+")


def _enumerate(names, most=8):
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _warn_of_skipped(root, skipped, n_files):
    shown = "; ".join(f"{file!r}: {reason}" for file, reason in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    warnings.warn(
        f"Skipped {len(skipped)} of {n_files} images in {str(root)!r}: {shown}{more}. "
        "All are listed in the Bunch's attribute skipped.",
        UserWarning,
        stacklevel=3,
    )


def _describe(root, images, color_mode, names, target, skipped):
    n_images, height, width, n_channels = images.shape
    counts = np.bincount(target, minlength=len(names))
    lines = [
        f"{n_images} images of {height} x {width} pixels (height x width), "
        f"{n_channels} channel(s) ({color_mode}), uint8 from 0 to 255.",
        f"Source: {str(root)!r}, {len(names)} classes, in order of class and name:",
        *(f"    {name}: {count}" for name, count in zip(names, counts, strict=True)),
    ]
    if skipped:
        lines.append(f"Broken images that were skipped: {len(skipped)}.")
    return "\n".join(lines)
