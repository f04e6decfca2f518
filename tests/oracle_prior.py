"""A prior whose score is known in closed form: it believes in exactly one object, seen from any camera.

The object is a union of ellipsoids and boxes, ray traced here without any code of the package's renderers.
For a delta distribution the denoised image does not depend on the noisy one, so distillation must
converge to it.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from dream3d.cameras import Cameras
from dream3d.prior import CameraLaw


@dataclass(frozen=True)
class Part:
    kind: str  # "ellipsoid" or "box"
    center: tuple[float, float, float]
    half_size: tuple[float, float, float]
    albedo_srgb: tuple[float, float, float]


MUSHROOM = (
    Part("ellipsoid", (0.0, 0.35, 0.0), (0.55, 0.33, 0.55), (0.85, 0.1, 0.1)),
    Part("ellipsoid", (0.25, 0.5, 0.33), (0.12, 0.1, 0.12), (0.95, 0.95, 0.9)),
    Part("box", (0.0, -0.3, 0.0), (0.15, 0.5, 0.15), (0.9, 0.85, 0.7)),
)
# No symmetry but left and right: a back, a front, and one red armrest.
CHAIR = (
    Part("box", (0.0, -0.05, 0.0), (0.4, 0.08, 0.4), (0.2, 0.4, 0.8)),
    Part("box", (0.0, 0.38, -0.32), (0.4, 0.4, 0.08), (0.2, 0.4, 0.8)),
    Part("box", (0.3, -0.45, 0.3), (0.08, 0.38, 0.08), (0.5, 0.3, 0.1)),
    Part("box", (-0.3, -0.45, 0.3), (0.08, 0.38, 0.08), (0.5, 0.3, 0.1)),
    Part("box", (0.3, -0.45, -0.3), (0.08, 0.38, 0.08), (0.5, 0.3, 0.1)),
    Part("box", (-0.3, -0.45, -0.3), (0.08, 0.38, 0.08), (0.5, 0.3, 0.1)),
    Part("box", (0.36, 0.15, 0.05), (0.06, 0.06, 0.35), (0.85, 0.15, 0.1)),
)


def trace(parts: tuple[Part, ...], origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Nearest distance [R] (inf for a miss), albedo [R, 3] and normal [R, 3] along rays [R, 3]."""
    nearest = torch.full(origins.shape[:1], torch.inf)
    albedo, normals = torch.zeros_like(origins), torch.zeros_like(origins)
    for part in parts:
        center, half = torch.tensor(part.center), torch.tensor(part.half_size)
        start, slope = (origins - center) / half, directions / half
        if part.kind == "ellipsoid":
            a, b, c = (slope * slope).sum(-1), (start * slope).sum(-1), (start * start).sum(-1) - 1.0
            discriminant = b * b - a * c
            distance = (-b - discriminant.clamp_min(0.0).sqrt()) / a
            hit = discriminant > 0
            normal = functional.normalize((start + distance[:, None] * slope) / half, dim=-1)
        else:
            entries = torch.minimum((-1.0 - start) / slope, (1.0 - start) / slope)
            exits = torch.maximum((-1.0 - start) / slope, (1.0 - start) / slope)
            distance, axis = entries.max(-1)
            hit = distance < exits.amin(-1)
            normal = -functional.one_hot(axis, 3) * slope.sign()
        hit &= (distance > 0) & (distance < nearest)
        nearest = torch.where(hit, distance, nearest)
        albedo[hit] = torch.tensor(part.albedo_srgb)
        normals[hit] = normal[hit]
    return nearest, albedo, normals


def picture(parts: tuple[Part, ...], cameras: Cameras, size: int, shading: str) -> tuple[Tensor, Tensor]:
    """Premultiplied RGBA [B, size, size, 4], four rays per pixel, and normals [B, size, size, 3]."""
    rays = cameras.rays(2 * size, 2 * size)
    distance, albedo, normals = trace(parts, rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3))
    alpha = distance.isfinite().float()
    towards = functional.normalize(cameras.positions(), dim=-1) + torch.tensor([0.0, 0.5, 0.0])
    light = functional.normalize(towards, dim=-1).repeat_interleave(4 * size * size, 0)
    factor = 0.45 + 0.55 * (normals * light).sum(-1).clamp_min(0.0)
    if shading == "shaded":
        albedo = albedo * factor[:, None] ** (1 / 2.2)
    if shading == "textureless":
        albedo = ((0.8 * factor)[:, None] ** (1 / 2.2)).expand_as(albedo)
    if shading == "normals":
        turn = cameras.c2w()[:, :3, :3].repeat_interleave(4 * size * size, 0)
        albedo = 0.5 + 0.5 * torch.einsum("rij,ri->rj", turn, normals)
    image = torch.cat([albedo * alpha[:, None], alpha[:, None]], dim=-1)
    image = image.view(len(cameras), size, 2, size, 2, 4).mean(dim=(2, 4))
    return image, normals.view(len(cameras), size, 2, size, 2, 3)[:, :, 0, :, 0]


@dataclass
class OraclePrior:
    """Answers every question with the true picture, or with something that a flawed prior would say.

    `roughness` makes it like a real one: at high noise its answer is blurred, of another size, turned and
    blotchy, differently at every call.
    """

    parts: tuple[Part, ...]
    image_size: int = 64
    image_channels: int = 4
    image_sizes: tuple[int, ...] = ()
    roughness: float = 0.0
    alphas_cumprod: Tensor = field(default_factory=lambda: cosine_schedule(1000))
    calls: int = 0
    has_pixel_latents: bool = True
    _noise: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(0))

    @property
    def has_opacity(self) -> bool:
        return self.image_channels == 4

    def encode(self, images: Tensor) -> Tensor:
        return images.permute(0, 3, 1, 2) * 2.0 - 1.0

    def decode(self, latents: Tensor) -> Tensor:
        return (latents.permute(0, 2, 3, 1) + 1.0) / 2.0

    def sample_cameras(
        self, num_groups: int, generator: torch.Generator, close_up_share: float = 0.0
    ) -> Cameras:
        return CameraLaw().sample(num_groups, generator, close_up_share=close_up_share)

    def predict_x0(  # (a prior's interface)
        self,
        noisy,
        timesteps,
        embedding,  # noqa: ARG002
        cameras,
        shading,
        views,  # noqa: ARG002
        branches=("text", "negative"),
    ):
        self.calls += 1
        timestep = int(timesteps[0])
        answer = self.encode(self._flawed_picture(cameras, shading[0], timestep, noisy.shape[-1]))
        # Without the text it knows less, but what a low-noise image shows it sees either way.
        blurred = functional.avg_pool2d(answer, 5, 1, 2, count_include_pad=False)
        untold = torch.lerp(answer, blurred, float(1.0 - self.alphas_cumprod[timestep]))
        return tuple(untold if branch in ("negative", "null") else answer for branch in branches)

    def _flawed_picture(self, cameras: Cameras, shading: str, timestep: int, size: int) -> Tensor:
        flaw = self.roughness * float((1.0 - self.alphas_cumprod[timestep]).sqrt())
        if flaw == 0.0:
            return picture(self.parts, cameras, size, shading)[0]
        turn, nearness = (torch.randn(len(cameras), generator=self._noise) for _ in range(2))
        seen = Cameras(
            cameras.azimuth_deg + 10.0 * flaw * turn,
            cameras.elevation_deg,
            cameras.distance * (1.0 + 0.05 * flaw * nearness),
            cameras.fov_y_deg,
            cameras.target,
        )
        image = picture(self.parts, seen, size, shading)[0].permute(0, 3, 1, 2)
        width = 1 + 2 * round(4.0 * flaw * flaw)
        image = functional.avg_pool2d(image, width, 1, width // 2, count_include_pad=False)
        blotches = torch.randn(len(cameras), 4, 8, 8, generator=self._noise) * 0.12 * flaw
        image = image + functional.interpolate(blotches, image.shape[-2:], mode="bilinear") * (
            image[:, 3:] > 0.02
        )
        return image.permute(0, 2, 3, 1)


def cosine_schedule(num_timesteps: int) -> Tensor:
    """alphas_cumprod [T] that ends at exactly zero."""
    angle = torch.linspace(0.005, 1.0, num_timesteps) * (math.pi / 2)
    return torch.cos(angle).clamp_min(0.0) ** 2
