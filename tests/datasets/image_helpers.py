"""Functions that create and load the images of the tests in this folder."""

import numpy as np
from PIL import Image

from skcnn.datasets import load_image_folder


def random_pixels(height=6, width=8, *, seed=0, channels=3):
    rng = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, channels)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def save(path, pixels, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **kwargs)
    return path


def load_single_image(folder, **kwargs):
    """Load a folder that contains exactly one image, and return the image."""
    data = load_image_folder(folder, **kwargs)
    assert len(data.images) == 1
    return data.images[0]
