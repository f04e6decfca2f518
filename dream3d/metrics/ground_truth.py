"""How close an asset comes to the procedural family that its prompt names.

The family was seen by the prior as pictures only, and never by the generation. Its instances differ, so an
asset is compared with the nearest of many: it need not look like the average.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from dream3d.mesh import Material, Mesh, TexturedMesh
from dream3d.metrics.views import Views, in_frame, look
from dream3d.props import Spec, make_prop, parse_caption

NUM_INSTANCES = 64
NUM_CANDIDATES = 8  # of the best silhouettes, searched for the nearest surface: the rest is farther
INSTANCES_SEED = 99


@dataclass(frozen=True)
class Comparison:
    """Distance of an asset to the nearest instance of a family, both in the same frame; pose counts."""

    silhouette_iou: float  # intersection over union, mean over the views, of the best instance
    color_error: float  # mean absolute sRGB difference where both are seen, of that instance, 0 to 1
    saturation: float  # chroma of what is seen, 0 (gray) to 1
    saturation_excess: float  # the same minus that of the instance
    chamfer: float  # see `chamfer_distance`, to the instance nearest by it


@dataclass(frozen=True)
class Instances:
    """Random instances of one spec, as the comparison cameras see them."""

    spec: Spec
    assets: list[TexturedMesh]  # M, in the frame
    masks: Tensor  # [M, B, H, W] bool
    clouds: list[KDTree]  # M, of the visible surface


def make_instances(spec: Spec) -> Instances:
    """Always the same instances for the same spec."""
    rng = np.random.default_rng(INSTANCES_SEED)
    assets = [in_frame(untextured(make_prop(spec, rng).painted_mesh())) for _ in range(NUM_INSTANCES)]
    views = [look(asset) for asset in assets]
    masks = torch.stack([view.mask for view in views])
    return Instances(spec, assets, masks, [KDTree(view.points) for view in views])


def untextured(mesh: Mesh) -> TexturedMesh:
    """A mesh that carries its colors on its vertices, as an asset."""
    return TexturedMesh(mesh, Material(np.full((1, 1, 3), 255, np.uint8)))


def compare(views: Views, instances: Instances) -> Comparison:
    """Compare what is seen of an asset with the instances; one that cannot be seen is infinitely far."""
    if not views.mask.any():
        return Comparison(0.0, 1.0, 0.0, 0.0, math.inf)
    ious = [silhouette_iou(views.mask, mask) for mask in instances.masks]
    ranked: list[int] = np.argsort(ious)[::-1].tolist()
    truth = look(instances.assets[ranked[0]])
    both = views.mask & truth.mask
    error = (views.color_srgb - truth.color_srgb).abs()[both].mean().item() if both.any() else 1.0
    own, cloud = saturation(views), KDTree(views.points)
    nearest = min(_chamfer(cloud, instances.clouds[index]) for index in ranked[:NUM_CANDIDATES])
    return Comparison(ious[ranked[0]], error, own, own - saturation(truth), nearest)


def silhouette_iou(masks: Tensor, others: Tensor) -> float:
    """Intersection over union of silhouettes [B, H, W], averaged over the views."""
    both, either = (masks & others).sum((1, 2)), (masks | others).sum((1, 2))
    return (both / either.clamp_min(1)).mean().item()


def saturation(views: Views) -> float:
    """Mean of max - min over the sRGB channels (the chroma of HSV) where something is seen."""
    seen = views.color_srgb[views.mask]
    return (seen.amax(dim=1) - seen.amin(dim=1)).mean().item()


def chamfer_distance(points: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Half the sum of both mean distances to the other set's nearest point (Chamfer-L1), in frame units.

    The frame puts the farthest vertex 0.9 from the centre of the bounding box. Sets of points are the surface
    as the comparison cameras see it: hidden parts and undersides do not count.

    Args:
        points: [N, 3].
        others: [M, 3].
    """
    return _chamfer(KDTree(points), KDTree(others))


def _chamfer(first: KDTree, second: KDTree) -> float:
    there, back = first.query(second.data)[0], second.query(first.data)[0]
    return 0.5 * float(np.mean(there) + np.mean(back))


class FamilyJudge:
    """Compares assets with the family that the prompt names. Keeps the instances of the last prompt."""

    def __init__(self) -> None:
        self._instances: Instances | None = None

    def __call__(self, asset: TexturedMesh, prompt: str | None, views: Views) -> dict[str, float]:
        """The fields of `Comparison`; nothing for a prompt that names no family."""
        del asset  # the views show all that is compared
        spec = parse_caption(prompt) if prompt else None
        if spec is None:
            return {}
        if self._instances is None or self._instances.spec != spec:
            self._instances = make_instances(spec)
        return asdict(compare(views, self._instances))
