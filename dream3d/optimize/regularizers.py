"""Small losses that say what a good field looks like whatever the prompt.

All are means over the pixels of all images. The loop multiplies them by the number of pixels of one image at
the prior's size, which puts them on the scale of the guidance loss whatever the size of the render.
"""

from torch import Tensor

from dream3d.render.volume import Render


def opacity_entropy(opacity: Tensor) -> Tensor:
    """Binary entropy of the opacity in nats, mean over [B, H, W]: a pixel shows the object or it does not."""
    alpha = opacity.clamp(1e-3, 1.0 - 1e-3)
    return -(alpha * alpha.log() + (1.0 - alpha) * (1.0 - alpha).log()).mean()


def depth_spread(render: Render) -> Tensor:
    """Variance of the depth along each ray, mean over the pixels: surfaces rather than fog."""
    return render.depth_variance.mean()


def normal_roughness(normals: Tensor, opacity: Tensor) -> Tensor:
    """Squared difference of the normals of neighbouring pixels where both are opaque, mean over the pixels.

    Args:
        normals: [B, H, W, 3], unit or zero.
        opacity: [B, H, W].
    """
    solid = opacity.detach() * (normals.detach().square().sum(-1) > 0.5)
    total = normals.new_zeros(())
    for axis in (1, 2):
        length = normals.shape[axis] - 1
        difference = normals.narrow(axis, 1, length) - normals.narrow(axis, 0, length)
        both = solid.narrow(axis, 1, length) * solid.narrow(axis, 0, length)
        total = total + (both * difference.square().sum(-1)).sum()
    return total / opacity.numel()
