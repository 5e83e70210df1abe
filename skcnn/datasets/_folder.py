"""Load images from a folder that contains one subfolder per class."""

import os
import reprlib
from collections.abc import Set

import numpy as np
from sklearn.utils import Bunch, check_random_state

from .._utils._validation import did_you_mean
from ._arguments import check_at_least, check_options, expand_home
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

# Metadata folders in macOS archives and on Synology network storage. They are not
# classes, but unlike hidden folders, their names do not start with a dot.
_IGNORED_FOLDERS = frozenset(("__MACOSX", "@eaDir"))


def load_image_folder(
    path,
    *,
    image_size=None,
    color_mode="rgb",
    dtype="uint8",
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

    Images and labels come from a single listing of the files, so they always match. The
    order is deterministic. Classes are in the order of `include` or, by default, sorted
    by name. Within each class, files are sorted by name (by code point, so
    ``img10.jpg`` comes before ``img2.jpg``). Because the images are ordered by class,
    shuffle them when you split them, as
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

    dtype : {"uint8", "uint16", "float32"}, default="uint8"
        Type of the values in `images`. ``"uint8"`` suits photographs. ``"uint16"`` and
        ``"float32"`` keep the grey levels of images with more than 8 bits, but take two
        and four times as much memory as ``"uint8"``. See **Scaling** below.

    include : list of str or None, default=None
        Names of the class folders to load, in the order of the class indices, which
        start at 0. If None, all class folders are loaded, sorted by name. A set has no
        order, so its names are sorted.

    exclude : list of str or None, default=None
        Names of the class folders to leave out. If None, no class folder is left out.

    max_per_class : int or None, default=None
        Maximum number of images to load per class. If a class has more images, a random
        subset is loaded, in the order described above. The subset depends on
        `random_state` and on which classes are loaded, but not on their order. If None,
        all images are loaded.

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
        Array or file in which to store the decoded images. An array must be writeable,
        and have the type `dtype` and the shape that `images` has if no image is
        skipped. It may be memory-mapped. If `out` is a path, it must end in ``.npy``. A
        file with this path is created and memory-mapped, so that the images may be
        larger than memory. An existing file is replaced only after loading has
        succeeded. If None, a new array is allocated.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        images : ndarray of shape (n_images, height, width, n_channels), dtype `dtype`
            The images. Black is 0. White is 255 in uint8, 65535 in uint16 and 1 in
            float32. If `out` is a path, `images` is a :class:`numpy.memmap`.
        target : ndarray of shape (n_images,), dtype intp
            The class of each image, as an index into `target_names`.
        target_names : ndarray of shape (n_classes,), dtype str
            The names of the classes, sorted or in the order of `include`.
        filenames : ndarray of shape (n_images,), dtype str
            The path of each image.
        skipped : list of (str, str)
            The path of each skipped image, and the reason why it was skipped.
        scaling : dict of str to str
            How the pixel values were scaled, for each dtype of the files, for
            example ``{"uint8": "unchanged", "uint16": "divided by 257"}``. Files with
            16 bits per colour channel have the type ``"uint16 colour"``.
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
        contains no images, an image is broken, the values of an image do not fit
        into `dtype`, or images differ in size and `image_size` is None.

    Warns
    -----
    UserWarning
        If images were skipped, if files in formats such as camera raw were ignored, if
        images have different scales, or if the conversion to `dtype` loses most grey
        levels of more than a quarter of the images with more than 8 bits. Each of these
        warnings is issued once for all images.
    PIL.Image.DecompressionBombWarning
        Issued by Pillow, in addition to the error or warning above, for an image with
        too many pixels.

    See Also
    --------
    load_images : Load a list of files, or a folder without subfolders.
    from_dataset : Convert a `tf.data.Dataset`.
    sklearn.datasets.load_files : Load text files from the same folder layout.

    Notes
    -----
    **Selected files.** A file is loaded as an image if it is directly inside a class
    folder and has one of the extensions .avif, .bmp, .gif, .heic, .heif, .jfif, .jp2,
    .jpe, .jpeg, .jpg, .pbm, .pgm, .png, .pnm, .ppm, .tga, .tif, .tiff or .webp, in
    upper or lower case. Everything else is ignored: hidden files and folders, other
    files such as ``Thumbs.db`` or ``.txt``, folders inside class folders, and images
    next to the class folders. Symbolic links are followed. To read HEIC files, install
    pillow-heif and call its ``register_heif_opener()``. To read AVIF files, install
    Pillow 11.3 or later, or pillow-avif-plugin.

    **Resizing** is bilinear. It stretches each image to `image_size` and does not
    preserve the aspect ratio. ``keras.utils.image_dataset_from_directory`` resizes in
    the same way by default, but without antialiasing. With antialiasing, all pixels
    contribute to the result when an image is shrunk. JPEGs that are more than twice as
    large as `image_size` are first decoded at 1/2, 1/4 or 1/8 of their size, but never
    at less than twice `image_size`. This saves most of the decoding time and hardly
    changes the values.

    **Scaling.** The values of a file are scaled so that black and white stay black and
    white. The rule depends only on `dtype` and on the type of the values in the file,
    never on the values themselves. New images are therefore converted in the same way
    as the training images.

    ================== ========= ============= ============== ==============
    Values in the file White is  uint8         uint16         float32
    ================== ========= ============= ============== ==============
    up to 8 bits       255       unchanged     times 257      divided by 255
    16 bits, grey      65535     div. by 257   unchanged      div. by 65535
    floats             1         times 255     times 65535    unchanged
    32-bit integers    undefined unchanged     unchanged      unchanged
    ================== ========= ============= ============== ==============

    Results of type uint8 and uint16 are rounded. Floats below 0 or above 1 do not fit
    into these types, and neither do 32-bit or signed integers below 0 or above the
    limit of `dtype`. Such values raise an error that names the dtype to pass,
    regardless of `on_error`. ``"float32"`` keeps any value, including NaN, but rounds
    32-bit integers above 2**24.

    Some 16-bit files use only the lower bits, for example 12 bits from a camera sensor.
    Such images are dark, and few of their grey levels remain in uint8. In this case, a
    warning recommends ``dtype="uint16"``. Pillow itself reduces colours of more than 8
    bits per channel to 8 bits, whatever the `dtype`. For PNG, TIFF and PPM files, a
    warning reports this reduction if `dtype` is not uint8.

    **Conversion.** The EXIF orientation is applied. Only the first frame of an
    animation and the first page of a TIFF are loaded. For "rgb" and "grayscale",
    transparent pixels are blended with a white background. "grayscale" weights red,
    green and blue by 0.299, 0.587 and 0.114. Embedded colour profiles are ignored.

    **Broken images** are files that Pillow cannot read, truncated files, and images
    with more than `PIL.Image.MAX_IMAGE_PIXELS` pixels, which are rejected before they
    are decoded.

    **Memory.** Each file is decoded once. The output array is allocated once, and each
    image is decoded directly into its row. Each thread also holds the image that it is
    decoding and, if the image has more than 8 bits, a float32 copy of this image. If
    images were skipped, `images` is a view of the first rows of the output array.

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
    size, dtype = check_options(image_size, color_mode, dtype, n_jobs, on_error, out)
    if max_per_class is not None:
        max_per_class = check_at_least("max_per_class", max_per_class, 1)
    rng = check_random_state(random_state)

    root = _check_folder(path)
    target_names = _select_classes(root, include, exclude)
    files, target = _list_files(root, target_names, max_per_class, rng)
    images, kept, details = load_files(
        files,
        names=files,
        size=size,
        color_mode=color_mode,
        dtype=dtype,
        n_jobs=n_jobs,
        on_error=on_error,
        out=out,
        check_kept=lambda kept: _check_no_class_lost(root, target_names, target, kept),
    )
    target = target[kept]
    if return_X_y:
        return images, target
    counts = np.bincount(target, minlength=len(target_names))
    lines = [
        *describe(images, color_mode, details["scaling"], details["skipped"]),
        f"Source: {str(root)!r}, {len(target_names)} classes, ordered by class and "
        "file name:",
        *(f"    {name}: {n}" for name, n in zip(target_names, counts, strict=True)),
    ]
    return Bunch(
        images=images,
        target=target,
        target_names=np.array(target_names),
        **details,
        DESCR="\n".join(lines),
    )


def _check_folder(path):
    """Return `path` as a Path; raise if it is not an existing folder."""
    if not isinstance(path, (str, os.PathLike)):
        hint = ""
        if hasattr(path, "__len__") and not isinstance(path, (bytes, dict)):
            hint = " Load a list of files with skcnn.datasets.load_images."
        raise TypeError(
            f"Got path={reprlib.repr(path)} of type {type(path).__name__}, "
            f"but expected a str or an os.PathLike.{hint}"
        )
    if not os.fspath(path):
        raise ValueError(
            "Got path='', but expected a folder. Pass '.' for the current folder."
        )
    root = expand_home("path", path)
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
            "contains one folder of images per class. Load single files with "
            "skcnn.datasets.load_images."
        )
    return root


def _select_classes(root, include, exclude):
    """Return the names of the class folders to load, in the order of the classes."""
    entries = scan(root)
    names = [
        entry.name
        for entry in entries
        if is_folder(entry)
        and not entry.name.startswith(".")
        and entry.name not in _IGNORED_FOLDERS
    ]
    if not names:
        n_images = sum(map(is_image, entries))
        raise ValueError(
            f"No class folders in {str(root)!r}: "
            + (
                f"it directly contains {n_images} image(s), whose classes are unknown. "
                "Load them without labels with skcnn.datasets.load_images, or create "
                if n_images
                else "it contains no folders. Create "
            )
            + "one folder of images per class, for example "
            + repr(os.path.join(str(root), "cat", "1.jpg"))
            + "."
        )
    selected = names
    if include is not None:
        selected = _check_names("include", include, names, root)
    if exclude is not None:
        excluded = set(_check_names("exclude", exclude, names, root))
        selected = [name for name in selected if name not in excluded]
    if not selected:
        raise ValueError(
            f"Got include={include!r} and exclude={exclude!r}, which select none of "
            f"the classes in {str(root)!r}: {format_names(names)}. Select at least "
            "one."
        )
    return selected


def _check_names(parameter, value, names, root):
    """Return `value` as a list without duplicates; raise if a name is unknown.

    The names in a set are sorted. The names in any other collection keep their order.
    """
    if isinstance(value, (str, bytes)):
        raise TypeError(
            f"Got {parameter}={value!r}, but expected a list of class folder names. "
            f"Pass {parameter}=[{value!r}]."
        )
    try:
        value = sorted(value, key=str) if isinstance(value, Set) else list(value)
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
                f"{format_names(names)}."
            )
    return list(dict.fromkeys(value))


def _list_files(root, names, max_per_class, rng):
    """Return the paths and class indices of the images to load, class by class."""
    files, unsupported = {}, []
    # Sort, so that the random subsets do not depend on the order of the classes.
    for name in sorted(names):
        folder = os.path.join(root, name)
        entries = scan(folder)
        images = [entry.path for entry in entries if is_image(entry)]
        if not images:
            raise ValueError(_no_images_message(root, name, entries))
        unsupported += unsupported_images(entries)
        if max_per_class is not None and len(images) > max_per_class:
            chosen = rng.choice(len(images), max_per_class, replace=False)
            images = [images[i] for i in np.sort(chosen)]
        files[name] = images
    warn_unsupported(unsupported)
    counts = [len(files[name]) for name in names]
    target = np.repeat(np.arange(len(names), dtype=np.intp), counts)
    return [file for name in names for file in files[name]], target


def _no_images_message(root, name, entries):
    """Return the error message for a class folder without images."""
    folder = os.path.join(root, name)
    nested = [e for e in entries if is_folder(e) and contains_images(e.path)]
    if nested:
        return (
            f"No images directly in the class folder {folder!r}, but in its subfolders "
            f"{format_names([entry.name for entry in nested])}. Pass the folder that "
            f"contains the class folders, for example path={folder!r}."
        )
    return (
        f"No images in the class folder {folder!r}: {describe_entries(entries)}. Add "
        f"images (with an extension such as .jpg or .png), or pass exclude=[{name!r}]."
    )


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
