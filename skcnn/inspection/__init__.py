"""Attribution methods, which find the regions of an image that support a class."""

from ._grad_cam import grad_cam
from ._occlusion import occlusion

__all__ = ["grad_cam", "occlusion"]
