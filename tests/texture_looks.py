"""Textures and points to read them at, for the tests of texture look-up."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dream3d.ops.texture import sample_texture

MODES = [
    (filter_mode, boundary_mode, size)
    for filter_mode in ("nearest", "bilinear", "trilinear")
    for boundary_mode, sizes in (
        ("wrap", [(8, 8), (5, 13), (1, 7)]),
        ("clamp", [(9, 6), (7, 1), (1, 1)]),
        ("cube", [(8, 8), (5, 5), (1, 1)]),
    )
    for size in sizes
]


@dataclass
class Look:
    """A texture and what is read of it."""

    texture: Tensor
    uv: Tensor
    modes: dict[str, str]
    optional: dict[str, Tensor] = field(default_factory=dict)  # uv_derivatives, mip_bias

    def leaves(self) -> list[Tensor]:
        return [self.texture, self.uv, *self.optional.values()]

    def copy(self, convert: Callable[[Tensor], Tensor]) -> "Look":
        """With new leaves."""
        new = {name: convert(tensor.detach()).requires_grad_() for name, tensor in self.optional.items()}
        texture, uv = (convert(tensor.detach()).requires_grad_() for tensor in (self.texture, self.uv))
        return Look(texture, uv, self.modes, new)

    def sample(self, backend: str) -> Tensor:
        return sample_texture(self.texture, self.uv, **self.optional, **self.modes, backend=backend)

    def gradients(self, backend: str) -> list[Tensor | None]:
        image = self.sample(backend)
        upstream = torch.randn(image.shape, generator=torch.Generator().manual_seed(7)).to(image)
        return list(torch.autograd.grad(image, self.leaves(), upstream, allow_unused=True))


def random_look(
    filter_mode: str,
    boundary_mode: str,
    size: tuple[int, int],
    pixels: tuple[int, int],
    num_textures: int = 1,
) -> Look:
    """Two views; points within and beyond the borders, footprints of many sizes."""
    generator = torch.Generator().manual_seed(3)
    is_cube = boundary_mode == "cube"
    shape = (num_textures, 6, *size, 3) if is_cube else (num_textures, *size, 3)
    texture = torch.randn(shape, generator=generator)
    uv = torch.randn(2, *pixels, 3 if is_cube else 2, generator=generator) * 0.8 + (0 if is_cube else 0.5)
    look = Look(texture, uv, {"filter_mode": filter_mode, "boundary_mode": boundary_mode})
    if filter_mode == "trilinear":
        look.optional["mip_bias"] = torch.randn(2, *pixels, generator=generator) * (2 if is_cube else 0.5)
        if not is_cube:
            footprints = torch.randn(2, *pixels, 2, 2, generator=generator)
            scale = torch.randn(2, *pixels, 1, 1, generator=generator).exp()
            look.optional["uv_derivatives"] = footprints * scale / max(size)
    return look.copy(lambda tensor: tensor)
