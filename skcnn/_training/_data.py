"""Training data that is stored in arrays and read in chunks."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedShuffleSplit


class ImageReader:
    """Reads images from an array, one chunk at a time.

    The array may be a memory map, read-only or flattened. It is never converted as a
    whole: only the requested chunk is copied and converted.

    Parameters
    ----------
    array : ndarray of shape (n, height, width, channels), (n, height, width) or (n, k)
    shape : tuple (height, width, channels)
        Shape of one image.

    Attributes
    ----------
    dtype : type
        Dtype of the chunks: uint8 for an array of uint8, and float32 for all others.
    """

    def __init__(self, array, shape):
        self.array = array
        self.shape = tuple(shape)
        # Transfer uint8 images to the device as uint8, with one byte per value.
        self.dtype = np.uint8 if array.dtype == np.uint8 else np.float32

    def __len__(self):
        return len(self.array)

    def take(self, rows):
        """Return the images of these rows as a new array of shape (len(rows), *shape).

        Raises
        ------
        ValueError
            If a finite value is too large for float32.
        """
        taken = np.asarray(self.array[rows])
        with np.errstate(over="ignore"):
            images = taken.astype(self.dtype, copy=False)
        if taken.dtype.itemsize > 4 and not np.isfinite(images).all():
            raise ValueError(
                f"X has the value {np.abs(taken).max()}, but expected values of at "
                f"most {np.finfo(np.float32).max:.3g}, the largest float32. Scale the "
                "images."
            )
        return images.reshape(len(taken), *self.shape)

    @property
    def image_nbytes(self):
        """Size of one image in bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class ArrayDataset:
    """Images, targets and sample weights of the rows to train on or validate on.

    Parameters
    ----------
    images : ImageReader
    y_encoded : ndarray of shape (n,)
        Class indices.
    encode : callable
        Function that turns class indices into the targets that the loss expects.
    weight : ndarray of shape (n,) or None
    rows : ndarray of int
        Indices into `images`, `y_encoded` and `weight`.
    """

    def __init__(self, images, y_encoded, encode, weight, rows):
        self.images = images
        self.y_encoded = y_encoded
        self.encode = encode
        self.weight = weight
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def chunks(self, order, chunk_size):
        """Yield chunks, each a list of images, targets and any sample weights."""
        for start in range(0, len(order), chunk_size):
            rows = self.rows[order[start : start + chunk_size]]
            chunk = [self.images.take(rows), self.encode(self.y_encoded[rows])]
            if self.weight is not None:
                chunk.append(self.weight[rows])
            yield chunk


def rows_with_weight(weight, y_encoded, *, min_classes):
    """Return the rows to train on: all rows, or those with a positive weight.

    Omitting a sample has the same effect on the loss as giving it a weight of zero. It
    also keeps the sample out of the batch statistics, and saves time.

    Raises
    ------
    ValueError
        If fewer than `min_classes` classes remain.
    """
    rows = np.arange(len(y_encoded)) if weight is None else np.flatnonzero(weight)
    if not len(rows):
        raise ValueError(
            "No sample has a positive weight, by sample_weight and class_weight, "
            "but expected at least one that has."
        )
    if len(np.unique(y_encoded[rows])) < min_classes:
        raise ValueError(
            "All samples with a positive weight are of one class, but expected "
            "samples of two or more classes."
        )
    return rows


def split_rows(rows, y_encoded, validation_fraction, sequence, *, groups=None):
    """Return the rows to train on and the rows to validate on, stratified by class.

    Parameters
    ----------
    rows : ndarray of int
        Indices into `y_encoded` and `groups`.
    y_encoded : ndarray of shape (n,)
    validation_fraction : float
    sequence : numpy.random.SeedSequence
    groups : ndarray of shape (n,), default=None
        The rows of a group stay together, so the fraction is approximate.

    Returns
    -------
    train, validation : ndarray of int

    Raises
    ------
    ValueError
        If the rows cannot be split into two parts that both contain every class.
    """
    y = y_encoded[rows]
    seed = int(sequence.generate_state(1)[0])
    if groups is None:
        split = StratifiedShuffleSplit(
            n_splits=1, test_size=validation_fraction, random_state=seed
        )
        splits = split.split(rows, y)
    else:
        splits = _split_groups(y, groups[rows], validation_fraction, seed)
    try:
        train, validation = next(splits)
    except ValueError as error:
        groups_kept = "" if groups is None else ", with groups kept together,"
        raise ValueError(
            f"Got validation_fraction={validation_fraction!r}, but {len(rows)} images "
            f"cannot be split that way{groups_kept} into two parts with every class in "
            f"both: {str(error).rstrip('.')}. Pass more images, or another fraction."
        ) from error
    return rows[np.sort(train)], rows[np.sort(validation)]


def _split_groups(y, groups, validation_fraction, seed):
    """Yield splits that keep groups together and have all classes in both parts."""
    # Hold out one fold or, if the fraction exceeds one half, all folds but one.
    smaller = min(validation_fraction, 1 - validation_fraction)
    n_splits = max(2, round(1 / smaller))
    n_groups = len(np.unique(groups))
    if n_groups < n_splits:
        raise ValueError(f"there are {n_groups} groups, for {n_splits} folds")
    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    n_classes = len(np.unique(y))
    for rest, fold in folds.split(y, y, groups):
        parts = (rest, fold) if validation_fraction <= 0.5 else (fold, rest)
        if all(len(np.unique(y[part])) == n_classes for part in parts):
            yield parts
    raise ValueError("a class is in too few groups")
