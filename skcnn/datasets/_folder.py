"""Load a folder of images as arrays."""

import errno
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch, check_random_state

from ._checks import check_at_least, did_you_mean, is_int
from ._decode import Decoder

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}

# Files with these extensions count as images. HEIC and AVIF are included although some
# installations of Pillow cannot read them: an error is better than silently ignoring
# photographs.
_EXTENSIONS = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg"),
    *(".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)

# Metadata folders of macOS archives and of Synology network storage. These are not
# classes, and unlike hidden folders their names do not start with a dot.
_IGNORED_FOLDERS = frozenset(("__MACOSX", "@eaDir"))


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
    """Load images from a folder that contains one subfolder per class.

    Images and labels come from a single listing of the files, so they always match.
    The order is deterministic: classes are sorted by name and, within each class, files
    are sorted by name (by code point, so ``img10.jpg`` comes before ``img2.jpg``). The
    data are therefore ordered by class. Shuffle them when you split them, as
    :func:`~sklearn.model_selection.train_test_split` does by default, or stratify the
    split, as ``cv=5`` does for classifiers.

    Parameters
    ----------
    path : str or os.PathLike
        Path of the folder. Each of its subfolders is a class. A leading ``~`` is
        expanded to the home folder.

    image_size : int, (int, int) or None, default=None
        Size in pixels to resize all images to: an int for square images, or a pair
        `(height, width)`. If None, images are not resized and must all have the same
        size.

    color_mode : {"rgb", "grayscale", "rgba"}, default="rgb"
        Colour mode to convert the images to, with 3, 1 or 4 channels respectively.

    include : list of str or None, default=None
        Names of the class folders to load. If None, all are loaded.

    exclude : list of str or None, default=None
        Names of the class folders to leave out. If None, none is left out.

    max_per_class : int or None, default=None
        Maximum number of images to load per class. If a class has more, a random subset
        is loaded, in the order described above. The subset depends on `random_state`
        and on which classes are loaded. If None, all images are loaded.

    n_jobs : int or None, default=None
        Number of threads that decode images. None means 1 unless in a
        :func:`joblib.parallel_config` context. -1 means using all processors. The
        result does not depend on the number of threads.

    on_error : {"raise", "skip"}, default="raise"
        What to do with broken images. ``"raise"`` raises an error that names the file.
        ``"skip"`` leaves broken images out, lists them in `skipped` and issues a single
        warning.

    random_state : int, RandomState instance or None, default=None
        Controls which images are selected if `max_per_class` is set. Pass an int for
        reproducible output across multiple calls.

    return_X_y : bool, default=False
        If True, return `(images, target)` instead of a Bunch.

    out : ndarray, str, os.PathLike or None, default=None
        Where to store the decoded images. Either a writeable uint8 array, possibly
        memory-mapped, with the shape of `images` (including images that are skipped);
        or the path of a ``.npy`` file to create and memory-map, which allows loading a
        folder larger than memory. An existing file is replaced only after loading has
        succeeded. If None, a new array is allocated.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_images, height, width, n_channels), dtype uint8
            The images, with values from 0 to 255. A :class:`numpy.memmap` if `out` is a
            path.
        target : ndarray of shape (n_images,), dtype intp
            The class of each image, as an index into `target_names`.
        target_names : ndarray of shape (n_classes,), dtype str
            The names of the classes, sorted.
        filenames : ndarray of shape (n_images,), dtype str
            The path of each image.
        skipped : list of (str, str)
            The path of each skipped image, and the reason why it was skipped.
        DESCR : str
            Description of the data.

    (images, target) : tuple of ndarray
        Only returned if `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path` or the parent folder of `out` does not exist.
    NotADirectoryError
        If `path` is a file.
    IsADirectoryError
        If `out` is a folder.
    OSError
        If there is not enough disk space for the file `out`.
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter has an invalid value, there are no class folders, a class folder
        contains no images, an image is broken, or images differ in size and
        `image_size` is None.

    Warns
    -----
    UserWarning
        If images were skipped. One warning covers all of them.
    PIL.Image.DecompressionBombWarning
        Issued by Pillow, in addition to the error or warning above, for an image with
        too many pixels.

    See Also
    --------
    from_dataset : Convert a `tf.data.Dataset`.
    sklearn.datasets.load_files : Load text files from the same folder layout.

    Notes
    -----
    **Selected files.** Images are files directly inside a class folder with one of the
    extensions .avif, .bmp, .gif, .heic, .heif, .jfif, .jp2, .jpe, .jpeg, .jpg, .pbm,
    .pgm, .png, .pnm, .ppm, .tga, .tif, .tiff or .webp, in upper or lower case.
    Everything else is ignored: hidden files and folders, other files such as
    ``Thumbs.db`` or ``.txt``, folders inside class folders, and images next to the
    class folders. Symbolic links are followed. To read HEIC files, install pillow-heif
    and call its ``register_heif_opener()``.

    **Resizing** is bilinear. It stretches each image to `image_size` and does not
    preserve the aspect ratio. ``keras.utils.image_dataset_from_directory`` does the
    same by default, but without antialiasing; here, all pixels contribute when an image
    is shrunk. JPEGs more than twice as large as `image_size` are first decoded at 1/2,
    1/4 or 1/8 of their size, but never at less than twice `image_size`. This saves most
    of the decoding time and hardly changes the values.

    **Conversion.** The EXIF orientation is applied. Only the first frame of an
    animation is loaded. For "rgb" and "grayscale", transparent pixels are blended with
    a white background. Images with 16-bit grey values are scaled to 8 bits, so that
    65535 becomes 255. This also holds for images that use only 12 of the 16 bits; scale
    such images beforehand. Grayscale images of floats are multiplied by 255 if their
    values range from 0 to 1, and rounded if they range from 0 to 255. "grayscale"
    weights red, green and blue by 0.299, 0.587 and 0.114. Embedded colour profiles are
    ignored.

    **Broken images** are files that Pillow cannot read, truncated files, and images of
    more than `PIL.Image.MAX_IMAGE_PIXELS` pixels, which are rejected before they are
    decoded.

    **Memory.** The output array is allocated once, and each image is decoded directly
    into its row. If images were skipped, `images` is a view of the first rows.

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
        _warn_skipped(root, skipped, len(files))
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
        raise ValueError(
            f"Got {name}={value!r}, but expected one of "
            + ", ".join(repr(c) for c in choices)
            + "."
            + did_you_mean(str(value), choices, cutoff=0.5)
        )


def _check_image_size(image_size):
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


def _check_out(out):
    """Raise if `out` is invalid, as far as this is known before listing the files."""
    if out is None:
        return
    if isinstance(out, np.ndarray):
        if out.dtype != np.uint8:
            raise ValueError(
                f"Got out of dtype {out.dtype}, but expected an array of dtype uint8. "
                "Create it with dtype=np.uint8."
            )
        if not out.flags.writeable:
            raise ValueError(
                "Got a read-only array as out, but expected a writeable one. Open a "
                "memory map with mode='r+' or 'w+'."
            )
    elif isinstance(out, (str, os.PathLike)):
        file = _expand_home("out", out)
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
            f"Got out of type {type(out).__name__}, but expected a uint8 array, "
            "a path that ends in '.npy', or None."
        )


def _expand_home(parameter, path):
    """Return `path` as a Path with a leading ``~`` or ``~user`` expanded."""
    try:
        return Path(os.fspath(path)).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            f"Got {parameter}={str(path)!r}, but this home folder does not exist. Pass "
            "an absolute path."
        ) from error


def _check_folder(path):
    """Return `path` as a Path; raise if it is not an existing folder."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"Got path={path!r} of type {type(path).__name__}, "
            "but expected a str or an os.PathLike."
        )
    if not os.fspath(path):
        raise ValueError(
            "Got path='', but expected a folder. Pass '.' for the current folder."
        )
    root = _expand_home("path", path)
    if not root.exists():
        ancestor = root
        while not ancestor.exists() and ancestor != ancestor.parent:
            ancestor = ancestor.parent
        raise FileNotFoundError(
            f"Got path={str(path)!r}, which does not exist: found no "
            f"{str(root.absolute())!r}; its closest existing parent folder is "
            f"{str(ancestor.absolute())!r}. Correct the path."
        )
    if not root.is_dir():
        raise NotADirectoryError(
            f"Got path={str(path)!r}, which is a file, but expected a folder that "
            "contains one folder of images per class."
        )
    return root


# Classes and files


def _is_image(entry):
    """Return True if a directory entry counts as an image, by its name and type."""
    return (
        not entry.name.startswith(".")
        and os.path.splitext(entry.name)[1].lower() in _EXTENSIONS
        # Treat broken and circular links as broken images instead of ignoring them.
        and (os.path.isfile(entry.path) or not os.path.exists(entry.path))
    )


def _scan(folder):
    """Return the entries of a folder, sorted by name."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _select_classes(root, include, exclude):
    """Return the sorted names of the class folders to load."""
    entries = _scan(root)
    names = [
        entry.name
        for entry in entries
        if os.path.isdir(entry.path)
        and not entry.name.startswith(".")
        and entry.name not in _IGNORED_FOLDERS
    ]
    if not names:
        n_images = sum(map(_is_image, entries))
        raise ValueError(
            f"No class folders in {str(root)!r}: "
            + (
                f"it directly contains {n_images} image(s), whose classes are unknown. "
                if n_images
                else "it contains no folders. "
            )
            + "Create one folder of images per class, for example "
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
            f"Got include={include!r} and exclude={exclude!r}, which select none of "
            f"the classes in {str(root)!r}: {_format_names(names)}. Select at least "
            "one."
        )
    return [name for name in names if name in selected]


def _check_names(parameter, value, names, root):
    """Return `value` as a list; raise if it contains names that are not in `names`."""
    if isinstance(value, (str, bytes)):
        raise TypeError(
            f"Got {parameter}={value!r}, but expected a list of class folder names. "
            f"Pass {parameter}=[{value!r}]."
        )
    try:
        value = list(value)
    except TypeError:
        raise TypeError(
            f"Got {parameter}={value!r} of type {type(value).__name__}, "
            "but expected a list of class folder names, or None."
        ) from None
    for name in value:
        if not isinstance(name, str):
            raise TypeError(
                f"Got {name!r} of type {type(name).__name__} in {parameter}, "
                "but expected class folder names of type str."
            )
        if name not in names:
            raise ValueError(
                f"Got {name!r} in {parameter}, but {str(root)!r} has no such class "
                f"folder.{did_you_mean(name, names)} Its classes are "
                f"{_format_names(names)}."
            )
    return value


def _list_files(root, names, max_per_class, rng):
    """Return the paths of the images and their class indices, in documented order."""
    files, counts = [], []
    for name in names:
        folder = os.path.join(root, name)
        entries = _scan(folder)
        images = [entry.path for entry in entries if _is_image(entry)]
        if not images:
            found = (
                "it is empty"
                if not entries
                else f"none of its {len(entries)} entries is an image: "
                + _format_names([entry.name for entry in entries])
            )
            raise ValueError(
                f"No images in the class folder {folder!r}: {found}. Add images (with "
                f"an extension such as .jpg or .png), or pass exclude=[{name!r}]."
            )
        if max_per_class is not None and len(images) > max_per_class:
            chosen = rng.choice(len(images), max_per_class, replace=False)
            images = [images[i] for i in np.sort(chosen)]
        files += images
        counts.append(len(images))
    return files, np.repeat(np.arange(len(names), dtype=np.intp), counts)


def _check_no_class_lost(root, names, target, kept):
    """Raise if all images of a class were skipped."""
    counts = np.bincount(target[kept], minlength=len(names))
    for name, count in zip(names, counts, strict=True):
        if count == 0:
            raise ValueError(
                f"None of the images in the class folder "
                f"{os.path.join(root, name)!r} could be read. Repair them, or pass "
                f"exclude=[{name!r}]."
            )


# Results


class _Destination:
    """Context manager for the array that the images are decoded into.

    If `out` is a path, the images are first written to a temporary file next to it.
    `finish` renames this file to `out`. Without a call of `finish`, leaving the context
    removes the temporary file, so that a failure leaves an existing file `out` as it
    was.

    Parameters
    ----------
    out : ndarray, str, os.PathLike or None
        As in `load_image_folder`.
    shape : tuple of int
        Shape of the array: (n_files, height, width, n_channels).

    Attributes
    ----------
    images : ndarray of that shape, dtype uint8
        The array to fill.
    """

    def __init__(self, out, shape):
        self.file = self.temporary_file = None
        if out is None:
            try:
                self.images = np.empty(shape, dtype=np.uint8)
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
            self.file = _expand_home("out", out)
            self.temporary_file = self.file.with_name(self.file.name + ".part")
            required = np.prod(shape, dtype=np.int64)
            free = shutil.disk_usage(self.file.parent).free
            if required > free:
                # Check in advance: when the disk is full, writing to a memory map kills
                # the process instead of raising an error.
                raise OSError(
                    errno.ENOSPC,
                    f"The images require {required} bytes, but only {free} bytes of "
                    "disk space are free for the file out. Free some space, or pass a "
                    "smaller image_size",
                    str(self.file),
                )
            self.images = np.lib.format.open_memmap(
                self.temporary_file, mode="w+", dtype=np.uint8, shape=shape
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.temporary_file is not None:
            self.images = None  # Windows cannot remove a file while it is mapped
            self.temporary_file.unlink(missing_ok=True)

    def finish(self, kept):
        """Remove the rows of skipped images and put the file, if any, in place.

        Parameters
        ----------
        kept : ndarray of shape (n_files,), dtype bool
            False for the rows of skipped images.

        Returns
        -------
        images : ndarray of shape (n_kept, height, width, n_channels), dtype uint8
            A view of the first rows of the array, or a memory map of the final file.
        """
        images, n_kept = self.images, np.count_nonzero(kept)
        if n_kept < len(kept):
            # Move one row at a time: indexing with `kept` would copy the whole array.
            for row, i in enumerate(np.flatnonzero(kept)):
                if row < i:
                    images[row] = images[i]
            images = images[:n_kept]
        if self.file is None:
            return images
        shape, offset = images.shape, self.images.offset
        self.images.flush()
        self.images = images = None
        with open(self.temporary_file, "r+b") as file:
            # Write the number of kept rows into the header. NumPy pads the header for
            # any number of rows, so its length does not change.
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            if file.tell() != offset:
                raise RuntimeError(
                    f"NumPy wrote a header of {file.tell()} bytes, but expected "
                    f"{offset}. Please report this with the version of NumPy."
                )
            file.truncate(offset + np.prod(shape, dtype=np.int64))
        os.replace(self.temporary_file, self.file)
        return np.load(self.file, mmap_mode="r+")


def _format_names(names, max_names=8):
    """Return the first names as a list in words, and the number of further names."""
    shown = ", ".join(repr(name) for name in names[:max_names])
    n_more = len(names) - max_names
    return f"{shown} and {n_more} more" if n_more > 0 else shown


def _warn_skipped(root, skipped, n_files):
    """Issue one warning that names the first skipped images."""
    shown = "; ".join(f"{file!r}: {reason}" for file, reason in skipped[:3])
    more = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    warnings.warn(
        f"Skipped {len(skipped)} of {n_files} images in {str(root)!r}: {shown}{more}. "
        "The attribute skipped of the returned Bunch lists all of them.",
        UserWarning,
        stacklevel=3,
    )


def _describe(root, images, color_mode, names, target, skipped):
    """Return the text of `DESCR`."""
    n_images, height, width, n_channels = images.shape
    counts = np.bincount(target, minlength=len(names))
    lines = [
        f"{n_images} images of {height} x {width} pixels (height x width), "
        f"{n_channels} channel(s) ({color_mode}), uint8 from 0 to 255.",
        f"Source: {str(root)!r}, {len(names)} classes, ordered by class and file name:",
        *(f"    {name}: {count}" for name, count in zip(names, counts, strict=True)),
    ]
    if skipped:
        lines.append(f"Broken images skipped: {len(skipped)}.")
    return "\n".join(lines)
