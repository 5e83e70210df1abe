"""Display classes for images, predictions, learning curves and search results."""

from ._attribution import AttributionDisplay
from ._confusion_gallery import ConfusionGalleryDisplay
from ._embedding import EmbeddingDisplay
from ._epoch_curve import EpochCurveDisplay
from ._history import HistoryDisplay
from ._image_grid import ImageGridDisplay
from ._prediction_grid import PredictionGridDisplay
from ._search import SearchDisplay

__all__ = [
    "AttributionDisplay",
    "ConfusionGalleryDisplay",
    "EmbeddingDisplay",
    "EpochCurveDisplay",
    "HistoryDisplay",
    "ImageGridDisplay",
    "PredictionGridDisplay",
    "SearchDisplay",
]
