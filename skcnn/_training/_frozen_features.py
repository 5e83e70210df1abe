"""Features: the outputs of the frozen part of a network, computed once per image.

The features of an image are kept in memory, and also in the folder `memory` if there is
one. All fits of a search therefore share them, although each fold has other images.

Features are computed one image at a time. In larger batches, the last bits of the
features of an image depend on its position in the batch, so the result of a fit would
depend on the fits before it.
"""

import hashlib
import tempfile
import threading
from collections import OrderedDict

import numpy as np

from .._checkpoint._store import read_arrays, write_arrays
from .._utils._warnings import warn_user
from ._data import ArrayDataset, ImageReader
from ._predictor import Predictor

# Number of bytes of features to keep in memory. Those of the images that have not been
# used for the longest time are removed first.
_CACHE_BYTES = 2**28
# Arrays of features with more bytes than this are memory maps of temporary files.
_MAX_ARRAY_BYTES = 2**30
_CHUNK = 256  # images that are read, looked up and stored together


class _Cache:
    """Features of images in the memory of this process."""

    def __init__(self):
        self._features = OrderedDict()
        self._n_bytes = 0
        self._lock = threading.RLock()

    def get(self, key):
        with self._lock:
            features = self._features.get(key)
            if features is not None:
                self._features.move_to_end(key)
            return features

    def put(self, key, features):
        with self._lock:
            if key not in self._features:
                self._features[key] = features
                self._n_bytes += features.nbytes
            while self._n_bytes > _CACHE_BYTES:
                _, removed = self._features.popitem(last=False)
                self._n_bytes -= removed.nbytes


_cache = _Cache()


class FrozenFeatures:
    """Computes the features of images, or looks them up.

    Parameters
    ----------
    part : FrozenPart
        The frozen part of a network.
    location : pathlib.Path or None
        Folder for checkpoints, in which features are also stored.
    """

    def __init__(self, part, location=None):
        self._part = part
        self._location = location
        self._predictor = Predictor(part.network, batch_size=1)

    def __call__(self, images, rows=None):
        """Return the features of the given rows of `images` as an ImageReader.

        Parameters
        ----------
        images : ImageReader
        rows : ndarray of int, default=None
            All rows by default.
        """
        rows = np.arange(len(images)) if rows is None else rows
        part_key = self._part.key()
        shape = self._part.feature_shape
        features = _empty((len(rows), *shape))
        stored = None
        for start in range(0, len(rows), _CHUNK):
            chunk = images.take(rows[start : start + _CHUNK])
            keys = [_image_key(part_key, image) for image in chunk]
            found = [_cache.get(key) for key in keys]
            if self._location is not None and stored is None and _has_missing(found):
                stored = self._read(part_key)
            if stored:
                found = [
                    stored.get(key) if value is None else value
                    for key, value in zip(keys, found, strict=True)
                ]
            missing = [i for i, value in enumerate(found) if value is None]
            if missing:
                computed = self._predictor(ImageReader(chunk[missing], images.shape))
                for i, value in zip(missing, computed, strict=True):
                    found[i] = value.copy()  # not a view of the whole chunk
                self._write(part_key, [keys[i] for i in missing], computed)
            for i, (key, value) in enumerate(zip(keys, found, strict=True)):
                features[start + i] = value
                _cache.put(key, value)
        return ImageReader(features, shape)

    def _folder(self, part_key):
        return self._location / part_key

    def _read(self, part_key):
        """Return the features in the folder, as a dict keyed by images' keys."""
        stored = {}
        for path in self._folder(part_key).glob("features-*.npz"):
            try:
                arrays = read_arrays(path)
                keys, features = arrays["keys"], arrays["features"]
            except FileNotFoundError:
                continue
            except Exception as error:  # zipfile and NumPy raise various errors
                warn_user(
                    f"{path} in memory= cannot be read ({error}); computing the "
                    "features in it again."
                )
                continue
            stored.update(zip(map(bytes, keys), features, strict=True))
        return stored

    def _write(self, part_key, keys, features):
        if self._location is None:
            return
        keys = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1)
        try:
            write_arrays(
                self._folder(part_key), "features", {"keys": keys, "features": features}
            )
        except OSError as error:
            warn_user(f"memory= cannot store the features of images: {error}")
            self._location = None


class FrozenPredictor:
    """Predictor for a network with a frozen part.

    Parameters
    ----------
    part : FrozenPart
    location : pathlib.Path or None
        As in :class:`FrozenFeatures`.
    """

    def __init__(self, part, location=None):
        self._features = FrozenFeatures(part, location)
        self._head = Predictor(part.head)

    def __call__(self, images):
        """Return a float32 array of all outputs, of shape (n, n_outputs)."""
        return self._head(self._features(images))


def with_frozen_features(dataset, features):
    """Return a dataset of the features of the images of `dataset`.

    Parameters
    ----------
    dataset : ArrayDataset
    features : FrozenFeatures

    Returns
    -------
    ArrayDataset
    """
    rows = dataset.rows
    return ArrayDataset(
        features(dataset.images, rows),
        dataset.y_encoded[rows],
        dataset.encode,
        None if dataset.weight is None else dataset.weight[rows],
        np.arange(len(rows)),
    )


def _has_missing(found):
    return any(value is None for value in found)


def _image_key(part_key, image):
    digest = hashlib.blake2b(digest_size=20)
    digest.update(f"{part_key} {image.dtype} {image.shape}".encode())
    digest.update(np.ascontiguousarray(image))
    return digest.digest()


def _empty(shape):
    n_bytes = int(np.prod(shape)) * 4
    if n_bytes <= _MAX_ARRAY_BYTES:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile() as file:  # deleted when the memory map is closed
        return np.memmap(file, np.float32, "w+", shape=shape)
