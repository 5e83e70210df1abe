"""Mean and variance of the training images, for the normalization of the input."""

import numpy as np

_CHUNK_BYTES = 2**21


class InputStatistics:
    """Mean and variance of each channel, over all images seen so far.

    They are computed in float64, chunk by chunk, so that memory maps are read once and
    large offsets cause no loss of precision. Moving averages of batch statistics, as in
    batch normalization, would need hundreds of training steps to adapt to images with
    values far from zero or on a small scale.

    Reference: Chan, Golub and LeVeque (1983), "Algorithms for computing the sample
    variance", https://doi.org/10.1080/00031305.1983.10483115
    """

    def __init__(self):
        self.count = 0
        self.mean = 0.0
        self.sum_of_squares = 0.0  # squared differences from the mean

    def update(self, images, rows):
        """Add images to the statistics.

        Parameters
        ----------
        images : ImageReader
        rows : ndarray of int
        """
        step = max(1, _CHUNK_BYTES // images.image_nbytes)
        for start in range(0, len(rows), step):
            chunk = images.take(rows[start : start + step])
            values = chunk.reshape(-1, chunk.shape[-1]).astype(np.float64)
            mean = values.mean(axis=0)
            values -= mean
            self._add(len(values), mean, np.einsum("ij,ij->j", values, values))
        return self

    def _add(self, count, mean, sum_of_squares):
        total = self.count + count
        difference = mean - self.mean
        self.mean = self.mean + difference * (count / total)
        self.sum_of_squares = (
            self.sum_of_squares
            + sum_of_squares
            + difference**2 * (self.count * count / total)
        )
        self.count = total

    def rescaling(self):
        """Return the scale and offset that give each channel mean 0 and variance 1.

        A channel that has the same value everywhere is not scaled.

        Returns
        -------
        scale, offset : list of float

        Raises
        ------
        ValueError
            If the values of a channel differ by too little for float32.
        """
        std = np.sqrt(self.sum_of_squares / self.count)
        scale = 1 / np.where(std > 0, std, 1.0)
        if np.any(scale > np.finfo(np.float32).max):
            raise ValueError(
                f"X has a channel with a standard deviation of {std[std > 0].min():.3g}"
                f", but expected at least {1 / np.finfo(np.float32).max:.3g}. Multiply "
                "the images by a constant."
            )
        return scale.tolist(), (-self.mean * scale).tolist()
