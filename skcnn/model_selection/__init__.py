"""Cross-validation scores after every training epoch, for model selection."""

from ._epoch_curve import epoch_curve

__all__ = ["epoch_curve"]
