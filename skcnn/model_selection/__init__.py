"""Scores by cross-validation, after every epoch of training."""

from ._epoch_curve import epoch_curve

__all__ = ["epoch_curve"]
