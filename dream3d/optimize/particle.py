"""One field that is being optimized: what it is, where it is, and what moves it."""

import torch
from torch import Tensor

from dream3d.checkpoint import State
from dream3d.optimize import schedules
from dream3d.optimizer_state import load_optimizer_state, optimizer_state
from dream3d.scene.occupancy import OccupancyGrid
from dream3d.scene.radiance_field import RadianceField
from dream3d.stage_config import CoarseConfig

_OCCUPANCY_DECAY = 0.6  # Of the remembered density, per update: a cell is given up after a few empty looks.


class Particle:
    """A field, its occupancy grid and its optimizer."""

    def __init__(
        self,
        config: CoarseConfig,
        generator: torch.Generator,
        device: torch.device,
        latent_layer: Tensor | None = None,
    ) -> None:
        """Start a field.

        Args:
            config: Of the stage.
            generator: CPU generator of its first values.
            device: Where to compute.
            latent_layer: Of a field of latents; see `RadianceField`.
        """
        self.config = config
        self.field = RadianceField(config.radiance_field, generator, latent_layer).to(device)
        self.occupancy = OccupancyGrid(config.occupancy_resolution, device)
        self.base_rates = (config.table_learning_rate, config.network_learning_rate)
        groups = [{"params": [self.field.table]}, {"params": self.field.network_parameters()}]
        self.optimizer = torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.99), eps=1e-15, fused=True)

    def prepare(self, step: int, generator: torch.Generator) -> None:
        """Be as sharp as the step of a run calls for, and know where the field is."""
        self.field.density_scale = schedules.density_scale(step, self.config)
        if step % self.config.occupancy_interval == 0:
            self.update_occupancy(generator)

    def update_occupancy(self, generator: torch.Generator) -> None:
        """Measure where the field is."""
        self.occupancy.update(self.field, self.config.occupancy_threshold, _OCCUPANCY_DECAY, generator)

    def descend(self, surrogate: Tensor, step: int, caution: float = 1.0) -> None:
        """One step of Adam along the gradient of `surrogate`, a scalar, its rates times `caution`."""
        self.optimizer.zero_grad(set_to_none=True)
        surrogate.backward()
        factor = caution * schedules.learning_rate_factor(step, self.config.num_steps)
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()

    def state_dict(self) -> State:
        """All that its next steps depend on; tensors are not copied."""
        return {
            "field": self.field.state_dict(),
            "optimizer": optimizer_state(self.optimizer),
            "occupancy": self.occupancy.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        """Be as when the state was taken; tensors are copied."""
        self.field.load_state_dict(state["field"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.occupancy.load_state_dict(state["occupancy"])
