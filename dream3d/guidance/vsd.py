"""Variational score distillation (Wang et al. 2023, ProlificDreamer, arXiv 2305.16213).

SDS compares the prior's score with the noise that was added, which is the score of a single image: it seeks
modes. VSD compares it with the score of what the scene's renders are like now, from a network that learns
them while they change (equation 9), and so draws samples, at ordinary guidance scales.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from dream3d.cameras import Cameras
from dream3d.guidance.question import Comparison, Question
from dream3d.prior import TextEmbedding
from dream3d.prior.parts import X0Predictor
from dream3d.stage_config import Shading, ViewConditioning

UNSEEN_SHARE = 0.5  # Of the reference that ESD takes without the camera (their lambda).


class RenderScore(X0Predictor, Protocol):
    """A denoiser that learns what the renders of a scene look like; `dream3d.prior.adapted` makes one."""

    def learn(
        self,
        clean: Tensor,
        embedding: TextEmbedding,
        cameras: Cameras,
        shading: list[Shading],
        views: ViewConditioning,
        generator: torch.Generator,
    ) -> None:
        """One step towards the score of these latents [B, c, h, w]."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What it has learned and its optimizer's memory; not copied."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Know what another one did; copied."""
        ...


def vsd(question: Question, renders: RenderScore) -> Comparison:
    """The guided prediction against that of the network which knows the renders (equation 9)."""
    noisy = question.noised(question.fresh_noise())
    target, _ = question.guided(noisy, question.timestep)
    (reference,) = question.ask_of(renders, noisy, question.timestep, question.config.views, ("text",))
    learn_renders(question, renders)
    return Comparison(target, question.bounded(reference))


def esd(question: Question, renders: RenderScore) -> Comparison:
    """VSD whose reference partly does not know the camera (Wang et al. 2024, arXiv 2401.00909).

    What all views have in common is then pushed apart: one image that serves every view, a second face, costs
    entropy.
    """
    noisy = question.noised(question.fresh_noise())
    target, _ = question.guided(noisy, question.timestep)
    told = (question.config.views, "none")
    seen, unseen = (question.ask_of(renders, noisy, question.timestep, v, ("text",))[0] for v in told)
    learn_renders(question, renders)
    return Comparison(target, question.bounded(torch.lerp(seen, unseen, UNSEEN_SHARE)))


def learn_renders(question: Question, renders: RenderScore) -> None:
    """Show the renders of this step to the network that learns them."""
    shading: list[Shading] = [question.shading] * len(question.clean)
    question.evaluations += len(question.clean)
    renders.learn(
        question.clean,
        question.embedding,
        question.cameras,
        shading,
        question.config.views,
        question.generator,
    )
