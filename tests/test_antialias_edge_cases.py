"""Antialiasing: empty, broken and refused input, layouts, batches, and the contracts of torch."""

import dataclasses

import pytest
import torch
from raster_scenes import PROJECTION, as_tensors, random_soup, to_clip
from torch import Tensor

from dream3d.errors import InputError
from dream3d.ops.antialias import EdgeTopology, antialias, build_edge_topology
from dream3d.ops.rasterize import Fragments, rasterize

BACKENDS = ("cpu", "reference")
TRIANGLE = torch.tensor([[0, 1, 2]], dtype=torch.int32)


def soup(size: int = 20) -> tuple[Tensor, Tensor, Fragments]:
    points, faces = random_soup(9, 30, 0.5, crossing=True)
    positions, faces_tensor = as_tensors(to_clip(points, PROJECTION), faces)
    return positions, faces_tensor, rasterize(positions, faces_tensor, size, size)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", ["blend", "exact"])
class TestEmptyAndBroken:
    def test_empty_inputs(self, backend, mode) -> None:
        none = torch.zeros((0, 3), dtype=torch.int32)
        for faces, shape, num_vertices in (
            (none, (1, 3, 4, 2), 5),
            (none, (1, 3, 4, 2), 0),
            (TRIANGLE, (0, 3, 4, 2), 3),
            (TRIANGLE, (2, 0, 4, 2), 3),
            (TRIANGLE, (2, 3, 0, 2), 3),
            (TRIANGLE, (2, 3, 4, 0), 3),
            (TRIANGLE, (1, 1, 1, 2), 3),
        ):
            positions = torch.rand(shape[0], num_vertices, 4).requires_grad_()
            image = torch.rand(shape).requires_grad_()
            fragments = rasterize(positions, faces, *shape[1:3])
            out = antialias(image, fragments, positions, faces, mode=mode, backend=backend)
            assert torch.equal(out, image)
            out.sum().backward()
            assert image.grad is not None
            assert torch.equal(image.grad, torch.ones(shape))
            assert positions.grad is None or (positions.grad == 0).all()

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e38])
    def test_a_bad_vertex_keeps_other_gradients_finite(self, backend, mode, bad) -> None:
        positions, faces, _ = soup()
        for component in range(4):
            broken = positions.clone()
            broken[0, 4, component] = bad
            fragments = rasterize(broken, faces, 20, 20)
            leaf = broken.requires_grad_()
            image = torch.rand(1, 20, 20, 2)
            antialias(image, fragments, leaf, faces, mode=mode, backend=backend).sum().backward()
            assert leaf.grad is not None
            others = [v for v in range(positions.shape[1]) if v // 3 != 1]
            assert leaf.grad[0, others].isfinite().all()
            assert leaf.grad[0, others].abs().sum() > 0

    def test_fragments_and_edges_of_other_meshes_do_no_harm(self, backend, mode) -> None:
        positions, faces, fragments = soup()
        image = torch.rand(1, 20, 20, 2)
        wild = dataclasses.replace(fragments, triangle_id=fragments.triangle_id * 1000)
        leaf = positions.requires_grad_()
        for ids, neighbors in ((wild, None), (fragments, EdgeTopology(torch.full_like(faces, 10**6)))):
            out = antialias(image, ids, leaf, faces, neighbors, mode, backend)
            assert out.isfinite().all()
        beyond = faces + 10**6
        edges = EdgeTopology(torch.full_like(faces, -1))
        out = antialias(image, fragments, leaf, beyond, edges, mode, backend)
        assert torch.equal(out, image)


@pytest.mark.parametrize("backend", BACKENDS)
class TestLayouts:
    def test_a_color_that_is_not_a_number_stays_near(self, backend) -> None:
        positions, faces, fragments = soup()
        image = torch.rand(1, 20, 20, 2)
        image[0, 10, 10] = torch.nan
        out = antialias(image, fragments, positions, faces, backend=backend)
        far = torch.ones(20, 20, dtype=torch.bool)
        far[9:12, 10] = False
        far[10, 9:12] = False
        assert out[0][far].isfinite().all()

    def test_non_contiguous_inputs(self, backend) -> None:
        positions, faces, fragments = soup()
        image = torch.rand(1, 20, 20, 3)
        expected = antialias(image, fragments, positions, faces, backend=backend)
        strided = Fragments(*(_strided(getattr(fragments, f.name)) for f in dataclasses.fields(fragments)))
        edges = EdgeTopology(_strided(build_edge_topology(faces, positions.shape[1]).neighbors))
        out = antialias(
            _strided(image), strided, _strided(positions), _strided(faces), edges, backend=backend
        )
        assert torch.equal(out, expected)

    def test_a_batch_equals_its_views(self, backend) -> None:
        positions, faces, _ = soup()
        views = torch.cat([positions, positions * torch.tensor([0.7, 1, 1, 1])]).requires_grad_()
        image, upstream = torch.rand(2, 20, 30, 1), torch.rand(2, 20, 30, 1)
        fragments = rasterize(views, faces, 20, 30)
        together = antialias(image, fragments, views, faces, backend=backend)
        (gradient,) = torch.autograd.grad(together, views, upstream)
        for i in range(2):
            alone = views[i : i + 1].detach().requires_grad_()
            part = slice(i, i + 1)
            one = antialias(image[part], rasterize(alone, faces, 20, 30), alone, faces, backend=backend)
            assert torch.equal(one[0], together[i])
            assert torch.equal(torch.autograd.grad(one, alone, upstream[part])[0][0], gradient[i])

    def test_edges_can_be_kept(self, backend) -> None:
        positions, faces, fragments = soup()
        image = torch.rand(1, 20, 20, 3)
        edges = build_edge_topology(faces, positions.shape[1])
        once, again = (
            antialias(image, fragments, positions, faces, e, backend=backend) for e in (None, edges)
        )
        assert torch.equal(once, again)
        assert not torch.equal(once, image)


def _strided(tensor: Tensor) -> Tensor:
    return torch.stack([tensor, tensor], -1)[..., 0]


class TestRefusals:
    def test_shapes_and_dtypes(self) -> None:
        positions, faces, fragments = soup()
        image = torch.rand(1, 20, 20, 3)
        with pytest.raises(InputError, match=r"image must be \[1, 20, 20, C\]"):
            antialias(image[:, 1:], fragments, positions, faces)
        with pytest.raises(InputError, match=r"positions_clip must be \[1, V, 4\]"):
            antialias(image, fragments, positions[..., :3], faces)
        with pytest.raises(InputError, match=r"faces must be \[T, 3\]"):
            antialias(image, fragments, positions, faces[:, :2])
        with pytest.raises(InputError, match="mode must be blend or exact"):
            antialias(image, fragments, positions, faces, mode="soft")  # pyright: ignore[reportArgumentType]
        with pytest.raises(InputError, match="other faces"):
            antialias(image, fragments, positions, faces, build_edge_topology(faces[1:], 90))
        with pytest.raises(InputError, match="meta"):
            antialias(image.to("meta"), fragments, positions, faces)
        with pytest.raises(TypeError, match=r"convert with \.int\(\)"):
            antialias(image, fragments, positions, faces.long())
        with pytest.raises(TypeError, match=r"convert with \.float\(\)"):
            antialias(image.int(), fragments, positions, faces)
        with pytest.raises(TypeError, match="convert one of them"):
            antialias(image.double(), fragments, positions, faces)
        with pytest.raises(TypeError, match="float32 for the kernel"):
            antialias(image.double(), fragments, positions.double(), faces, backend="cpu")
        with pytest.raises(InputError, match="needs tensors on cuda"):
            antialias(image, fragments, positions, faces, backend="cuda")


def test_opcheck(device: torch.device) -> None:
    positions, faces, fragments = soup()
    neighbors = build_edge_topology(faces, positions.shape[1]).neighbors
    arguments = (positions, faces, neighbors, fragments.triangle_id, fragments.depth)
    on_device = tuple(argument.to(device) for argument in arguments)
    torch.library.opcheck(torch.ops.dream3d.antialias_edges.default, on_device)
    edge, crossing = torch.ops.dream3d.antialias_edges(*on_device)
    image = torch.rand(1, 20, 20, 3, device=device, requires_grad=True)
    leaf = on_device[0].requires_grad_()
    for exact in (False, True):
        torch.library.opcheck(
            torch.ops.dream3d.antialias.default,
            (image, leaf, on_device[1], on_device[3], edge, crossing, exact),
        )
