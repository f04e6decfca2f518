"""What one camera sees of a textured mesh, sample by sample: the input of every look of a preview.

Textures are read with trilinear mip maps through our own operations. Everything is read as glTF 2.0 means it,
section 3.9: base color sRGB encoded, roughness in green and metallic in blue, normals in tangent space with
+Y up. Damaged values (NaN, triangles without area) take nothing with them but themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.math import normalize, srgb_to_linear
from dream3d.mesh import ByteArray, TexturedMesh
from dream3d.ops.rasterize import (
    Fragments,
    interpolate,
    interpolate_derivatives,
    rasterize,
    screen_derivatives,
)
from dream3d.ops.texture import Boundary, build_mipmaps, sample_texture
from dream3d.render.surface import DEFAULT_BASE_COLOR, is_tiled

TINY = 1e-20


@dataclass(frozen=True)
class Textured:
    """A mesh made ready to be looked at from many sides."""

    vertices: Tensor  # [V, 3]
    faces: Tensor  # [T, 3] int32
    face_normals: Tensor  # [T, 3] unit; zero of triangles without area
    face_tangents: Tensor  # [T, 4] unit, where u grows; -1 where the texture is seen mirrored, else +1
    attributes: Tensor  # [V, 8] normal or zeros, uv, linear color; with tangents [V, 12]
    base_color: list[Tensor] | None  # mip levels [1, h, w, 3], linear; None: the vertices carry it
    orm: list[Tensor] | None  # mip levels [1, h, w, 3]; None: the two numbers below hold everywhere
    normal_map: list[Tensor] | None  # mip levels [1, h, w, 3], decoded to [-1, 1]
    boundary: Boundary
    roughness: float
    metallic: float


@dataclass(frozen=True)
class Samples:
    """The P samples of a picture at which something is seen."""

    size: int  # S, samples along each side of the picture
    index: Tensor  # [P] int64 into its S * S samples, rows first
    positions: Tensor  # [P, 3] world
    base_color: Tensor  # [P, 3] linear
    normals: Tensor  # [P, 3] unit, world, towards the camera's side of the surface
    face_normals: Tensor  # [P, 3] the same for the flat triangles
    occlusion: Tensor  # [P] light that reaches the point by the asset's own account, in [0, 1]
    roughness: Tensor  # [P]
    metallic: Tensor  # [P]
    edges: Tensor | None  # [P, 2] distance to the triangle's nearest edge and its least height, in samples


def prepare(asset: TexturedMesh) -> Textured:
    """Bring an asset into the form that `see` wants; its vertices stay where they are."""
    mesh, material = asset.mesh, asset.material
    vertices = torch.from_numpy(mesh.vertices.astype(np.float32))
    faces = torch.from_numpy(mesh.faces.astype(np.int32))
    uvs = np.zeros((len(vertices), 2), np.float32) if mesh.uvs is None else mesh.uvs
    has_texture = mesh.uvs is not None
    plain = np.full((len(vertices), 3), 1.0 if has_texture else DEFAULT_BASE_COLOR, np.float32)
    columns = [
        np.zeros_like(mesh.vertices) if mesh.normals is None else mesh.normals,
        uvs,
        plain if mesh.colors is None else mesh.colors[:, :3].clip(0.0, 1.0),
        *([] if mesh.tangents is None else [mesh.tangents]),
    ]
    attributes = torch.from_numpy(np.concatenate(columns, axis=1).astype(np.float32)).nan_to_num(
        0.0, 0.0, 0.0
    )
    face_normals, face_tangents = _face_frames(vertices, faces, attributes[:, 3:5])
    orm, bumps = material.orm, material.normal_map
    return Textured(
        vertices,
        faces,
        face_normals,
        face_tangents,
        attributes,
        build_mipmaps(srgb_to_linear(_texels(material.base_color_srgb))) if has_texture else None,
        build_mipmaps(_texels(orm)) if has_texture and orm is not None else None,
        build_mipmaps(2.0 * _texels(bumps) - 1.0) if has_texture and bumps is not None else None,
        "wrap" if is_tiled(attributes[:, 3:5]) else "clamp",
        material.roughness_factor,
        material.metallic_factor,
    )


def see(textured: Textured, camera: Cameras, size: int, wires: bool = False) -> Samples:
    """What one camera sees, on a grid of size x size samples.

    Args:
        textured: Inside the unit sphere.
        camera: One.
        size: Samples along each side.
        wires: Find the edges too, and leave out triangles that turn their back or have no area.

    Returns:
        The samples.
    """
    clip, faces, kept, fragments = _drawn(textured, camera, size, wires)
    triangle = fragments.triangle_id.flatten()
    index = (triangle >= 0).nonzero()[:, 0]
    face = kept[triangle[index].long()]
    table = torch.cat([textured.vertices, textured.attributes], dim=1)
    values = interpolate(table, faces, fragments)[0].flatten(0, 1)[index]  # [P, 11 or 15]
    flat = textured.face_normals[face]
    positions, normals = values[:, :3], _usable(values[:, 3:6], flat)
    base_color, edges = values[:, 8:11], None
    material = values.new_tensor([1.0, textured.roughness, textured.metallic]).expand(len(index), 3)
    if wires or textured.base_color is not None:
        slopes = screen_derivatives(clip, faces, fragments)
        if wires:
            weights = fragments.barycentrics[0].flatten(0, 1)[index]
            edges = _edges(weights, slopes[0].flatten(0, 1)[index])
        if textured.base_color is not None:
            uvs = textured.attributes[:, 3:5].contiguous()
            footprint = interpolate_derivatives(uvs, faces, fragments, slopes)[0].flatten(0, 1)[index]
            read = _reader(values[:, 6:8], footprint, textured.boundary)
            base_color = base_color * read(textured.base_color)
            material = material if textured.orm is None else read(textured.orm)
            if textured.normal_map is not None:
                tangents = textured.face_tangents[face] if values.shape[1] == 11 else values[:, 11:]
                normals = _bumped(normals, tangents, read(textured.normal_map))
    is_back = (flat * (camera.positions() - positions)).sum(-1, keepdim=True) < 0.0
    side = torch.where(is_back, -1.0, 1.0)
    occlusion, roughness, metallic = material.unbind(-1)
    return Samples(
        size, index, positions, base_color, normals * side, flat * side, occlusion, roughness, metallic, edges
    )


def _drawn(
    textured: Textured, camera: Cameras, size: int, cull: bool
) -> tuple[Tensor, Tensor, Tensor, Fragments]:
    """Clip positions [1, V, 4], the faces [T', 3] that were drawn, their numbers [T'], and the fragments."""
    vertices, faces = textured.vertices, textured.faces
    kept = torch.arange(len(faces))
    if cull:
        toward = camera.positions()[0] - vertices[faces[:, 0].long()]
        kept = ((textured.face_normals * toward).sum(-1) > 0.0).nonzero()[:, 0]
        faces = faces[kept]
    clip = camera.to_clip(vertices)
    return clip, faces, kept, rasterize(clip, faces, size, size)


def _usable(normals: Tensor, flat: Tensor) -> Tensor:
    """Unit normals [P, 3]; those of the flat triangle where they are missing or contradict it."""
    normals = normalize(normals, TINY)
    is_usable = (normals * flat).sum(-1, keepdim=True) > -0.5
    return torch.where(is_usable & (normals.square().sum(-1, keepdim=True) > 0.5), normals, flat)


def _reader(uvs: Tensor, footprint: Tensor, boundary: Boundary) -> Callable[[list[Tensor]], Tensor]:
    """What reads textures at UVs [P, 2] that change by [P, 2, 2] from sample to sample: [P, C]."""

    def read(levels: list[Tensor]) -> Tensor:
        return sample_texture(
            levels,
            uvs[None, None].contiguous(),
            uv_derivatives=footprint[None, None].contiguous(),
            filter_mode="trilinear",
            boundary_mode=boundary,
        )[0, 0]

    return read


def _edges(weights: Tensor, slopes: Tensor) -> Tensor:
    """Distance to the nearest edge and least height of a triangle, [P, 2] in samples.

    The distance to an edge is the weight of the corner across from it, over how fast that weight changes.

    Args:
        weights: [P, 2] of corners 0 and 1.
        slopes: [P, 2, 2] their derivatives to the right and down.
    """
    weights = torch.cat([weights, 1.0 - weights.sum(1, keepdim=True)], dim=1)  # [P, 3]
    slopes = torch.cat([slopes, -slopes.sum(1, keepdim=True)], dim=1).norm(dim=-1).clamp_min(1e-12)
    return torch.stack([(weights / slopes).amin(-1), (1.0 / slopes).amin(-1)], dim=-1)


def _bumped(normals: Tensor, tangents: Tensor, mapped: Tensor) -> Tensor:
    """Normals [P, 3] bent by what a normal map says in the frame of each triangle's UVs."""
    along = tangents[:, :3] - (tangents[:, :3] * normals).sum(-1, keepdim=True) * normals
    along = normalize(along, TINY)
    across = torch.linalg.cross(normals, along, dim=-1) * tangents[:, 3:].sign()
    # A mean of normals is shorter where they disagree; only its direction counts here.
    bent = mapped[:, :1] * along + mapped[:, 1:2] * across + mapped[:, 2:] * normals
    has_frame = (along.square().sum(-1, keepdim=True) > 0.5) & (bent.square().sum(-1, keepdim=True) > 1e-6)
    return torch.where(has_frame, normalize(bent, TINY), normals)


def _face_frames(vertices: Tensor, faces: Tensor, uvs: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals [T, 3], and tangents [T, 4] of the UVs; zero where there is no area."""
    a, b, c = (vertices[faces[:, corner].long()].double() for corner in range(3))
    first, second = b - a, c - a
    normals = normalize(torch.linalg.cross(first, second, dim=-1), 1e-30).nan_to_num(0.0)
    origin, right, left = (uvs[faces[:, corner].long()].double() for corner in range(3))
    # From p = a + s first + t second and uv = origin + s (right - origin) + t (left - origin).
    right, left = right - origin, left - origin
    turn = right[:, :1] * left[:, 1:] - right[:, 1:] * left[:, :1]
    tangents = normalize((first * left[:, 1:] - second * right[:, 1:]) * turn.sign(), 1e-30).nan_to_num(0.0)
    # +Y of the map points up in the picture, where v gets smaller.
    return normals.float(), torch.cat([tangents, -turn.sign()], dim=-1).float()


def _texels(image: ByteArray) -> Tensor:
    """A picture as a texture [1, h, w, 3] in [0, 1]."""
    return torch.from_numpy(np.array(image[..., :3]))[None].float() / 255.0
