"""What the learned judge says about an asset, as numbers of the table."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dream3d.cameras import FRAME_DISTANCE, FRAME_FOV_Y_DEG, Cameras, orbit
from dream3d.mesh import TexturedMesh
from dream3d.metrics.changes import changed_captions, random_captions
from dream3d.metrics.ground_truth import untextured
from dream3d.metrics.judge import Answer, Judge, is_exact
from dream3d.metrics.questions import turn_of
from dream3d.metrics.views import Views, in_frame, portraits
from dream3d.props import Spec, make_prop, parse_caption, told_looks
from dream3d.props.family import FULL_TURN

NUM_VIEWS = 12
NUM_FRONTS, FRONT_SEED = 3, 17  # instances of ground truth, other ones than those of the table
ELEVATION_DEG = 15.0
FRONT_DEG = (
    60.0  # a picture within this of azimuth 0 shows the front; one within this of 180 is taken from behind
)
JANUS_ERROR_DEG = 60.0  # of the mean azimuth error; set by scripts/eval_judge.py on two-faced meshes


def judge_cameras() -> Cameras:
    """Twelve views all around, from a little above."""
    return orbit(
        [360.0 * k / NUM_VIEWS for k in range(NUM_VIEWS)], ELEVATION_DEG, FRAME_DISTANCE, FRAME_FOV_Y_DEG
    )


def can_judge(prompt: str) -> bool:
    """Whether a prompt is one of the grammar; others get no numbers."""
    return parse_caption(prompt) is not None


class LearnedJudge:
    """Looks at assets, or at pictures from the same cameras, with a judge that stays loaded."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._clear_fronts: tuple[Spec, bool] | None = None  # of the last prompt that was asked about

    def __call__(self, asset: TexturedMesh, prompt: str | None, views: Views) -> dict[str, float]:
        """Numbers of an asset that is in the frame; nothing for a prompt that names no family."""
        del views  # those have hard edges and two elevations
        if prompt is None or parse_caption(prompt) is None:
            return {}
        return self.judge_pictures(portraits(asset, judge_cameras()), prompt)

    def judge_pictures(self, images: Tensor, prompt: str) -> dict[str, float]:
        """Numbers of pictures [12, 64, 64, 4] in the order of `judge_cameras`, premultiplied sRGB.

        Nothing for a prompt that names no family; no Janus where ground truth looks like one.
        """
        spec = parse_caption(prompt)
        if spec is None:
            return {}
        numbers = retrieval(self._judge, images, prompt, spec)
        numbers |= attribute_numbers(self._judge.attribute_match(images, spec, told_looks(prompt)))
        if turn_of(spec) == FULL_TURN:
            numbers |= pose_numbers(self._judge.azimuth_log_probs(images))
            if not self._has_clear_front(spec):
                del numbers["janus"], numbers["front_behind"]
        return numbers

    def _has_clear_front(self, spec: Spec) -> bool:
        """Whether the judge finds one front on ground truth of a spec: a mug without its handle has none."""
        if self._clear_fronts is None or self._clear_fronts[0] != spec:
            rng = np.random.default_rng(FRONT_SEED)
            truth = (untextured(make_prop(spec, rng).painted_mesh()) for _ in range(NUM_FRONTS))
            pictures = (portraits(in_frame(asset), judge_cameras()) for asset in truth)
            found = (pose_numbers(self._judge.azimuth_log_probs(each)) for each in pictures)
            self._clear_fronts = spec, not any(numbers["janus"] for numbers in found)
        return self._clear_fronts[1]


def retrieval(judge: Judge, images: Tensor, prompt: str, spec: Spec) -> dict[str, float]:
    """R-precision at 1: is the prompt the best of its list for a picture? Mean, and worst of the views.

    Once against 100 random captions, once against every one-attribute change. A change that some views cannot
    show (of a part that is hidden there) makes the mean fall even for the truth: `hard_r_precision_together`
    asks once, with the log-probabilities of all views added up.
    """
    random, changed = random_captions(spec), changed_captions(spec)
    scores = judge.image_text_scores(images, [prompt, *random, *changed])
    own = scores[:, :1]
    easy, hard = scores[:, 1 : 1 + len(random)], scores[:, 1 + len(random) :]
    is_first, is_first_hard = own[:, 0] > easy.amax(1), own[:, 0] > hard.amax(1)
    together = torch.cat([own, hard], dim=1).log_softmax(1).sum(0)
    return {
        "r_precision": is_first.float().mean().item(),
        "r_precision_worst": float(is_first.all()),
        "hard_r_precision": is_first_hard.float().mean().item(),
        "hard_r_precision_worst": float(is_first_hard.all()),
        "hard_r_precision_together": float(together.argmax() == 0),
    }


def attribute_numbers(answers: Sequence[Answer]) -> dict[str, float]:
    """Exact match of all that is said; the share of right answers by kind, and over what is natural."""
    right: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        name = f"{answer.kind.replace(' ', '_')}_right" if answer.is_said else "unsaid_right"
        right[name].append(float(answer.is_right))
    shares = {name: sum(values) / len(values) for name, values in right.items()}
    return {"exact_match": float(is_exact(answers)), **shares}


def pose_numbers(log_probs: Tensor) -> dict[str, float]:
    """Whether the predicted azimuths [12, bins] walk around once with the cameras.

    The mean error of the most probable azimuths tells a Janus head: a thing whose back mirrors its front
    looks the same, but for left and right, from azimuths a and 180 - a, so whatever the first picture is
    taken for, both errors add up to 180 degrees, and their mean is 90.

    `front_behind` is the probability, averaged over the five views from behind (120 to 240 degrees), that
    the picture was taken from the front (within 60 degrees of it).
    """
    num_views, num_bins = log_probs.shape
    truth = torch.arange(num_views) * (360.0 / num_views)
    bins = torch.arange(num_bins) * (360.0 / num_bins)
    is_front = circular_error(bins, torch.zeros(())) <= FRONT_DEG
    is_behind = circular_error(truth, torch.tensor(180.0)) <= FRONT_DEG
    front = log_probs.exp()[:, is_front].sum(1)  # [12]
    error = circular_error(bins[log_probs.argmax(1)], truth).mean().item()
    return {
        "azimuth_error_deg": error,
        "front_behind": front[is_behind].mean().item(),
        "janus": float(error > JANUS_ERROR_DEG),
    }


def circular_error(one: Tensor, other: Tensor) -> Tensor:
    """Absolute difference of angles in degrees, 0 to 180."""
    return ((one - other + 180.0) % 360.0 - 180.0).abs()
