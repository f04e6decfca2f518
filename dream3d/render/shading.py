"""The one light law of the project: what the prior was trained on is what distillation renders.

A light sits behind the camera, lifted upwards. The result multiplies linear albedo; renders that are kept in
sRGB encoding multiply by the encoded factor instead, which is the same for a pure power-law encoding.
"""

from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import normalize
from dream3d.stage_config import Shading

AMBIENT = 0.45
DIFFUSE = 0.55
TEXTURELESS_ALBEDO = 0.8  # linear
ENCODING_EXPONENT = 1.0 / 2.2  # power law used to apply the light to sRGB-encoded colors


def light_directions(camera_positions: Tensor) -> Tensor:
    """Unit directions towards the light: the camera's direction plus half of world up.

    Args:
        camera_positions: [B, 3], seen from the object's center.

    Returns:
        [B, 3].
    """
    up = camera_positions.new_tensor([0.0, 1.0, 0.0])
    return normalize(normalize(camera_positions) + 0.5 * up)


def light_factor(normals: Tensor, lights: Tensor) -> Tensor:
    """Factor on linear albedo under an ambient and a Lambertian light.

    Args:
        normals: [..., 3], unit, world.
        lights: [..., 3], unit directions towards the light, broadcast against the normals.

    Returns:
        [...], between 0.45 and 1.
    """
    lambert = (normals * lights).sum(-1).clamp_min(0.0)
    return AMBIENT + DIFFUSE * lambert


def normal_colors(normals: Tensor, c2w: Tensor) -> Tensor:
    """Unit normals in the camera's frame as colors: 0.5 + 0.5 n, so that what faces the camera is bluish.

    The frame is the camera's and not the world's, so that a side looks alike from wherever it is seen.

    Args:
        normals: [..., 3], unit, world.
        c2w: [..., 4, 4] or [4, 4], camera to world, broadcast against the normals.

    Returns:
        [..., 3] in [0, 1], stored as they are: normal maps have no sRGB curve.
    """
    return 0.5 + 0.5 * (c2w[..., :3, :3].mT @ normals[..., None])[..., 0]


def shade_srgb(
    color_srgb: Tensor, opacity: Tensor, normals: Tensor, cameras: Cameras, shading: Shading
) -> Tensor:
    """Draw premultiplied sRGB-encoded albedo as a prior asks for it.

    Args:
        color_srgb: [B, P, 3] albedo times opacity.
        opacity: [B, P].
        normals: [B, P, 3] unit, world; not read for "albedo".
        cameras: B cameras.
        shading: "albedo" leaves the colors, "shaded" lights them, "textureless" lights a gray of 0.8
            instead, "normals" shows normals in place of colors.

    Returns:
        [B, P, 3], premultiplied.
    """
    if shading == "albedo":
        return color_srgb
    if shading == "normals":
        return opacity[..., None] * normal_colors(normals, cameras.c2w()[:, None])
    factor = light_factor(normals, light_directions(cameras.positions())[:, None])  # [B, P]
    if shading == "shaded":
        return color_srgb * (factor**ENCODING_EXPONENT)[..., None]
    gray = (factor * TEXTURELESS_ALBEDO) ** ENCODING_EXPONENT
    return (opacity * gray)[..., None].expand_as(color_srgb)
