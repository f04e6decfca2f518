"""Materials and pictures of a glTF that may come from anyone."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dream3d.errors import InputError
from dream3d.export.container import Document, corrupt, get_count, get_numbers, get_object
from dream3d.math import linear_to_srgb, srgb_to_linear
from dream3d.mesh import ByteArray, Material

MAX_TEXELS = 2 * 8192 * 8192  # over all pictures: a small file can claim a huge picture


@dataclass(frozen=True)
class Picture:
    """An image of the file, decoded."""

    name: str
    mime_type: str
    pixels: ByteArray  # [H, W, 3] sRGB encoded


Surface = tuple[Material | None, NDArray[np.float32]]  # None without a texture; linear base color factor [3]


class Materials:
    """The materials of a file, each read once however many meshes wear it."""

    def __init__(self, document: Document, pictures: list[Picture]) -> None:
        self._document = document
        self._pictures = pictures
        self._read: dict[int, Surface] = {}

    def of(self, primitive: dict[str, Any]) -> Surface:
        """What a mesh primitive wears; the same object for the same material."""
        if "material" not in primitive:
            return None, np.ones(3, np.float32)
        index: int = primitive["material"]
        description = self._document.item("materials", index)
        if index not in self._read:
            self._read[index] = _surface(self._document, description, self._pictures)
        return self._read[index]


def _surface(document: Document, description: dict[str, Any], pictures: list[Picture]) -> Surface:
    pbr = get_object(description, "pbrMetallicRoughness")
    factor = get_numbers(pbr, "baseColorFactor", [1.0] * 4)[:3].clip(0.0, 1.0).astype(np.float32)
    if "baseColorTexture" not in pbr:
        return None, factor
    if get_object(pbr, "baseColorTexture").get("texCoord", 0) != 0:
        raise InputError("the file's texture uses a second set of UVs, which is not read")
    texture = pictures[_source(document, get_object(pbr, "baseColorTexture"))].pixels
    if not np.all(factor == 1.0):
        linear = srgb_to_linear(torch.from_numpy(texture / np.float32(255.0))) * torch.from_numpy(factor)
        texture = (linear_to_srgb(linear) * 255.0).round().to(torch.uint8).numpy()
    metallic, roughness = (
        float(get_numbers({"value": [pbr.get(key, 1.0)]}, "value", [1.0])[0])
        for key in ("metallicFactor", "roughnessFactor")
    )
    normals = _picture(document, description, "normalTexture", pictures)
    orm = _orm(document, description, pictures, metallic, roughness)
    return Material(texture, metallic, roughness, orm, normals), factor


def _source(document: Document, info: dict[str, Any]) -> int:
    """Number of the picture behind a texture."""
    source = get_count(document.item("textures", info.get("index")), "source")
    document.item("images", source)
    return source


def _picture(
    document: Document, parent: dict[str, Any], key: str, pictures: list[Picture]
) -> ByteArray | None:
    """Pixels of a texture that may be absent; those over another set of UVs are left out."""
    info = get_object(parent, key)
    return pictures[_source(document, info)].pixels if info and info.get("texCoord", 0) == 0 else None


def _orm(
    document: Document,
    description: dict[str, Any],
    pictures: list[Picture],
    metallic: float,
    roughness: float,
) -> ByteArray | None:
    """Occlusion, roughness and metallic [H, W, 3]; occlusion in a picture of its own is left out."""
    pbr = get_object(description, "pbrMetallicRoughness")
    packed = _picture(document, pbr, "metallicRoughnessTexture", pictures)
    if packed is None:
        return None
    occlusion = get_object(description, "occlusionTexture")
    is_packed = bool(occlusion) and _source(document, occlusion) == _source(
        document, get_object(pbr, "metallicRoughnessTexture")
    )
    scale = np.array([1.0, np.clip(roughness, 0, 1), np.clip(metallic, 0, 1)])
    orm = (packed * scale).round().astype(np.uint8)
    if not is_packed:
        orm[..., 0] = 255
    return orm


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
        if num_texels > MAX_TEXELS:
            raise InputError(
                f"the file's pictures have more than {MAX_TEXELS >> 20} million texels; too large"
            )
        opened.append((image, picture))
    return [_decode(index, image, picture) for index, (image, picture) in enumerate(opened)]


def _decode(index: int, image: dict[str, Any], picture: Image.Image) -> Picture:
    try:
        pixels = np.asarray(picture.convert("RGB"))
    except Exception:
        corrupt(f"images[{index}] is damaged")
    return Picture(str(image.get("name", "")), f"image/{(picture.format or '').lower()}", pixels)
