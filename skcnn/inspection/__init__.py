"""Where in an image a network finds its class."""

from ._grad_cam import grad_cam
from ._occlusion import occlusion

__all__ = ["grad_cam", "occlusion"]
