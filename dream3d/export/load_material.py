"""Materials and pictures of a glTF that may come from anyone."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dream3d.errors import InputError
from dream3d.export.container import Document, corrupt, get_count, get_number, get_numbers, get_object
from dream3d.math import linear_to_srgb, srgb_to_linear
from dream3d.mesh import ByteArray, Material

MAX_TEXELS = 2 * 8192 * 8192  # over all pictures, and over what becomes of them: a small file can claim much


@dataclass(frozen=True)
class Picture:
    """An image of the file, decoded."""

    name: str
    mime_type: str
    pixels: ByteArray  # [H, W, 3] sRGB encoded


@dataclass(frozen=True)
class Surface:
    """What a mesh primitive wears."""

    material: Material  # without a texture of the base color, one texel of it
    color: NDArray[np.float32]  # [3], linear: the base color's factor, which is in the material too
    has_texture: bool  # of the base color
    placement: NDArray[np.float64]  # [2, 3], from the mesh's UVs to those of the pictures


PLAIN = Surface(Material(np.full((1, 1, 3), 255, np.uint8)), np.ones(3, np.float32), False, np.eye(2, 3))


class Materials:
    """The materials of a file, each read once however many meshes wear it."""

    def __init__(self, document: Document, pictures: list[Picture]) -> None:
        self._document = document
        self._pictures = pictures
        self._surfaces: dict[int, Surface] = {}
        self._changed: dict[tuple[int, bytes], ByteArray] = {}  # by picture and tables
        self._num_texels = 0  # of those

    def of(self, primitive: dict[str, Any]) -> Surface:
        """What a mesh primitive wears; the same object for the same material."""
        if "material" not in primitive:
            return PLAIN
        index: int = primitive["material"]
        description = self._document.item("materials", index)
        if index not in self._surfaces:
            self._surfaces[index] = self._surface(description)
        return self._surfaces[index]

    def _surface(self, description: dict[str, Any]) -> Surface:
        pbr = get_object(description, "pbrMetallicRoughness")
        color = get_numbers(pbr, "baseColorFactor", [1.0] * 4)[:3].clip(0.0, 1.0).astype(np.float32)
        metallic, roughness = (get_number(pbr, key, 1.0) for key in ("metallicFactor", "roughnessFactor"))
        texture = get_object(pbr, "baseColorTexture")
        if texture and _uv_set(texture) != 0:
            raise InputError("the file's texture uses a second set of UVs, which is not read")
        # Other pictures over a second set of UVs, and occlusion in a picture of its own, are left out.
        packed = _over_first_uvs(get_object(pbr, "metallicRoughnessTexture"))
        normals = _over_first_uvs(get_object(description, "normalTexture"))
        material = Material(
            self._tinted(texture, color),
            metallic,
            roughness,
            self._orm(packed, get_object(description, "occlusionTexture"), metallic, roughness),
            self._pictures[self._source(normals)].pixels if normals else None,
        )
        placement = _placement([info for info in (texture, packed, normals) if info])
        return Surface(material, color, bool(texture), placement)

    def _tinted(self, info: dict[str, Any], color: NDArray[np.float32]) -> ByteArray:
        """The texture times a linear color [3], sRGB encoded; one texel of it without a texture."""
        levels = srgb_to_linear(torch.arange(256) / 255.0) if info else torch.ones(1)
        table = (linear_to_srgb(levels[:, None] * torch.from_numpy(color)) * 255.0).round().byte().numpy()
        return self._through(self._source(info), table) if info else table[None]

    def _orm(
        self, info: dict[str, Any], occlusion: dict[str, Any], metallic: float, roughness: float
    ) -> ByteArray | None:
        """Occlusion, roughness and metallic [H, W, 3]."""
        if not info:
            return None
        source = self._source(info)
        is_packed = bool(occlusion) and self._source(occlusion) == source
        scale = np.array([1.0, np.clip(roughness, 0, 1), np.clip(metallic, 0, 1)])
        table = (np.arange(256)[:, None] * scale).round().astype(np.uint8)
        if not is_packed:
            table[:, 0] = 255
        return self._through(source, table)

    def _source(self, info: dict[str, Any]) -> int:
        """Number of the picture behind a texture."""
        source = get_count(self._document.item("textures", info.get("index")), "source")
        self._document.item("images", source)
        return source

    def _through(self, source: int, table: ByteArray) -> ByteArray:
        """A picture after tables [256, 3] of its channels, made once; itself where these change nothing."""
        pixels = self._pictures[source].pixels
        if np.array_equal(table, np.arange(256)[:, None].repeat(3, axis=1)):
            return pixels
        key = source, table.tobytes()
        if key not in self._changed:
            self._num_texels += pixels[..., 0].size
            _check_texels(self._num_texels)
            self._changed[key] = np.stack([table[pixels[..., c], c] for c in range(3)], axis=-1)
        return self._changed[key]


def _uv_set(info: dict[str, Any]) -> object:
    """Number of the UVs that a texture lies over; the extension's goes before its own."""
    return _transform(info).get("texCoord", info.get("texCoord", 0))


def _over_first_uvs(info: dict[str, Any]) -> dict[str, Any]:
    """A texture, or nothing where it lies over other UVs."""
    return info if _uv_set(info) == 0 else {}


def _transform(info: dict[str, Any]) -> dict[str, Any]:
    return get_object(get_object(info, "extensions"), "KHR_texture_transform")


def _placement(infos: list[dict[str, Any]]) -> NDArray[np.float64]:
    """Where textures lie, which has to be the same for all: from the mesh's UVs to theirs, [2, 3].

    KHR_texture_transform: UVs are scaled, turned as the eye sees it, where v grows downwards, and moved.
    """
    placements = []
    for info in infos:
        transform = _transform(info)
        angle = get_number(transform, "rotation", 0.0)
        c, s = math.cos(angle), math.sin(angle)
        turn = np.array([[c, s], [-s, c]]) * get_numbers(transform, "scale", [1.0, 1.0])
        placements.append(np.column_stack([turn, get_numbers(transform, "offset", [0.0, 0.0])]))
    if not all(np.array_equal(placements[0], other) for other in placements[1:]):
        raise InputError(
            "the file's textures lie in different ways over the same UVs (KHR_texture_transform), "
            "which is not read"
        )
    return placements[0] if placements else PLAIN.placement


def _check_texels(count: int) -> None:
    if count > MAX_TEXELS:
        raise InputError(f"the file's pictures have more than {MAX_TEXELS >> 20} million texels; too large")


def read_pictures(document: Document) -> list[Picture]:
    """All images, decoded; their sizes are read from the headers and added up first."""
    opened: list[tuple[dict[str, Any], Image.Image]] = []
    num_texels = 0
    for index in range(len(document.items("images"))):
        image = document.item("images", index)
        if "uri" in image:
            raise InputError(
                "the file keeps its pictures in other files; only self-contained .glb files are read"
            )
        data, _ = document.view(image.get("bufferView"))
        try:
            picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG"))
        except Exception:  # damaged pictures raise nearly anything inside Pillow
            corrupt(f"images[{index}] is not a whole PNG or JPEG")
        num_texels += picture.width * picture.height
        _check_texels(num_texels)
        opened.append((image, picture))
    return [_decode(index, image, picture) for index, (image, picture) in enumerate(opened)]


def _decode(index: int, image: dict[str, Any], picture: Image.Image) -> Picture:
    try:
        if picture.mode.startswith("I"):  # 16 bits of gray, which Pillow would cut off at 255
            picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        pixels = np.asarray(picture.convert("RGB"))
    except Exception:
        corrupt(f"images[{index}] is damaged")
    return Picture(str(image.get("name", "")), f"image/{(picture.format or '').lower()}", pixels)
