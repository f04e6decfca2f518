"""The radiance field: a hash grid and a small network that give density and albedo anywhere in the scene.

The density starts as a soft ball ("blob", Magic3D, Lin et al. 2023, section 4), so that the first renders
show one solid thing in the middle and the first gradients have something to carve.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dream3d.ops.field_mlp import field_mlp
from dream3d.ops.hash_grid import hash_grid_levels
from dream3d.stage_config import FieldConfig

SCENE_RADIUS = 1.0  # the object lives inside this sphere around the origin


class RadianceField(nn.Module):
    """Density and albedo as a function of position, inside the sphere of radius 1.

    Density is `density_scale * softplus(raw + blob)`, albedo is a sigmoid in sRGB encoding.

    It may hold latents of a prior in place of albedo; a linear layer, which learns too, then makes albedo of
    them (Latent-NeRF, Metzer et al. 2022, arXiv 2211.07600, section 3.3).

    Attributes:
        density_scale: Density per unit length at a softplus of 1; the larger, the thinner the surfaces.
    """

    def __init__(
        self,
        config: FieldConfig,
        generator: torch.Generator | None = None,
        latent_layer: Tensor | None = None,
    ) -> None:
        """Initialise the parameters.

        Args:
            config: Sizes of the grid and the network, and the initial density.
            generator: Source of the initial values (CPU); None takes torch's global one.
            latent_layer: [3, c + 1], what the layer from c latents, and 1, to albedo logits starts as; None
                for a field that holds albedo logits themselves.
        """
        super().__init__()
        self.config = config
        self.density_scale = config.density_scale
        self.levels = hash_grid_levels(
            config.num_levels,
            config.features_per_level,
            config.log2_hashmap_size,
            config.base_resolution,
            config.finest_resolution,
        )
        num_features = config.num_levels * config.features_per_level
        table = torch.empty(self.levels.num_entries, config.features_per_level)
        self.table = nn.Parameter(table.uniform_(-1e-2, 1e-2, generator=generator))
        self.hidden_weight = nn.Parameter(_kaiming(config.hidden_size, num_features, generator))
        self.hidden_bias = nn.Parameter(torch.zeros(config.hidden_size))
        num_outputs = 4 if latent_layer is None else latent_layer.shape[1]
        self.output_weight = nn.Parameter(_kaiming(num_outputs, config.hidden_size, generator) * 0.1)
        self.output_bias = nn.Parameter(torch.zeros(num_outputs))
        self.latent_layer = None if latent_layer is None else nn.Parameter(latent_layer.clone())

    def get_extra_state(self) -> Tensor:
        """The density scale, [], float64: part of `state_dict` although nothing learns it."""
        return torch.tensor(self.density_scale, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the density scale of a `state_dict`."""
        self.density_scale = float(state)

    def raw(self, points: Tensor) -> Tensor:
        """Network outputs before activations: density logit without blob, then albedo logits or latents.

        Args:
            points: [N, 3] in the world.

        Returns:
            [N, 4], or [N, 1 + c] with c latents.
        """
        return field_mlp(
            points * 0.5 + 0.5,
            self.table,
            self.levels,
            self.hidden_weight,
            self.hidden_bias,
            self.output_weight,
            self.output_bias,
        )

    def network_parameters(self) -> list[nn.Parameter]:
        """Everything that learns but the hash table."""
        layer = [] if self.latent_layer is None else [self.latent_layer]
        return [self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias, *layer]

    def density_logit(self, points: Tensor) -> Tensor:
        """Density before the softplus, [N], for `points` [N, 3] in the world.

        It is monotonic in the density and does not saturate, so it is what surface normals are taken from.
        """
        return self.raw(points)[:, 0] + self._blob(points)

    def density(self, points: Tensor) -> Tensor:
        """Volume density per unit length, [N], for `points` [N, 3] in the world."""
        return self._density(self.density_logit(points))

    def albedo_srgb(self, points: Tensor) -> Tensor:
        """Albedo in sRGB encoding, [N, 3] in (0, 1), for `points` [N, 3] in the world."""
        return self._albedo(self.raw(points))

    def density_and_albedo(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density [N] and albedo in sRGB encoding [N, 3] from one evaluation at `points` [N, 3]."""
        raw = self.raw(points)
        return self._density(raw[:, 0] + self._blob(points)), self._albedo(raw)

    def density_and_latents(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density [N] and latents [N, c], without bounds, of a field that holds those, at `points` [N, 3]."""
        raw = self.raw(points)
        return self._density(raw[:, 0] + self._blob(points)), raw[:, 1:]

    def _albedo(self, raw: Tensor) -> Tensor:
        layer = self.latent_layer
        return torch.sigmoid(raw[:, 1:] if layer is None else raw[:, 1:] @ layer[:, :-1].T + layer[:, -1])

    def _density(self, logit: Tensor) -> Tensor:
        return self.density_scale * functional.softplus(logit)

    def _blob(self, points: Tensor) -> Tensor:
        """Initial density logit [N]: positive inside the blob, falling linearly with the radius."""
        radius = points.norm(dim=-1)
        return self.config.blob_strength * (1.0 - radius / self.config.blob_radius)


def _kaiming(rows: int, columns: int, generator: torch.Generator | None) -> Tensor:
    """Weights [rows, columns], uniform, variance kept through a ReLU (He et al. 2015)."""
    bound = math.sqrt(6.0 / columns)
    return torch.empty(rows, columns).uniform_(-bound, bound, generator=generator)
