"""skcnn without augmentation, to measure the cost of augmentation."""

import dataclasses

from . import skcnn
from .skcnn import versions

__all__ = ["prepare", "versions"]


def prepare(task, X, y):
    return skcnn.prepare(dataclasses.replace(task, augment=False), X, y)
