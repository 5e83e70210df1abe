"""skcnn without augmentation: what augmentation costs is timed against it."""

import dataclasses

from . import skcnn
from .skcnn import versions

__all__ = ["prepare", "versions"]


def prepare(task, X, y):
    return skcnn.prepare(dataclasses.replace(task, augment=False), X, y)
