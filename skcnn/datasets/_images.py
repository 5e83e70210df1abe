"""Load images that are not sorted into folders by class."""

import contextlib
import os
import stat
from collections.abc import Mapping, Set

from sklearn.utils import Bunch

from .._utils._validation import did_you_mean
from ._arguments import check_options, expand_home
from ._load_files import (
    contains_images,
    describe,
    describe_entries,
    format_names,
    is_folder,
    is_image,
    load_files,
    scan,
    unsupported_images,
    warn_unsupported,
)


def load_images(
    paths,
    *,
    image_size=None,
    color_mode="rgb",
    dtype="uint8",
    n_jobs=None,
    on_error="raise",
    out=None,
):
    """Load images from a list of files, or from a folder without subfolders.

    Use this function for images without labels, such as new images to classify, and for
    images whose labels are in a table. Images are converted in the same way as by
    :func:`load_image_folder`, so that a classifier trained on images from one function
    can predict images from the other. Pass the same `image_size`, `color_mode` and
    `dtype` to both functions.

    Parameters
    ----------
    paths : list of str or os.PathLike, str, or os.PathLike
        Paths of the files to load, as a list or any other ordered collection, such as a
        column of a pandas DataFrame. The images are in the order of these paths. A file
        may occur more than once. Alternatively, `paths` is the path of a folder or of a
        single file. The images in a folder are loaded in the order of their names (by
        code point, so ``img10.jpg`` comes before ``img2.jpg``). A leading ``~`` is
        expanded to the home folder.

    image_size : int, (int, int) or None, default=None
        Size in pixels to resize all images to: an int for square images, or a pair
        `(height, width)`. If None, images are not resized and must all have the same
        size.

    color_mode : {"rgb", "grayscale", "rgba"}, default="rgb"
        Colour mode to convert the images to, with 3, 1 or 4 channels respectively.

    dtype : {"uint8", "uint16", "float32"}, default="uint8"
        Type of the values in `images`. The Notes of :func:`load_image_folder` describe
        how values are scaled.

    n_jobs : int or None, default=None
        Number of threads that decode images. None means 1 unless in a
        :func:`joblib.parallel_config` context. -1 means using all processors. The
        result does not depend on the number of threads.

    on_error : {"raise", "skip"}, default="raise"
        What to do with missing and broken images. ``"raise"`` raises an error that
        names the file. Missing files are reported before any image is decoded.
        ``"skip"`` leaves these images out, lists them in `skipped` and issues a single
        warning.

    out : ndarray, str, os.PathLike or None, default=None
        Array or file in which to store the decoded images. An array must be writeable,
        and have the type `dtype` and the shape that `images` has if no image is
        skipped. It may be memory-mapped. If `out` is a path, it must end in ``.npy``. A
        file with this path is created and memory-mapped. An existing file is replaced
        only after loading has succeeded. If None, a new array is allocated.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_images, height, width, n_channels), dtype `dtype`
            The images. If `out` is a path, `images` is a :class:`numpy.memmap`.
        filenames : ndarray of shape (n_images,), dtype str
            The path of each image. Paths in a list are returned as given. If `paths` is
            a folder, its path is joined with the name of each file.
        skipped : list of (str, str)
            The path of each skipped image, and the reason why it was skipped.
        scaling : dict of str to str
            How the pixel values were scaled, for each dtype of the files.
        DESCR : str
            Description of the data.

    Raises
    ------
    FileNotFoundError
        If a file, the folder, or the parent folder of `out` does not exist.
    IsADirectoryError
        If `out` is a folder.
    OSError
        If there is not enough disk space for the file `out`.
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter has an invalid value, there are no images, an image is broken,
        its values do not fit into `dtype`, or images differ in size and `image_size` is
        None.

    Warns
    -----
    UserWarning
        In the same cases as in :func:`load_image_folder`.

    See Also
    --------
    load_image_folder : Load images and labels from one subfolder per class.

    Notes
    -----
    In a folder, files are selected as in the class folders of
    :func:`load_image_folder`, and subfolders are ignored. Files in a list may have any
    extension, because the format is detected from their content.

    If images were skipped, use `filenames` to select the labels of the remaining
    images, for example ``table.set_index("file").loc[data.filenames, "label"]``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skcnn.datasets import load_images
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = [Path(folder, f"{name}.png") for name in ("red", "blue")]
    ...     for file in files:
    ...         Image.new("RGB", (40, 30), file.stem).save(file)
    ...     as_listed = load_images(files, image_size=16)
    ...     by_name = load_images(folder, image_size=16)
    >>> as_listed.images.shape
    (2, 16, 16, 3)
    >>> as_listed.images[:, 0, 0]
    array([[255,   0,   0],
           [  0,   0, 255]], dtype=uint8)
    >>> print(*(Path(file).name for file in by_name.filenames))
    blue.png red.png
    """
    size, dtype = check_options(image_size, color_mode, dtype, n_jobs, on_error, out)
    if isinstance(paths, (str, os.PathLike)):
        names = files = _list_path(paths)
        source = f"Source: {str(paths)!r}, ordered by file name."
    else:
        names = _check_paths(paths)
        files = [os.path.expanduser(name) for name in names]
        source = "Source: a list of files, in the given order."
        if on_error == "raise":
            _check_exist(names, files)
    images, _, details = load_files(
        files,
        names=names,
        size=size,
        color_mode=color_mode,
        dtype=dtype,
        n_jobs=n_jobs,
        on_error=on_error,
        out=out,
    )
    lines = describe(images, color_mode, details["scaling"], details["skipped"])
    return Bunch(images=images, **details, DESCR="\n".join([*lines, source]))


def _list_path(path):
    """Return the sorted paths of the images in a folder, or the path of a file."""
    if not os.fspath(path):
        raise ValueError(
            "Got paths='', but expected files or a folder. Pass '.' for the current "
            "folder."
        )
    root = expand_home("paths", path)
    if not root.exists():
        hint = ""
        if any(character in str(path) for character in "*?"):
            hint = " Patterns are not expanded: pass sorted(glob.glob(pattern))."
        else:
            with contextlib.suppress(OSError):
                hint = did_you_mean(root.name, os.listdir(root.parent))
        raise FileNotFoundError(
            f"Got paths={str(path)!r}, which does not exist: found no "
            f"{str(root.absolute())!r}.{hint}"
        )
    if not root.is_dir():
        return [str(root)]
    entries = scan(root)
    files = [entry.path for entry in entries if is_image(entry)]
    if not files:
        folders = [e for e in entries if is_folder(e) and contains_images(e.path)]
        if folders:
            raise ValueError(
                f"No images directly in {str(root)!r}, but in its subfolders: "
                f"{format_names([entry.name for entry in folders])}. If these are "
                "classes, load them with skcnn.datasets.load_image_folder; otherwise "
                "pass a list of files, for example "
                f"sorted(pathlib.Path({str(root)!r}).rglob('*.jpg'))."
            )
        raise ValueError(
            f"No images in the folder {str(root)!r}: {describe_entries(entries)}. Add "
            "images with an extension such as .jpg or .png, or pass a list of files."
        )
    warn_unsupported(unsupported_images(entries))
    return files


def _check_paths(paths):
    """Return a collection of paths as a list of str, or raise."""
    expected = "expected a list of files, or the path of a folder"
    kind = type(paths).__name__
    if isinstance(paths, (bytes, Mapping, Set)) or getattr(paths, "ndim", 1) != 1:
        raise TypeError(
            f"Got paths of type {kind}, but {expected}. Pass a list or a single column "
            "of str, which has an order."
        )
    try:
        paths = list(paths)
    except TypeError:
        raise TypeError(
            f"Got paths={paths!r} of type {kind}, but {expected}."
        ) from None
    if not paths:
        raise ValueError(f"Got no paths (an empty {kind}), but {expected}.")
    for i, path in enumerate(paths):
        if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
            raise TypeError(
                f"Got {path!r} of type {type(path).__name__} at position {i} of paths, "
                "but expected the path of a file as a str or an os.PathLike. Remove "
                "missing values."
            )
    return [os.fspath(path) for path in paths]


def _check_exist(names, files):
    """Raise if files are missing or are folders, before any image is decoded."""
    missing, folders = [], []
    for name, file in zip(names, files, strict=True):
        try:
            if stat.S_ISDIR(os.stat(file).st_mode):
                folders.append(name)
        except PermissionError:  # reported later, when the file is read
            pass
        except OSError:
            missing.append(name)
    if folders:
        raise ValueError(
            f"Got a list with {len(folders)} folder(s) as paths: "
            f"{format_names(folders, 3)}; but expected files. Pass a single folder "
            "as a str instead of a list, or list its files."
        )
    if not missing:
        return
    hint = ""
    if not os.path.isabs(missing[0]):
        hint = (
            f" Relative paths start in the current folder, {os.getcwd()!r}: join the "
            "names with their folder."
        )
    raise FileNotFoundError(
        f"{len(missing)} of {len(names)} files do not exist: "
        f"{format_names(missing, 3)}.{hint} Correct the paths, or pass "
        "on_error='skip' to load the others."
    )
