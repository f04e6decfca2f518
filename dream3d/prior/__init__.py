"""The frozen diffusion prior and what it is told."""

from dream3d.prior.camera_law import CameraLaw
from dream3d.prior.prior import Prior
from dream3d.prior.text import TextEmbedding

__all__ = ["CameraLaw", "Prior", "TextEmbedding"]
