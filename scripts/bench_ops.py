"""Time every kernel against its plain-torch twin.

python scripts/bench_ops.py [--device cpu|cuda] [--only NAME]

One function per op; each prints rows of kernel ms, twin ms and their ratio (best of several runs).
"""

import argparse
import math
from collections.abc import Callable
from functools import partial

import torch
from kernel_rows import print_header, time_both_ways, time_row
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, silu

from dream3d.cameras import orbit
from dream3d.ops._library import Backend
from dream3d.ops.antialias import antialias, build_edge_topology
from dream3d.ops.composite import composite, composite_reference
from dream3d.ops.field_mlp import field_mlp, field_mlp_reference
from dream3d.ops.group_norm_silu import group_norm_silu
from dream3d.ops.hash_grid import hash_grid, hash_grid_levels, hash_grid_reference
from dream3d.ops.marching_tetrahedra import marching_tetrahedra
from dream3d.ops.rasterize import (
    Fragments,
    interpolate,
    interpolate_reference,
    rasterize,
    rasterize_reference,
    screen_derivatives,
)
from dream3d.ops.ray_march import RaySamples, ray_march, ray_march_reference
from dream3d.ops.texture import build_mipmaps, sample_texture
from dream3d.ops.winograd_conv import pack_winograd_weight, winograd_conv
from dream3d.scene.tet_lattice import tet_lattice


def main() -> None:
    """Run the sections that were asked for."""
    sections = {
        "rasterize": bench_rasterize,
        "antialias": bench_antialias,
        "texture": bench_texture,
        "marching_tetrahedra": bench_marching_tetrahedra,
        "hash_grid": bench_hash_grid,
        "field_mlp": bench_field_mlp,
        "group_norm_silu": bench_group_norm_silu,
        "winograd_conv": bench_winograd_conv,
        "ray_march": bench_ray_march,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--only", choices=sorted(sections))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print_header(name)
    for section, bench in sections.items():
        if arguments.only in (None, section):
            bench(device)


def bench_rasterize(device: torch.device) -> None:
    """Spheres of 144 to 409,600 triangles at the sizes of training, preview and baking."""
    for rings, views, size in ((6, 1, 64), (20, 4, 192), (160, 1, 1024), (320, 1, 2048)):
        positions, faces = _sphere_views(rings, views, device)
        case = f"rasterize {views} x {size} px, {len(faces)} triangles"
        small = size <= 64  # the twin visits every pixel with every triangle
        time_row(
            case,
            lambda p=positions, f=faces, s=size: rasterize(p, f, s, s),
            (lambda p=positions, f=faces, s=size: rasterize_reference(p, f, s, s)) if small else None,
        )
        fragments = rasterize(positions, faces, size, size)
        time_row(
            f"screen derivatives {views} x {size} px",
            lambda p=positions, f=faces, g=fragments: screen_derivatives(p, f, g),
            lambda p=positions, f=faces, g=fragments: screen_derivatives(p, f, g, backend="reference"),
        )
        bench_rasterize_backward(f"{views} x {size} px", positions, faces, fragments)
        attributes = torch.rand(positions.shape[1], 8, device=device)
        time_row(
            f"interpolate {views} x {size} px, 8 channels",
            lambda a=attributes, f=faces, g=fragments: interpolate(a, f, g),
            lambda a=attributes, f=faces, g=fragments: interpolate_reference(a, f, g),
        )


def bench_rasterize_backward(case: str, positions: Tensor, faces: Tensor, fragments: Fragments) -> None:
    """From barycentrics to positions, and from a picture of 8 channels to attributes and barycentrics."""
    height, width = fragments.triangle_id.shape[1:]
    leaf = positions.clone().requires_grad_()
    drawn = rasterize(leaf, faces, height, width).barycentrics
    upstream = torch.randn_like(drawn)
    time_row(
        f"rasterize {case}, backward",
        lambda: torch.autograd.grad(drawn, leaf, upstream, retain_graph=True),
        None,
    )
    weights = Fragments(
        fragments.triangle_id, fragments.barycentrics.clone().requires_grad_(), fragments.depth
    )
    attributes = torch.rand(positions.shape[1], 8, device=positions.device, requires_grad=True)
    leaves = [attributes, weights.barycentrics]
    image, twin = interpolate(attributes, faces, weights), interpolate_reference(attributes, faces, weights)
    upstream = torch.randn_like(image)
    time_row(
        f"interpolate {case}, 8 channels, backward",
        lambda: torch.autograd.grad(image, leaves, upstream, retain_graph=True),
        lambda: torch.autograd.grad(twin, leaves, upstream, retain_graph=True),
    )


def bench_antialias(device: torch.device) -> None:
    """3 channels; gradients to the picture and to the positions."""
    for rings, size in ((20, 256), (80, 512)):
        positions, faces = _sphere_views(rings, 1, device)
        fragments = rasterize(positions, faces, size, size)
        edges = build_edge_topology(faces, positions.shape[1])
        leaves = [torch.rand(1, size, size, 3, device=device).requires_grad_(), positions.requires_grad_()]
        blend = partial(antialias, leaves[0], fragments, positions, faces, edges)
        case = f"antialias {size} px, {len(faces)} triangles"
        twin = partial(blend, backend="reference")
        time_both_ways(case, blend, twin, leaves, torch.rand_like(leaves[0]))


def bench_marching_tetrahedra(device: torch.device) -> None:
    """A ball in lattices of 16 to 64 cells along a side; gradients to distances and vertices."""
    for resolution in (16, 32, 64):
        lattice = tet_lattice(resolution, device=device)
        leaves = [lattice.vertices.clone(), lattice.vertices.norm(dim=1) - 0.7]
        vertices, sdf = (leaf.requires_grad_() for leaf in leaves)

        def surface(
            backend: Backend, v: Tensor = vertices, s: Tensor = sdf, k: Tensor = lattice.tets
        ) -> Tensor:
            return marching_tetrahedra(v, s, k, backend=backend)[0]

        time_both_ways(
            f"marching tetrahedra, {len(lattice.tets)} tetrahedra",
            partial(surface, "auto"),
            partial(surface, "reference"),
            leaves,
            torch.rand_like(surface("auto")),
        )


def bench_texture(device: torch.device) -> None:
    """512 x 512 pixels of a turned texture of 1024 x 1024 texels, and of a cube; gradients to both."""
    step = torch.linspace(0, 1, 512)
    y, x = torch.meshgrid(step, step, indexing="ij")
    turned = torch.stack([0.7 * x + 0.2 * y, 0.8 * y - 0.1 * x], -1)[None]
    directions = torch.stack([x - 0.5, 0.5 - y, 0.6 - x * y], -1)[None]
    derivatives = torch.tensor([[0.7, 0.2], [-0.1, 0.8]]).expand(1, 512, 512, 2, 2) * (3 / 512)
    texture = torch.rand(1, 1024, 1024, 3, device=device)
    cube = torch.rand(1, 6, 256, 256, 3, device=device)
    upstream = torch.rand(1, 512, 512, 3, device=device)
    cases = {
        "bilinear": ([texture], turned, {}),
        "trilinear": (
            build_mipmaps(texture),
            turned,
            {"filter_mode": "trilinear", "uv_derivatives": derivatives.to(device).contiguous()},
        ),
        "bilinear cube": ([cube], directions, {"boundary_mode": "cube"}),
    }
    for name, (levels, uv, options) in cases.items():
        leaves = [tensor.to(device).requires_grad_() for tensor in (*levels, uv)]
        look = partial(sample_texture, leaves[:-1], leaves[-1], **options)
        twin = partial(look, backend="reference")
        time_both_ways(f"texture 512 px, {name}", look, twin, leaves, upstream)


def bench_hash_grid(device: torch.device) -> None:
    """2^18 random points; levels of at most 2^14 and 2^19 rows."""
    points = torch.rand(2**18, 3, device=device)
    for num_levels, log2_size in ((8, 14), (8, 19), (16, 19)):
        levels = hash_grid_levels(num_levels, 2, log2_size, 16, 512)
        table = torch.randn(levels.num_entries, 2, device=device, requires_grad=True)
        upstream = torch.randn(len(points), levels.output_dim, device=device)
        time_both_ways(
            f"hash grid 2^18 points, {num_levels} levels x 2^{log2_size}",
            lambda t=table, s=levels: hash_grid(points, t, s),
            lambda t=table, s=levels: hash_grid_reference(points, t, s),
            [table],
            upstream,
        )


def bench_field_mlp(device: torch.device) -> None:
    """300,000 samples along rays, as a training step evaluates them."""
    levels = hash_grid_levels(8, 2, 15, 8, 96)
    start, direction = torch.rand(2, 6000, 1, 3)
    along = torch.arange(50)[None, :, None] * 0.01
    points = (start * 0.6 + 0.2 + along * (direction - 0.5)).reshape(-1, 3).to(device)
    for hidden in (32, 64):
        shapes = [(levels.num_entries, 2), (hidden, 16), (hidden,), (4, hidden), (4,)]
        leaves = [torch.randn(*shape, device=device, requires_grad=True) for shape in shapes]
        table, w1, b1, w2, b2 = leaves
        time_both_ways(
            f"field 300,000 points, 8 levels, {hidden} units",
            partial(field_mlp, points, table, levels, w1, b1, w2, b2),
            partial(field_mlp_reference, points, table, levels, w1, b1, w2, b2),
            leaves,
            torch.randn(len(points), 4, device=device),
        )


def bench_group_norm_silu(device: torch.device) -> None:
    """12 images in bfloat16, as the levels of the built-in prior have them; the twin is what torch offers."""
    for channels, size in ((64, 32), (128, 16), (256, 8)):
        shape = (12, channels, size, size)
        layout = {"device": device, "dtype": torch.bfloat16, "memory_format": torch.channels_last}
        images = torch.randn(shape).to(**layout).requires_grad_()
        gain, bias = torch.randn(2, 12, channels, device=device)

        def by_torch(x: Tensor = images, g: Tensor = gain, b: Tensor = bias) -> Tensor:
            scaled = group_norm(x, 16) * g[:, :, None, None].bfloat16() + b[:, :, None, None].bfloat16()
            return silu(scaled)

        time_both_ways(
            f"group norm + SiLU, 12 x {channels} x {size}^2",
            partial(group_norm_silu, images, gain, bias, 16, 1e-5),
            by_torch,
            [images],
            torch.randn(shape).to(**layout),
        )


def bench_winograd_conv(device: torch.device) -> None:
    """8 images in float32, as the levels of the built-in prior have them; the twin is torch's convolution."""
    for channels, size in ((64, 32), (128, 16), (256, 8), (256, 16)):
        layout = {"device": device, "memory_format": torch.channels_last}
        images = torch.randn(8, channels, size, size).to(**layout)
        weight = torch.randn(channels, channels, 3, 3).to(**layout)
        bias = torch.randn(channels, device=device)
        time_row(
            f"convolution 3 x 3, 8 x {channels} x {size}^2",
            partial(winograd_conv, images, pack_winograd_weight(weight), bias),
            partial(conv2d, images, weight, bias, padding=1),
        )


def bench_ray_march(device: torch.device) -> None:
    """2 views of 64 x 64 rays, a ball in 5% of the grid, steps of 0.01: march, composite, gradient."""
    rays = orbit([0.0, 90.0], 20.0, 3.0, 40.0).rays(64, 64)
    origins, directions = rays.origins.view(-1, 3).to(device), rays.directions.view(-1, 3).to(device)
    jitter = torch.rand(len(origins), device=device)
    box = (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)
    for resolution in (64, 128):
        axis = (torch.arange(resolution, device=device) + 0.5) * (2 / resolution) - 1.0
        x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
        occupancy = (x * x + y * y + z * z).sqrt() < (0.05 * 6 / math.pi) ** (1 / 3)
        samples = ray_march(origins, directions, occupancy, box, 0.01, jitter)
        density = torch.full_like(samples.t_starts, 5.0).requires_grad_()
        values = torch.rand(samples.num_samples, 4, device=device, requires_grad=True)

        def image(function: Callable, s: RaySamples, d: Tensor = density, v: Tensor = values) -> Tensor:
            seen = function(d, v, s.t_starts, s.t_ends, s.packed_info)
            return torch.cat([seen.values, seen.opacity[:, None], seen.depth[:, None]], dim=1)

        def step(march: Callable, function: Callable, o: Tensor = occupancy, image: Callable = image) -> None:
            image(function, march(origins, directions, o, box, 0.01, jitter)).sum().backward()

        time_row(
            f"march 8192 rays, grid {resolution}^3, {samples.num_samples} samples",
            lambda o=occupancy: ray_march(origins, directions, o, box, 0.01, jitter),
            lambda o=occupancy: ray_march_reference(origins, directions, o, box, 0.01, jitter),
        )
        time_row(
            "  march + composite, forward and backward",
            lambda f=step: f(ray_march, composite),
            lambda f=step: f(ray_march_reference, composite_reference),
        )


def _sphere_views(rings: int, views: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Clip-space positions [views, V, 4] of a sphere seen from around it, and its faces [T, 3]."""
    polar = torch.linspace(0, math.pi, rings + 1)
    azimuth = torch.linspace(0, 2 * math.pi, 2 * rings + 1)
    theta, phi = torch.meshgrid(polar, azimuth, indexing="ij")
    points = torch.stack([theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()], -1).view(-1, 3)
    row = 2 * rings + 1
    corner = (torch.arange(rings)[:, None] * row + torch.arange(2 * rings)).flatten()
    quads = [[corner, corner + row, corner + 1], [corner + 1, corner + row, corner + row + 1]]
    faces = torch.cat([torch.stack(quad, -1) for quad in quads]).int()
    clips = []
    for view in range(views):
        angle = torch.tensor(0.3 + view * math.pi / 2)
        x = points[:, 0] * angle.cos() + points[:, 2] * angle.sin()
        z = points[:, 2] * angle.cos() - points[:, 0] * angle.sin() - 3.0
        near, far, focal = 0.1, 10.0, 2.5
        depth = (far + near) / (near - far) * z + 2 * far * near / (near - far)
        clips.append(torch.stack([focal * x, focal * points[:, 1], depth, -z], -1))
    return torch.stack(clips).to(device), faces.to(device)


if __name__ == "__main__":
    main()
