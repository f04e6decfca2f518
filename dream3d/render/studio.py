"""The neutral studio light of previews, in closed form: a soft gray room with a key, a fill and a rim light.

Everything is a radiance over directions: a constant, a gradient from floor to ceiling, and three large lights
shaped as spherical Gaussians. What a surface sees of it through a lobe (Lambert's, or GGX's around the
reflected direction) is then an exact integral of two such functions, without textures or random numbers. The
light is white, so that a texture keeps its hue, and so bright that white reaches white and not more.

Sources: spherical Gaussians as lights and lobes, Wang, Ren, Gong, Snyder and Guo 2009, "All-frequency
rendering of dynamic, spatially-varying reflectance"; GGX, Walter et al. 2007; its integral over a white room,
Karis 2014, "Physically based shading on mobile"; the light lost between microfacets, Turquin 2019,
"Practical multiple scattering compensation for microfacet models".
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# (azimuth to the camera's right, elevation, both in degrees; sharpness; radiance at the middle)
KEY, FILL, RIM = (-36.0, 38.0, 4.0, 1.60), (65.0, 5.0, 3.0, 0.22), (150.0, 28.0, 16.0, 2.8)
LIGHTS = (KEY, FILL, RIM)
ROOM, GRADIENT = 0.305, 0.13  # radiance at the horizon; what the zenith has more and the floor less
LAMBERT_SHARPNESS = 2.3  # of the lobe nearest to Lambert's cosine; in this light 0.02 off on average
MIN_ROUGHNESS = 0.15  # sharper highlights flicker as the table turns
DIELECTRIC_REFLECTANCE = 0.04  # at normal incidence; glTF 2.0, appendix B.3


@dataclass(frozen=True)
class Lit:
    """P points to be lit."""

    base_color: Tensor  # [P, 3] linear
    normals: Tensor  # [P, 3] unit, world
    to_camera: Tensor  # [P, 3] unit, world
    roughness: Tensor  # [P] perceptual, as in glTF
    metallic: Tensor  # [P]


def light_axes(azimuth_deg: Tensor) -> Tensor:
    """Unit directions towards the middles of the lights, which turn with the camera around the vertical axis.

    Args:
        azimuth_deg: [] of the camera.

    Returns:
        [3, 3] world, in the order of `LIGHTS`.
    """
    table = torch.tensor([light[:2] for light in LIGHTS], device=azimuth_deg.device)
    azimuth, elevation = torch.deg2rad(table[:, 0] + azimuth_deg), torch.deg2rad(table[:, 1])
    flat = elevation.cos()
    return torch.stack([flat * azimuth.sin(), elevation.sin(), flat * azimuth.cos()], dim=1)


def blurred_light(directions: Tensor, sharpness: Tensor | float, axes: Tensor) -> Tensor:
    """Mean radiance of the studio under a normalised lobe exp(sharpness (cos - 1)) around each direction.

    Args:
        directions: [P, 3] unit, world.
        sharpness: [P] or one number, > 0.
        axes: [3, 3] from `light_axes`.

    Returns:
        [P].
    """
    kappa = torch.as_tensor(sharpness, dtype=directions.dtype, device=directions.device)
    away = 1.0 - torch.exp(-2.0 * kappa)  # what the lobe lacks of reaching around the sphere
    mean_cosine = (2.0 - away) / away - 1.0 / kappa  # coth(k) - 1 / k
    total = ROOM + GRADIENT * mean_cosine * directions[:, 1]
    cosines = directions @ axes.T
    for light, (_, _, width, radiance) in enumerate(LIGHTS):
        # The product of two such functions is a third one; its integral is known.
        middle = (width**2 + kappa**2 + 2.0 * width * kappa * cosines[:, light]).clamp_min(1e-8).sqrt()
        overlap = torch.exp(middle - width - kappa) * (1.0 - torch.exp(-2.0 * middle)) / middle
        total = total + radiance * overlap * kappa / away
    return total


def lambert_light(normals: Tensor, axes: Tensor) -> Tensor:
    """What a white matt surface sends out, nothing in its way: [P] for unit normals [P, 3]."""
    return blurred_light(normals, LAMBERT_SHARPNESS, axes)


def environment_brdf(roughness: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and offset of the reflectance at normal incidence that GGX returns of a white room.

    Args:
        roughness: [P] perceptual.
        cosine: [P] between the normal and the direction to the camera.

    Returns:
        [P] and [P]; their sum is what a perfect mirror's facets return after one bounce. A fit, within 0.17.
    """
    bend = torch.minimum((1.0 - roughness) ** 2, torch.exp2(-9.28 * cosine))
    bend = bend * (1.0 - roughness) + (0.0425 - 0.0275 * roughness)
    scale = -1.04 * bend + (1.04 - 0.572 * roughness)
    offset = 1.04 * bend + (0.022 * roughness - 0.04)
    return scale, offset.clamp_min(0.0)


def reflected_share(lit: Lit) -> Tensor:
    """Share of a white room's light that leaves at the surface itself, as highlights: [P, 3], at most 1.

    All that goes in comes out: what bounces between microfacets is given back.
    """
    cosine = (lit.normals * lit.to_camera).sum(-1).clamp(1e-3, 1.0)
    scale, offset = environment_brdf(lit.roughness.clamp(MIN_ROUGHNESS, 1.0), cosine)
    metallic = lit.metallic[:, None]
    reflectance = DIELECTRIC_REFLECTANCE * (1.0 - metallic) + lit.base_color * metallic
    once = reflectance * scale[:, None] + offset[:, None]
    lost = 1.0 / (scale + offset) - 1.0
    return (once * (1.0 + reflectance * lost[:, None])).clamp(0.0, 1.0)


def studio_shade(lit: Lit, openness: Tensor, axes: Tensor) -> Tensor:
    """Linear color of points under the studio light.

    Args:
        lit: The points.
        openness: [P] share of the light that reaches them past the rest of the object, in [0, 1].
        axes: [3, 3] from `light_axes`.

    Returns:
        [P, 3], >= 0; highlights of smooth surfaces exceed 1.
    """
    share = reflected_share(lit)
    cosine = (lit.normals * lit.to_camera).sum(-1, keepdim=True)
    mirrored = 2.0 * cosine.clamp_min(0.0) * lit.normals - lit.to_camera
    roughness = lit.roughness.clamp(MIN_ROUGHNESS, 1.0)
    seen = blurred_light(mirrored, 0.5 / roughness**4, axes)
    # Highlights come from narrower cones than matt light: less of them is lost
    # (Lagarde and de Rousiers 2014).
    exponent = torch.exp2(-16.0 * roughness - 1.0)
    clear = ((cosine[:, 0].clamp(0.0, 1.0) + openness) ** exponent - 1.0 + openness).clamp(0.0, 1.0)
    matt = lit.base_color * (1.0 - lit.metallic[:, None]) * (1.0 - share)
    light = lambert_light(lit.normals, axes) * openness
    return matt * light[:, None] + share * (seen * clear)[:, None]


def radiance_samples(directions: Tensor, axes: Tensor) -> Tensor:
    """Radiance of the studio around each of D evenly spread directions over half a sphere, [D]."""
    return blurred_light(directions, len(directions) / math.pi, axes)
