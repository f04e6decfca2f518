"""The shape and the colors that distillation gave a prompt: of one thing, or of two put together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from dream3d.bake import Colored
from dream3d.config import Config
from dream3d.extract.mesh import Surfaces, clean_surfaces, extract_surfaces
from dream3d.extract.solid import close_surfaces
from dream3d.mesh import FRAME_RADIUS, FloatArray, Frame, IntArray, Mesh
from dream3d.pair.arrange import arrange, steadiest_stand
from dream3d.pair.relations import Relation
from dream3d.stages import Distilled


@dataclass(frozen=True)
class Shape:
    """Surfaces in the scene, and their colors."""

    surfaces: Surfaces
    colors: Colored


def shape_of(distilled: Sequence[Distilled], relation: Relation | None, config: Config, device: str) -> Shape:
    """The shape of one distilled thing, or of two in a relation, which share the budget of faces.

    Raises:
        RunError: One has no surface, or none that can be closed where the settings want solids.
    """
    if relation is None:
        (only,) = distilled
        return extract_shape(only, config, device)
    budget = max(config.extract.target_faces // 2, 4)
    each = replace(config, extract=replace(config.extract, target_faces=budget))
    first, second = (extract_shape(one, each, device) for one in distilled)
    return join_shapes(first, relation, second)


def extract_shape(distilled: Distilled, config: Config, device: str) -> Shape:
    """The shape of one distilled thing, as of `shape_of`."""
    if distilled.surface is None:
        surfaces = extract_surfaces(distilled.field.density, config.extract, device)
    else:
        surfaces = clean_surfaces(distilled.surface, config.extract)
    if config.export.require_watertight:
        surfaces = close_surfaces(surfaces, config.extract)
    return Shape(surfaces, distilled.field)


def join_shapes(first: Shape, relation: Relation, second: Shape) -> Shape:
    """Two things in a relation as one shape that fills the scene; each keeps its triangles and colors."""
    here = Frame(np.zeros(3), 1.0)
    things = Thing(first.surfaces.mesh, here), Thing(second.surfaces.mesh, here)
    stand = steadiest_stand(*things) if relation == "on" else (0.0, 1.0)
    placed = arrange(things[0], relation, things[1], stand)
    around = Frame.around(joined([thing.placed for thing in placed]), FRAME_RADIUS)
    frames = [
        Frame((thing.frame.center - around.center) / around.unit, thing.frame.unit / around.unit)
        for thing in placed
    ]
    shapes = (first, second)
    mesh, dense = (
        joined(
            [frame.leave(getattr(shape.surfaces, name)) for frame, shape in zip(frames, shapes, strict=True)]
        )
        for name in ("mesh", "dense")
    )
    split = len(first.surfaces.dense.vertices)
    colors = JoinedColors((first.colors, second.colors), frames, dense.vertices, split)
    return Shape(Surfaces(mesh, dense), colors)


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """Meshes with normals as one."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + np.int32(start) for mesh, start in zip(meshes, starts, strict=False)]
    normals = [mesh.normals for mesh in meshes if mesh.normals is not None]
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    return Mesh(vertices, np.concatenate(faces), np.concatenate(normals))


@dataclass(frozen=True)
class Thing:
    """A mesh and where it stands; `dream3d.pair.arrange` moves it."""

    mesh: Mesh
    frame: Frame

    @cached_property
    def placed(self) -> Mesh:
        """The mesh where it stands."""
        return self.frame.leave(self.mesh)

    @property
    def vertices(self) -> NDArray[np.float64]:
        """[V, 3] where it stands."""
        return self.placed.vertices.astype(np.float64)

    @property
    def faces(self) -> IntArray:
        """[T, 3]."""
        return self.mesh.faces

    @property
    def low(self) -> NDArray[np.float64]:
        """Smallest coordinates, [3]."""
        return self.vertices.min(axis=0)

    @property
    def high(self) -> NDArray[np.float64]:
        """Largest coordinates, [3]."""
        return self.vertices.max(axis=0)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Thing":
        """A copy moved by (x, y, z)."""
        return replace(self, frame=replace(self.frame, center=self.frame.center + np.array((x, y, z))))

    def scaled(self, factor: float) -> "Thing":
        """A copy scaled about the origin."""
        return replace(self, frame=Frame(self.frame.center * factor, self.frame.unit * factor))


class JoinedColors:
    """The colors of two things: every point has those of the thing whose surface is nearest."""

    def __init__(
        self, colors: tuple[Colored, Colored], frames: Sequence[Frame], vertices: FloatArray, split: int
    ) -> None:
        """Remember who is where.

        Args:
            colors: Of each thing, before it was placed.
            frames: Where each was placed.
            vertices: [V, 3] of both dense surfaces, in the world.
            split: How many of these are the first one's.
        """
        self.colors = colors
        self.frames = frames
        self.split = split
        self._tree = KDTree(vertices)

    def density(self, points: Tensor) -> Tensor:
        """As `Colored.density`."""
        density = points.new_zeros(len(points))
        for mine, own, colors, frame in self._shares(points):
            density[mine] = colors.density(own) / frame.unit
        return density

    def albedo_srgb(self, points: Tensor) -> Tensor:
        """As `Colored.albedo_srgb`."""
        albedo = torch.zeros_like(points)
        for mine, own, colors, _ in self._shares(points):
            albedo[mine] = colors.albedo_srgb(own)
        return albedo

    def _shares(self, points: Tensor) -> list[tuple[Tensor, Tensor, Colored, Frame]]:
        """For each thing: its own points as [N] bool, and in its own scene; its colors; its frame."""
        _, nearest = self._tree.query(points.cpu().numpy())
        is_first = torch.from_numpy(nearest < self.split).to(points.device)
        shares = []
        for mine, colors, frame in zip((is_first, ~is_first), self.colors, self.frames, strict=True):
            center = torch.from_numpy(frame.center).to(points)
            shares.append((mine, (points[mine] - center) / frame.unit, colors, frame))
        return shares
