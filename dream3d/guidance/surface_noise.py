"""Noise that sticks to the surface, so that a point has the same noise in every view that sees it.

Yan et al. 2025 (consistent flow distillation, arXiv 2501.05445): distillation follows the clean image of one
noise down the prior's flow; that the flows of all views lead to one object needs noise that is consistent
between views and white within each. Theirs is a texture that is resampled with the area of each pixel. Here
it is a lattice in space whose cells are as large as a pixel is there: a pixel takes the noise of the cell
that its surface point lies in, so that neighbours, who are a pixel apart at least, share a cell rarely.
"""

import math

import torch
from torch import Tensor

from dream3d.guidance.question import Comparison, Question

# Cells per axis of [-1, 1]^3, and more where a view of the whole scene is more pixels (of latents) wide. In
# close-ups neighbors do share a cell.
LEAST_RESOLUTION = 64
REFRESH = 0.01  # Share of the noise's variance that is drawn anew in each step.
MIN_OPACITY = 0.1  # Where less is seen there is no surface for noise to stick to.


class SurfaceNoise:
    """White noise on a lattice of space, slowly refreshed."""

    def __init__(self, values: Tensor, generator: torch.Generator) -> None:
        """Go on with noise [X, Y, Z, channels], on the CPU; the generator draws all that follows."""
        self.values = values
        self.generator = generator

    @classmethod
    def draw(
        cls, channels: int, generator: torch.Generator, resolution: int = LEAST_RESOLUTION
    ) -> "SurfaceNoise":
        """Start with noise of one's own."""
        return cls(torch.randn(*[resolution] * 3, channels, generator=generator), generator)

    @property
    def resolution(self) -> int:
        """Cells per axis."""
        return len(self.values)

    def refresh(self) -> None:
        """Draw a share of the noise anew; it stays white."""
        fresh = torch.randn(self.values.shape, generator=self.generator)
        self.values = math.sqrt(1.0 - REFRESH) * self.values + math.sqrt(REFRESH) * fresh

    def at(self, points: Tensor, opacity: Tensor) -> Tensor:
        """Noise of the pixels of some views.

        Args:
            points: [B, h, w, 3] that the pixels show.
            opacity: [B, h, w]; where too little is seen, the noise is fresh.

        Returns:
            [B, h, w, channels].
        """
        last = self.resolution - 1
        cells = ((points.detach().cpu() + 1.0) * (0.5 * self.resolution)).long().clamp(0, last)
        noise = self.values[cells[..., 0], cells[..., 1], cells[..., 2]]
        fresh = torch.randn(noise.shape, generator=self.generator)
        return torch.where((opacity.detach().cpu() > MIN_OPACITY)[..., None], noise, fresh)


def cfd(question: Question, noise: Tensor) -> Comparison:
    """The render against what the prior makes of it under the noise of its surface, [B, c, h, w].

    Theirs is `weight: x0` with a noise level that falls steadily.
    """
    target, _ = question.guided(question.noised(noise.to(question.clean)), question.timestep)
    return Comparison(target)
