"""Keras CNNs for images as scikit-learn classifiers."""

from ._classifier import CNNClassifier
from ._features import CNNFeatures
from ._presets import (
    optimized_cnn,
    overfitting_cnn,
    pretrained_cnn,
    underfitting_cnn,
)

__version__ = "0.1.0"

__all__ = [
    "CNNClassifier",
    "CNNFeatures",
    "optimized_cnn",
    "overfitting_cnn",
    "pretrained_cnn",
    "underfitting_cnn",
]
