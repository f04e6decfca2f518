"""The shape and the colors that distillation gave a prompt: of one thing, or of several put together."""

from collections.abc import Iterable, Sequence
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
from dream3d.mesh import FRAME_RADIUS, Frame, IntArray, Mesh, join_meshes
from dream3d.scene.tet_surface import TetSurface
from dream3d.stages import Distilled
from dream3d.things.arrange import arrange, find_stand
from dream3d.things.relations import Join, Things


@dataclass(frozen=True)
class Shape:
    """Surfaces in the scene, and their colors."""

    surfaces: Surfaces
    colors: Colored


def shape_of(distilled: Sequence[Distilled], said: Things, config: Config, device: str) -> Shape:
    """The shape of one distilled thing, or of several, which share the budget of faces.

    Args:
        distilled: The things.
        said: How they stand, and their sizes.
        config: All settings.
        device: Where the fields live.

    Raises:
        RunError: One has no surface, or none that can be closed where the settings want solids.
    """
    budget = max(config.extract.target_faces // len(distilled), 4)
    extract = replace(config.extract, target_faces=budget)
    shapes = [extract_shape(one, replace(config, extract=extract), device) for one in distilled]
    return join_shapes(shapes, said.joins, said.sizes) if said.joins else shapes[0]


def extract_shape(distilled: Distilled, config: Config, device: str) -> Shape:
    """The shape of one distilled thing, as of `shape_of`."""
    if isinstance(distilled.shape, TetSurface):
        surfaces = clean_surfaces(distilled.shape, config.extract)
    else:
        surfaces = extract_surfaces(distilled.shape, config.extract, device)
    if config.export.require_watertight:
        surfaces = close_surfaces(surfaces, config.extract)
    return Shape(surfaces, distilled.field)


def join_shapes(shapes: Sequence[Shape], joins: Sequence[Join], sizes: Sequence[float]) -> Shape:
    """Things that are put together, as one shape that fills the scene; each keeps its triangles and colors.

    Args:
        shapes: Two or more.
        joins: How each but the first stands to those before it.
        sizes: Of each, in units of what its relation gives it.
    """
    here = Frame(np.zeros(3), 1.0)
    things = [
        (Group((shape.surfaces.mesh,), (here,)), size) for shape, size in zip(shapes, sizes, strict=True)
    ]
    group, size = things[0]
    for thing, join in zip(things[1:], joins, strict=True):
        pair = ((group, size), thing)
        (first, first_size), (second, second_size) = reversed(pair) if join.is_inverse else pair
        second = second.scaled(second_size)
        stand = find_stand(first, second) if join.relation == "on" else (0.0, 1.0)
        placed = arrange(first, join.relation, second, stand, first_size)
        group, size = united(reversed(placed) if join.is_inverse else placed), 1.0
    around = Frame.around(group.placed, FRAME_RADIUS)
    frames = group.moved(*-around.center).scaled(1.0 / around.unit).frames
    mesh = Group(tuple(shape.surfaces.mesh for shape in shapes), frames).placed
    dense = Group(tuple(shape.surfaces.dense for shape in shapes), frames)
    colors = JoinedColors([shape.colors for shape in shapes], dense)
    return Shape(Surfaces(mesh, dense.placed), colors)


@dataclass(frozen=True)
class Group:
    """Meshes with normals, and where each stands; `dream3d.things.arrange` moves them as one."""

    meshes: tuple[Mesh, ...]
    frames: tuple[Frame, ...]

    @cached_property
    def placed(self) -> Mesh:
        """All where they stand, as one mesh."""
        return join_meshes([frame.leave(mesh) for mesh, frame in zip(self.meshes, self.frames, strict=True)])

    @property
    def vertices(self) -> NDArray[np.float64]:
        """[V, 3] where they stand."""
        return self.placed.vertices.astype(np.float64)

    @property
    def faces(self) -> IntArray:
        """[T, 3]."""
        return self.placed.faces

    @property
    def low(self) -> NDArray[np.float64]:
        """Smallest coordinates, [3]."""
        return self.vertices.min(axis=0)

    @property
    def high(self) -> NDArray[np.float64]:
        """Largest coordinates, [3]."""
        return self.vertices.max(axis=0)

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Group":
        """A copy moved by (x, y, z)."""
        shift = np.array((x, y, z))
        return Group(self.meshes, tuple(Frame(frame.center + shift, frame.unit) for frame in self.frames))

    def scaled(self, factor: float) -> "Group":
        """A copy scaled about the origin."""
        frames = tuple(Frame(frame.center * factor, frame.unit * factor) for frame in self.frames)
        return Group(self.meshes, frames)


def united(groups: Iterable[Group]) -> Group:
    """All meshes of some groups, in their order."""
    parts = list(groups)
    return Group(
        tuple(mesh for part in parts for mesh in part.meshes),
        tuple(frame for part in parts for frame in part.frames),
    )


class JoinedColors:
    """The colors of several things: every point has those of the thing whose surface is nearest."""

    def __init__(self, colors: Sequence[Colored], surfaces: Group) -> None:
        """Remember who is where.

        Args:
            colors: Of each thing, before it was placed.
            surfaces: Of each, with all details, where it was placed.
        """
        self.colors = colors
        self.frames = surfaces.frames
        self.ends = np.cumsum([len(mesh.vertices) for mesh in surfaces.meshes])
        self._tree = KDTree(surfaces.vertices)

    def density(self, points: Tensor) -> Tensor:
        """As `Colored.density`."""
        density = points.new_zeros(len(points))
        for own, local, colors, frame in self._shares(points):
            density[own] = colors.density(local) / frame.unit
        return density

    def albedo_srgb(self, points: Tensor) -> Tensor:
        """As `Colored.albedo_srgb`."""
        albedo = torch.zeros_like(points)
        for own, local, colors, _ in self._shares(points):
            albedo[own] = colors.albedo_srgb(local)
        return albedo

    def _shares(self, points: Tensor) -> list[tuple[Tensor, Tensor, Colored, Frame]]:
        """For each thing: which points are its own [N], these in its own scene, its colors, its frame."""
        _, nearest = self._tree.query(points.cpu().numpy())
        owner = torch.from_numpy(np.searchsorted(self.ends, nearest, side="right")).to(points.device)
        shares = []
        for index, (colors, frame) in enumerate(zip(self.colors, self.frames, strict=True)):
            own = owner == index
            center = torch.from_numpy(frame.center).to(points)
            shares.append((own, (points[own] - center) / frame.unit, colors, frame))
        return shares
