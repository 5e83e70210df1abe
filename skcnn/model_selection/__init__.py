"""Model selection with cross-validation scores after every training epoch."""

from ._epoch_curve import epoch_curve

__all__ = ["epoch_curve"]
