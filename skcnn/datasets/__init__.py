"""Load or generate images and their labels as arrays."""

from ._digits import load_digits
from ._folder import load_image_folder
from ._images import load_images
from ._scenes import make_scenes
from ._tf_data import from_dataset

__all__ = [
    "from_dataset",
    "load_digits",
    "load_image_folder",
    "load_images",
    "make_scenes",
]
