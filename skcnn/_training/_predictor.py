"""Predictions of a network for any number of images."""

import math

import numpy as np

# Maximum number of images per call, and maximum total number of their pixels. They
# limit the memory that activations take.
_MAX_IMAGES = 1024
_MAX_PIXELS = 2**20


class Predictor:
    """Computes the outputs of a network in batches of a few different sizes.

    Each batch is padded until its number of images is a power of two. The same kernels
    therefore run for any number of images, and the outputs for an image hardly depend
    on the other images.

    Parameters
    ----------
    network : TrainableNetwork
        The network. If its loss takes logits, a softmax or sigmoid is applied to its
        outputs.
    batch_size : int, default=None
        Number of images per batch, rounded down to a power of two. By default, it
        depends on the size of the images.
    """

    def __init__(self, network, batch_size=None):
        self._network = network
        self._batch_size = batch_size
        self._functions = {}

    def __call__(self, images):
        """Return a float32 array of all outputs, of shape (n, n_outputs)."""
        predict = self._functions.get(images.dtype)
        if predict is None:
            from .._compiled._steps import make_predict_function

            predict = make_predict_function(self._network, images.shape, images.dtype)
            self._functions[images.dtype] = predict
        n_pixels = math.prod(images.shape[:-1])
        size = self._batch_size
        if size is None:
            size = max(1, min(_MAX_IMAGES, _MAX_PIXELS // n_pixels))
        size = 2 ** (size.bit_length() - 1)
        outputs = []
        for start in range(0, len(images), size):
            x = images.take(slice(start, start + size))
            n = len(x)
            padding = 2 ** (n - 1).bit_length() - n
            if padding:
                x = np.pad(x, [(0, padding)] + [(0, 0)] * (x.ndim - 1))
            outputs.append(predict(x)[:n])
        return np.concatenate(outputs)
