"""Which surface follows pictures best: ours, marching tetrahedra by the chain rule, or FlexiCubes?

    python scripts/compare_surfaces.py        # 8 procedural props, from pictures of their normals

Each starts from distances of a coarse grid and follows the gradient of pictures from all around, clean and
noisy. The props are the truth of a measurement, nothing more.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import mean
from typing import Protocol

import numpy as np
import torch
import tyro
from flexicubes import FlexiCubes
from scipy.spatial import KDTree
from torch import Tensor, nn
from torch.nn import functional

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, Cameras
from dream3d.extract.signed_distance import signed_distances
from dream3d.extract.topology import is_watertight
from dream3d.mesh import FRAME_RADIUS, Mesh, fit_sphere
from dream3d.metrics.ground_truth import chamfer_distance, silhouette_iou
from dream3d.optimize.mesh_regularizers import mesh_adjacency, normal_consistency, sign_disagreement
from dream3d.optimize.refine import Sculptor
from dream3d.optimize.surface_flow import smooth_rows
from dream3d.props import make_prop, prop_spec
from dream3d.render.rasterized import RasterRender, render_rasterized
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import RefineConfig

SIDE = 2.0  # of the box that `tet_lattice` fills
COARSE_CELLS = 16  # the grid of the distances that all start from
SIZE, NUM_VIEWS = 96, 4  # pixels and pictures of a step
NUM_COMPARED = 24  # views that the result is measured from
SIGN_WEIGHT, SPREAD_WEIGHT = 0.01, 0.5  # of what DMTet and FlexiCubes add to the loss

Distance = Callable[[Tensor], Tensor]  # points [N, 3] -> signed distances [N]


class Surface(Protocol):
    """A surface that pictures move."""

    def mesh(self) -> tuple[Tensor, Tensor]:
        """Vertices [V, 3], which want a gradient, and faces [T, 3]; keeps what `move` needs."""
        ...

    def move(self, gradient: Tensor, factor: float) -> None:
        """Follow the gradient of the vertices, at a share of the full rate."""
        ...


class Flow:
    """Ours: signed distances that are carried along (`Sculptor`)."""

    def __init__(self, distance: Distance, resolution: int, rate: float) -> None:
        lattice = tet_lattice(resolution)
        self.surface = TetSurface(lattice, distance(lattice.vertices))
        self.sculptor = Sculptor(self.surface, RefineConfig(shape_learning_rate=rate))

    def mesh(self) -> tuple[Tensor, Tensor]:
        """As `Surface.mesh`."""
        self.edges, self.faces = self.surface.topology()
        self.vertices = self.surface.positions(self.edges).detach().requires_grad_(True)
        return self.vertices, self.faces

    def move(self, gradient: Tensor, factor: float) -> None:
        """As `Surface.move`."""
        self.vertices.grad = gradient
        self.sculptor.move(self.vertices, self.edges, self.faces, factor)


class ChainRule:
    """Parameters behind vertices, by the chain rule and Adam; the gradient as smooth as that of `Flow`."""

    def __init__(self, distances: nn.Parameter, others: list[nn.Parameter], cell: float, rate: float) -> None:
        self.cell, self.rate = cell, rate
        self.optimizer = torch.optim.Adam([{"params": [distances]}, {"params": others}], lr=0.0)

    def place(self) -> tuple[Tensor, Tensor, Tensor]:
        """Vertices with their graph, faces, and what the method's paper adds to the loss."""
        raise NotImplementedError

    def mesh(self) -> tuple[Tensor, Tensor]:
        """As `Surface.mesh`."""
        self.vertices, self.faces, self.kept = self.place()
        return self.vertices.detach().requires_grad_(True), self.faces

    def move(self, gradient: Tensor, factor: float) -> None:
        """As `Surface.move`."""
        settings, adjacency = RefineConfig(), mesh_adjacency(self.faces)
        flow = smooth_rows(gradient, adjacency, settings.smoothing)
        loss = (self.vertices * flow).sum() / flow.norm().clamp_min(1e-12)
        bumps = normal_consistency(self.vertices, self.faces, adjacency)
        self.optimizer.zero_grad(set_to_none=True)
        (loss + settings.normal_weight * bumps + self.kept).backward()
        for group, unit in zip(self.optimizer.param_groups, (self.cell, 1.0), strict=True):
            group["lr"] = self.rate * unit * factor
        self.optimizer.step()


class Tetrahedra(ChainRule):
    """DMTet as published: distances and deformations."""

    def __init__(self, distance: Distance, resolution: int, rate: float) -> None:
        lattice = tet_lattice(resolution)
        self.surface = TetSurface(lattice, distance(lattice.vertices))
        super().__init__(self.surface.sdf, [self.surface.deformation], min(lattice.spacing), rate)

    def place(self) -> tuple[Tensor, Tensor, Tensor]:
        """As `ChainRule.place`."""
        signs = sign_disagreement(self.surface.sdf / self.cell, self.surface.lattice.edges)
        return *self.surface.mesh(), SIGN_WEIGHT * signs


class Flexible(ChainRule):
    """FlexiCubes as published: distances, deformations and weights."""

    def __init__(self, distance: Distance, resolution: int, rate: float) -> None:
        self.cubes = FlexiCubes(resolution, SIDE)
        with torch.no_grad():
            self.cubes.sdf.copy_(distance(self.cubes.corners))
        others = [self.cubes.deformation, self.cubes.alpha, self.cubes.beta, self.cubes.gamma]
        super().__init__(self.cubes.sdf, others, self.cubes.spacing, rate)

    def place(self) -> tuple[Tensor, Tensor, Tensor]:
        """As `ChainRule.place`."""
        vertices, faces, spread = self.cubes.mesh()
        signs = sign_disagreement(self.cubes.sdf / self.cell, self.cubes.edges)
        return vertices, faces, SPREAD_WEIGHT * spread / self.cell + SIGN_WEIGHT * signs


@dataclass(frozen=True)
class Result:
    """How near a surface came."""

    chamfer: float  # of what is seen, as `dream3d eval` has it
    angle_deg: float  # between the normals of what is seen and of the nearest point of the truth
    iou: float
    num_faces: int
    is_closed: bool
    step_ms: float


def truth_of(family: str) -> Mesh:
    """A random instance, in the middle of the box."""
    return fit_sphere(make_prop(prop_spec(family), np.random.default_rng(5)).mesh, FRAME_RADIUS)


def coarse_distance(truth: Mesh) -> Distance:
    """Points [N, 3] -> distances [N] between those of a coarse grid."""
    lattice = tet_lattice(COARSE_CELLS)
    number = COARSE_CELLS + 1  # the corners are the first vertices, z fastest
    grid = signed_distances(truth, lattice)[: number**3].view(1, 1, number, number, number)

    def at(points: Tensor) -> Tensor:
        place = points.flip(1) * (2.0 / SIDE)  # -1 to 1 across the box, z first
        return functional.grid_sample(grid, place[None, :, None, None], align_corners=True).view(-1)

    return at


def look(vertices: Tensor, faces: Tensor, cameras: Cameras) -> RasterRender:
    """Normals and silhouettes."""
    return render_rasterized(
        vertices, faces, lambda points: torch.ones_like(points), cameras, SIZE, "normals"
    )


def views(rng: np.random.Generator, count: int) -> Cameras:
    """From all around, above and below."""
    azimuth, height = (
        torch.from_numpy(rng.uniform(*ends, count)).float() for ends in ((0.0, 360.0), (-0.9, 0.9))
    )
    same = torch.ones(count)
    elevation = torch.rad2deg(torch.arcsin(height))
    target = torch.zeros(count, 3)
    return Cameras(azimuth, elevation, FRAME_DISTANCE * same, FRAME_FOV_Y_DEG * same, target)


def fit(surface: Surface, truth: Mesh, num_steps: int, noise: float) -> Result:
    """Follow the pictures of the truth, and measure."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    target = torch.from_numpy(truth.vertices), torch.from_numpy(truth.faces)
    started = time.perf_counter()
    for step in range(num_steps):
        cameras = views(rng, NUM_VIEWS)
        vertices, faces = surface.mesh()
        found, wanted = look(vertices, faces, cameras), look(*target, cameras)
        loss = torch.zeros(())
        for one, other in ((found.color_srgb, wanted.color_srgb), (found.opacity, wanted.opacity)):
            disturbed = other + noise * torch.randn(other.shape, generator=generator)
            loss = loss + (one - disturbed).square().mean()
        (gradient,) = torch.autograd.grad(loss, vertices)
        surface.move(gradient, 1.0 - 0.9 * step / num_steps)
    seconds = time.perf_counter() - started
    return measure(surface.mesh(), target, 1000.0 * seconds / max(num_steps, 1))


@torch.no_grad()
def measure(own: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor], step_ms: float) -> Result:
    """Compare what is seen of both."""
    cameras = views(np.random.default_rng(1), NUM_COMPARED)
    found, wanted = look(*own, cameras), look(*target, cameras)
    seen, there = found.opacity > 0.99, wanted.opacity > 0.99
    points, others = found.points[seen].numpy(), wanted.points[there].numpy()
    nearest = KDTree(others).query(points)[1]
    cosine = (found.normals[seen].numpy() * wanted.normals[there].numpy()[nearest]).sum(1)
    return Result(
        chamfer_distance(points, others),
        float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean()),
        silhouette_iou(seen, there),
        len(own[1]),
        is_watertight(own[1].numpy()),
        step_ms,
    )


def makers(resolution: int, rates: Sequence[float]) -> dict[str, Callable[[Distance], Surface]]:
    """What is compared, by name. Cubes are as many as cells, and so many that their triangles are."""
    found: dict[str, Callable[[Distance], Surface]] = {}
    for rate in rates:
        found[f"flow, rate {rate:g}"] = lambda distance, rate=rate: Flow(distance, resolution, rate)
        found[f"tetrahedra, rate {rate:g}"] = lambda distance, rate=rate: Tetrahedra(
            distance, resolution, rate
        )
        for cells in (resolution, 3 * resolution // 2):
            found[f"flexicubes {cells}, rate {rate:g}"] = lambda distance, rate=rate, cells=cells: Flexible(
                distance, cells, rate
            )
    return found


def main(
    families: tuple[str, ...] = ("mushroom", "chair", "crate", "duck", "sword", "mug", "house", "crown"),
    num_steps: int = 80,
    resolution: int = 32,
    noises: tuple[float, ...] = (0.0, 0.5),
    rates: tuple[float, ...] = (0.04, 0.1),
) -> None:
    """Print a table.

    Args:
        families: Of the props.
        num_steps: Of every fit.
        resolution: Cells of the lattice of tetrahedra along each axis.
        noises: Standard deviations of what is added to the pictures.
        rates: How far distances move in a step, in cells.
    """
    truths = {family: truth_of(family) for family in families}
    starts = {family: coarse_distance(truth) for family, truth in truths.items()}
    compared = makers(resolution, rates)
    print("| noise | surface | Chamfer | normals off by | IoU | faces | closed | ms a step |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")

    def row(name: str, make: Callable[[Distance], Surface], steps: int, noise: float) -> None:
        results = [fit(make(starts[family]), truths[family], steps, noise) for family in families]
        print(f"| {noise:g} | {name} | {' | '.join(cells_of(results))} |", flush=True)

    row("start", lambda distance: Flow(distance, resolution, 0.0), 0, 0.0)
    for noise, (name, make) in product(noises, compared.items()):
        row(name, make, num_steps, noise)


def cells_of(results: Sequence[Result]) -> list[str]:
    """The means, as a row of the table has them."""
    return [
        f"{mean(r.chamfer for r in results):.4f}",
        f"{mean(r.angle_deg for r in results):.1f} deg",
        f"{mean(r.iou for r in results):.3f}",
        f"{mean(r.num_faces for r in results):.0f}",
        f"{sum(r.is_closed for r in results)} of {len(results)}",
        f"{mean(r.step_ms for r in results):.0f}",
    ]


if __name__ == "__main__":
    tyro.cli(main)
