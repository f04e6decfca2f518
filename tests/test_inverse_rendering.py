"""What the gradients are for: scenes recovered from pictures of them."""

import torch
from backends import kernel_name
from raster_scenes import PROJECTION
from torch import Tensor

from dream3d.ops.rasterize import interpolate, rasterize


def colored_sheet() -> tuple[Tensor, Tensor, Tensor]:
    """A square of side 6 with smooth colors, larger than the picture: points [V, 3], colors [V, 3], faces."""
    side = 33
    y, x = torch.meshgrid(*[torch.linspace(-3, 3, side)] * 2, indexing="ij")
    points = torch.stack([x, y, torch.zeros_like(x)], -1).view(-1, 3)
    waves = torch.stack([x, 0.6 * x + y, y - 0.3 * x], -1) * torch.tensor([1.6, 1.3, 1.9])
    index = torch.arange(side * side).view(side, side)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = torch.cat([torch.stack(t, -1).view(-1, 3) for t in ((a, b, c), (b, d, c))]).int()
    return points, 0.5 + 0.5 * torch.sin(waves).view(-1, 3), faces


def test_a_pose_is_recovered_from_a_picture(device: torch.device) -> None:
    """Rotation and translation of a colored sheet that fills the picture, by the gradient of its interior."""
    points, colors, faces = (tensor.to(device) for tensor in colored_sheet())
    projection = torch.tensor(PROJECTION, dtype=torch.float32, device=device)

    def picture(rotation: Tensor, translation: Tensor) -> Tensor:
        x, y, z = rotation
        zero = torch.zeros_like(x)
        skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).view(3, 3)
        at = points @ torch.linalg.matrix_exp(skew).T + translation
        clip = torch.cat([at, torch.ones_like(at[:, :1])], -1) @ projection.T
        drawn = rasterize(clip[None], faces, 40, 40, backend=kernel_name(device))
        assert drawn.mask.all()
        return interpolate(colors, faces, drawn, backend=kernel_name(device))

    truth = (
        torch.tensor([0.3, -0.25, 0.2], device=device),
        torch.tensor([0.15, -0.1, -3.2], device=device),
    )
    target = picture(*truth)
    rotation = torch.zeros(3, device=device, requires_grad=True)
    translation = torch.tensor([0.0, 0.0, -3.0], device=device, requires_grad=True)
    optimizer = torch.optim.Adam([rotation, translation], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 200)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((picture(rotation, translation) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    assert losses[0] > 0.01
    assert losses[-1] < 1e-6
    torch.testing.assert_close(rotation.detach(), truth[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(translation.detach(), truth[1], atol=2e-3, rtol=0)
