"""Muon: momentum whose update is orthogonalised, for the matrices and convolutions of a network.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with the scale of Liu et al. 2025 (arXiv 2502.16982).
On this prior, 100 steps reach the held-out loss of 150 steps of AdamW (batch 16, 0.19), for 1.7 times the
cost of a step on one CPU core.
"""

import torch
from torch import Tensor

from dream3d.prior.precision import precision_dtype

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Quintic iteration with a steep slope at zero.


def orthogonalize(matrix: Tensor, num_iterations: int = 5) -> Tensor:
    """Replace the singular values of a matrix by values near 1, by Newton-Schulz iterations.

    Args:
        matrix: [M, ...]; trailing dimensions are taken together as columns.
        num_iterations: Each multiplies small singular values by about 3.4.

    Returns:
        Like `matrix`, bfloat16 where the device multiplies it in hardware, else float32.
    """
    a, b, c = NEWTON_SCHULZ
    x = matrix.reshape(len(matrix), -1).to(precision_dtype("auto", matrix.device))
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(num_iterations):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.mT if tall else x).reshape(matrix.shape)


@torch.no_grad()
def look_ahead(gradient: Tensor, momentum: Tensor) -> Tensor:
    """Nesterov momentum: advance `momentum` (the moving average of gradients) in place, look one step on."""
    momentum.lerp_(gradient, 1 - MOMENTUM)
    return gradient.lerp(momentum, MOMENTUM)


@torch.no_grad()
def apply_update(weight: Tensor, update: Tensor, rate: float, weight_decay: float) -> None:
    """Step `weight` in place.

    Args:
        weight: [M, ...]; trailing dimensions are taken together as columns.
        update: Like `weight`, orthogonal.
        rate: Learning rate on AdamW's scale.
        weight_decay: Decoupled, per unit of `rate`.
    """
    scale = 0.2 * max(len(weight), weight[0].numel()) ** 0.5
    weight.mul_(1 - rate * weight_decay).add_(update, alpha=-rate * scale)
