"""The glTF material of an asset and its pictures, each stored once."""

import io
from dataclasses import dataclass

from PIL import Image

from dream3d.mesh import ByteArray, Material

LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071  # sampler


@dataclass(frozen=True)
class PngPicture:
    """An encoded picture and the name it has in a file."""

    name: str
    png: bytes


def encode_png(image: ByteArray) -> bytes:
    """PNG of an image [H, W, 3]."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def pictures_of(name: str, material: Material) -> list[PngPicture]:
    """The pictures of a material, in the order in which `material_json` numbers them."""
    return [PngPicture(f"{name}_{role}", encode_png(image)) for role, image in _images(material)]


def has_occlusion(material: Material) -> bool:
    """True if the packed picture darkens anything: an all-white channel would be a lookup for nothing."""
    return material.orm is not None and int(material.orm[..., 0].min()) < 255


def material_json(name: str, material: Material) -> dict[str, object]:
    """`materials`, `textures` and `samplers` of a file: one material, opaque, seen from outside."""
    roles = [role for role, _ in _images(material)]
    texture = {role: {"index": index} for index, role in enumerate(roles)}
    pbr: dict[str, object] = {"baseColorTexture": texture["base_color"]}
    rest: dict[str, object] = {"alphaMode": "OPAQUE", "doubleSided": False}
    if material.orm is None:
        # The format's default metallicFactor is 1: left out, every asset would be of metal.
        pbr |= {"metallicFactor": material.metallic_factor, "roughnessFactor": material.roughness_factor}
    else:  # factors multiply the picture, and default to 1
        pbr["metallicRoughnessTexture"] = texture["orm"]
    if has_occlusion(material):
        rest["occlusionTexture"] = texture["orm"]
    if material.normal_map is not None:
        rest["normalTexture"] = texture["normal"]
    sampler = {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR}
    return {
        "materials": [{"name": f"{name}_material", "pbrMetallicRoughness": pbr} | rest],
        "textures": [
            {"name": f"{name}_{role}", "sampler": 0, "source": index} for index, role in enumerate(roles)
        ],
        "samplers": [sampler | {"wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}],
    }


def _images(material: Material) -> list[tuple[str, ByteArray]]:
    """(role, image) of every picture the material has."""
    images = [
        ("base_color", material.base_color_srgb),
        ("orm", material.orm),
        ("normal", material.normal_map),
    ]
    return [(role, image) for role, image in images if image is not None]
