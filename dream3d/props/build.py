"""From a spec to a prop: geometry, paint and normalisation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from trimesh.remesh import subdivide_to_size

from dream3d.mesh import FRAME_RADIUS, IntArray, Mesh
from dream3d.props.body import Body, joined
from dream3d.props.captions import caption
from dream3d.props.catalogue import FAMILIES
from dream3d.props.family import QUARTER_TURN, WHOLE_TOP, Build, Family, Vary
from dream3d.props.finish import Paint, base_color, mix_paint
from dream3d.props.spec import PropSpec, Size, Spec
from dream3d.things.arrange import arrange
from dream3d.things.sizes import SMALL

PAINT_SPACING = 0.03  # of the vertices that carry a pattern: below a pixel of the 64 that metrics see
STRETCH: Mapping[Size, tuple[float, float, float]] = {  # size word -> factors of width, height and depth
    "tall": (1.0, 1.4, 1.0),
    "short": (1.0, 0.68, 1.0),
    "wide": (1.4, 1.0, 1.0),
    "slim": (0.68, 1.0, 1.0),
    "fat": (1.35, 1.0, 1.35),
    "long": (1.0, 1.0, 1.5),
    "small": (1.0, 1.0, 1.0),
}


@dataclass(frozen=True)
class Prop:
    """A procedural prop inside the sphere of radius 0.9, with what it shows and how to say it."""

    mesh: Mesh  # with normals, and per vertex the linear color that its part has without a pattern or grain
    spec: Spec
    caption: str
    paints: tuple[Paint, ...]
    paint_of_face: IntArray  # [T] into `paints`

    def surface_color(self, flat: Tensor, triangle: Tensor, positions: Tensor, normals: Tensor) -> Tensor:
        """Base color of points on the mesh: their interpolated vertex color, painted over where needed.

        Args:
            flat: [P, 3] linear, the mesh's colors.
            triangle: [P] int64, the face each point lies on.
            positions: [P, 3].
            normals: [P, 3], unit.

        Returns:
            [P, 3] linear.
        """
        if all(paint.is_plain for paint in self.paints):
            return flat
        colors = flat.clone()
        part = torch.as_tensor(self.paint_of_face, device=flat.device)[triangle]
        for index, paint in enumerate(self.paints):
            if not paint.is_plain:
                chosen = (part == index).nonzero()[:, 0]
                colors[chosen] = base_color(paint, positions[chosen], normals[chosen])
        return colors

    def painted_mesh(self) -> Mesh:
        """The mesh with patterns and grain in its vertex colors, divided finely enough to carry them."""
        if all(paint.is_plain for paint in self.paints):
            return self.mesh
        assert self.mesh.colors is not None
        assert self.mesh.normals is not None
        divided: Any = subdivide_to_size(
            self.mesh.vertices, self.mesh.faces, PAINT_SPACING, return_index=True
        )
        vertices, faces, triangle = divided
        triangle = np.repeat(triangle, 3)
        corners = self.mesh.faces[triangle]
        positions = vertices[faces].reshape(-1, 3).astype(np.float32)
        normals = self.mesh.normals[corners].mean(axis=1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        flat = self.mesh.colors[corners[:, 0]]
        colors = self.surface_color(*(torch.from_numpy(a) for a in (flat, triangle, positions, normals)))
        face_index = np.arange(len(positions), dtype=np.int32).reshape(-1, 3)
        return Mesh(positions, face_index, normals=normals, colors=colors.numpy())


def make_prop(spec: Spec, rng: np.random.Generator) -> Prop:
    """Build the prop that `spec` describes; `rng` decides the proportions and the wording."""
    if isinstance(spec, PropSpec):
        body = _body(spec, rng).fitted(FRAME_RADIUS * _scale(spec))
    else:
        first, second = (
            _body(spec.first, rng).fitted(1.0),
            _body(spec.second, rng).fitted(_scale(spec.second)),
        )
        stand = FAMILIES[spec.second.family].stand or WHOLE_TOP
        both = arrange(first, spec.relation, second, stand, _scale(spec.first))
        body = joined(*both).fitted(FRAME_RADIUS)
    flat = np.array([paint.first for paint in body.paints])
    mesh = Mesh(
        body.vertices.astype(np.float32),
        body.faces,
        normals=body.normals.astype(np.float32),
        colors=flat[body.paint_of_vertex].astype(np.float32),
    )
    return Prop(mesh, spec, caption(spec, rng), _placed(body), body.paint_of_face)


def _scale(spec: PropSpec) -> float:
    return SMALL if spec.size == "small" else 1.0


def _body(spec: PropSpec, rng: np.random.Generator) -> Body:
    """The parts of one prop that are there, joined and stretched."""
    family = FAMILIES[spec.family]
    build = [(part, solid) for part, solid in family.build(Vary(rng)) if part in spec.finishes]
    names = [part.name for part in family.parts if part.name in spec.finishes]
    paints = tuple(mix_paint(spec.finishes[name], rng) for name in names)
    stretch = _stretch(family, spec.size)
    normals = np.concatenate([solid.normals for _, solid in build]) / stretch
    normals /= np.sqrt(np.einsum("vc,vc->v", normals, normals))[:, None]
    index = np.array([names.index(part) for part, _ in build], np.int32)
    return Body(
        np.concatenate([solid.vertices for _, solid in build]) * stretch,
        normals,
        _joined_faces(build),
        np.repeat(index, [len(solid.faces) for _, solid in build]),
        np.repeat(index, [len(solid.vertices) for _, solid in build]),
        paints,
    )


def _joined_faces(build: Build) -> IntArray:
    starts = np.cumsum([0, *(len(solid.vertices) for _, solid in build)])
    return np.concatenate(
        [solid.faces + start for (_, solid), start in zip(build, starts, strict=False)]
    ).astype(np.int32)


def _stretch(family: Family, size: Size | None) -> np.ndarray:
    """Scale along x, y, z. Round things grow in depth as they do in width, others keep theirs."""
    width, height, depth = STRETCH[size] if size else (1.0, 1.0, 1.0)
    is_round = family.turn <= QUARTER_TURN and size in ("wide", "slim")
    return np.array((width, height, width if is_round else depth))


def _placed(body: Body) -> tuple[Paint, ...]:
    """The paints with the place and the long axis of what they cover."""
    return tuple(_anchored(paint, body, index) for index, paint in enumerate(body.paints))


def _anchored(paint: Paint, body: Body, index: int) -> Paint:
    """Patterns start a little below the part, in the middle; upright unless the part lies flat."""
    if paint.is_plain:
        return paint
    vertices = body.vertices[body.paint_of_vertex == index]
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    width, height, depth = high - low
    axis = 1 if height >= 0.6 * max(width, depth) else 0 if width >= depth else 2
    middle = (low + high) / 2
    return replace(paint, origin=(float(middle[0]), float(low[1]) - 0.02, float(middle[2])), axis=axis)
