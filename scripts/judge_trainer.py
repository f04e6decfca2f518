"""One training step of the learned judge, its measures on held-out data, and its state on disk."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from judge_data import FAMILY_PARTS, GROUP_SIZE, IGNORED, WRONG_CAPTIONS, Batch, azimuth_target
from muon import apply_update, look_ahead, orthogonalize
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's name

from dream3d.errors import InputError
from dream3d.metrics.judge_folder import Lexicon, read_judge, save_judge
from dream3d.metrics.judge_network import JudgeNetwork, JudgeShape, PartLogits, PictureFeatures
from dream3d.metrics.questions import NONE, RELATION_ANSWERS, SECOND_ANSWERS
from dream3d.prior.precision import precision_dtype
from dream3d.props import FAMILIES, vocabulary

LEARNING_RATE = 1e-3  # AdamW: vectors, embeddings, the stem
MUON_LEARNING_RATE = 2e-3  # all other matrices and convolutions
WEIGHT_DECAY = 0.02
WARM_UP_STEPS = 100
EMA_DECAY = 0.995
MOMENTS = ("exp_avg", "exp_avg_sq")  # as torch.optim.AdamW calls them
LABEL_WEIGHTS = {"color": 1.0, "second": 0.3, "material": 0.7, "pattern": 0.5}
WEIGHTS = {
    "families": 1.0,
    "relation": 1.0,
    "azimuth": 1.5,
    "visible": 0.5,
    "captions": 1.5,
    "images": 0.5,
}
NAMED = tuple(LABEL_WEIGHTS)  # in the order of Batch.looks
# Most parts have no material and no pattern: "none" must not become the safe answer.
NONE_INDEX = {"second": SECOND_ANSWERS.index(NONE), "material": 0, "pattern": 0}
NONE_WEIGHT = 0.5
SYMMETRIC_RELATION = RELATION_ANSWERS.index("next to")


class Trainer:
    """The network in compute precision; float32 master weights, their optimisers, their moving average."""

    def __init__(self, work: Path, device: torch.device):
        self.work = work
        self.device = device
        self.lexicon = Lexicon(vocabulary(), list(FAMILIES))
        self.shape = JudgeShape(len(self.lexicon.words), len(self.lexicon.families))
        torch.manual_seed(0)  # noqa: TID251 - torch initialises layers from the global state
        self.network: Any = JudgeNetwork(self.shape)
        self.network.to(device, precision_dtype("auto", device), memory_format=torch.channels_last)
        self.names = [name for name, _ in self.network.named_parameters()]
        self.weights = list(self.network.parameters())
        self.masters = [w.detach().float().clone().requires_grad_(True) for w in self.weights]
        self.averages = [m.detach().clone() for m in self.masters]
        chosen = [_is_hidden_matrix(n, m) for n, m in zip(self.names, self.masters, strict=True)]
        self.momenta = [torch.zeros_like(m) if c else None for m, c in zip(self.masters, chosen, strict=True)]
        self.rest = [m for m, c in zip(self.masters, chosen, strict=True) if not c]
        self.optimizer = torch.optim.AdamW(
            self.rest, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused=True
        )
        nouns, parts = zip(*FAMILY_PARTS, strict=True)
        self.noun_ids, self.part_ids = self.ids(nouns), self.ids(parts)
        self.step = 0
        self.images_seen = 0

    def ids(self, texts: Sequence[str], begin: bool = False) -> Tensor:
        """As `Lexicon.ids`, where the network is."""
        return self.lexicon.ids(texts, begin).to(self.device)

    def forward(self, batch: Batch) -> tuple[PictureFeatures, PartLogits, Tensor]:
        """Picture features, answers about the parts [B, K, ...], scores [B, G + K] of captions."""
        features = self.network.read_pictures(batch.images)
        questions = self.network.part_questions(self.noun_ids, self.part_ids)[batch.part]
        answers = self.network.answer_parts(features.tokens, questions)
        captions = self.network.read_captions(self.ids(batch.captions, begin=True))
        scores = self.network.scores(features.places, captions)
        return features, answers, torch.cat([scores, self.wrong_scores(batch, features.places)], dim=1)

    def wrong_scores(self, batch: Batch, places: Tensor) -> Tensor:
        """Scores [B, K] of each picture's own K wrong captions: all pictures by all would cost much more."""
        wrong = self.network.read_captions(self.ids(batch.wrong_captions, begin=True))
        shape = (len(batch.captions), WRONG_CAPTIONS)
        words = wrong.words.unflatten(0, shape)[batch.caption_of]  # [B, K, L, C]
        weights = wrong.weights.unflatten(0, shape)[batch.caption_of]  # [B, K, L]
        best = (places @ words.flatten(1, 2).mT).amax(1).view_as(weights).float()
        return (best * weights).sum(-1) * self.network.log_scale.float().exp()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Every term on its own, unweighted."""
        features, answers, scores = self.forward(batch)
        scene = features.scene
        is_known = batch.visible >= 0
        target = azimuth_target(batch.azimuth_deg, batch.turn_deg, self.shape.azimuth_bins)
        has_azimuth = (batch.turn_deg > 0).float()
        azimuth = -(target * scene.azimuth.float().log_softmax(-1)).sum(1)
        found = {
            "families": family_loss(scene.first.float(), scene.second.float(), batch),
            "relation": F.cross_entropy(scene.relation.float(), batch.relation),
            "azimuth": (azimuth * has_azimuth).sum() / has_azimuth.sum().clamp_min(1),
            "visible": F.binary_cross_entropy_with_logits(
                answers.visible.float()[is_known], batch.visible[is_known].float()
            ),
            "captions": F.cross_entropy(scores, batch.caption_of),
            "images": _caption_to_image_loss(scores[:, : len(batch.captions)], batch.caption_of),
        }
        for index, name in enumerate(NAMED):
            logits = getattr(answers, name).float().flatten(0, 1)
            weight = torch.ones(logits.shape[1], device=logits.device)
            if name in NONE_INDEX:
                weight[NONE_INDEX[name]] = NONE_WEIGHT
            truth = batch.looks[..., index].flatten()
            found[name] = F.cross_entropy(logits, truth, weight, ignore_index=IGNORED)
        return found

    def train_step(self, batch: Batch, rate_scale: float) -> dict[str, float]:
        """One optimiser step; returns the losses."""
        losses = self.losses(batch.to(self.device))
        for weight in self.weights:
            weight.grad = None
        weights = WEIGHTS | LABEL_WEIGHTS
        torch.stack([weights[name] * loss for name, loss in losses.items()]).sum().backward()
        for master, weight in zip(self.masters, self.weights, strict=True):
            master.grad = torch.zeros_like(master) if weight.grad is None else weight.grad.float()
        torch.nn.utils.clip_grad_norm_(self.masters, 2.0)
        rate = rate_scale * min(1.0, (self.step + 1) / WARM_UP_STEPS)
        self.optimizer.param_groups[0]["lr"] = LEARNING_RATE * rate
        self.optimizer.step()
        for master, momentum in zip(self.masters, self.momenta, strict=True):
            if momentum is not None and master.grad is not None:
                update = orthogonalize(look_ahead(master.grad, momentum))
                apply_update(master.data, update, MUON_LEARNING_RATE * rate, WEIGHT_DECAY)
        with torch.no_grad():
            decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
            for average, master in zip(self.averages, self.masters, strict=True):
                average.lerp_(master, 1 - decay)
        self.use_averages(False)
        self.step += 1
        self.images_seen += len(batch.images)
        return {name: loss.item() for name, loss in losses.items()}

    def use_averages(self, on: bool) -> None:
        """Put the averaged (or back the trained) weights into the network."""
        with torch.no_grad():
            for weight, source in zip(self.weights, self.averages if on else self.masters, strict=True):
                weight.copy_(source)

    @torch.no_grad()
    def measure(self, batches: list[Batch]) -> dict[str, float]:
        """Losses and accuracies of the averaged weights on batches never trained on."""
        self.use_averages(True)
        sums: dict[str, list[float]] = defaultdict(list)
        for batch in (each.to(self.device) for each in batches):
            for name, loss in self.losses(batch).items():
                sums[f"loss_{name}"].append(loss.item())
            for name, value in accuracies(batch, *self.forward(batch)).items():
                sums[name].append(value)
        self.use_averages(False)
        # A batch without relations has no share of right ones.
        return {name: torch.tensor(values).nanmean().item() for name, values in sums.items()}

    def save(self, seconds: float) -> None:
        """Write the state and the release folder, each file swapped in whole."""
        tensors = {f"master.{i}": m.data for i, m in enumerate(self.masters)}
        tensors |= {f"average.{i}": a for i, a in enumerate(self.averages)}
        tensors |= {f"momentum.{i}": m for i, m in enumerate(self.momenta) if m is not None}
        for index, master in enumerate(self.rest):
            tensors |= {f"{key}.{index}": self.optimizer.state[master][key] for key in MOMENTS}
        facts = {"step": self.step, "images_seen": self.images_seen, "seconds": seconds}
        staging = self.work / "state.staging.safetensors"
        save_file(
            {name: t.contiguous() for name, t in tensors.items()}, staging, {"facts": json.dumps(facts)}
        )
        staging.replace(self.work / "state.safetensors")
        (self.work / "facts.json").write_text(json.dumps(facts))
        averages = dict(zip(self.names, self.averages, strict=True))
        save_judge(self.work / "release", self.shape, self.lexicon, averages, self.facts(facts))

    def load(self) -> float:
        """Read the state back; returns the seconds trained so far."""
        tensors = load_file(self.work / "state.safetensors")
        facts = json.loads((self.work / "facts.json").read_text())
        self.step, self.images_seen = facts["step"], facts["images_seen"]
        for index, (master, momentum) in enumerate(zip(self.masters, self.momenta, strict=True)):
            master.data.copy_(tensors[f"master.{index}"])
            self.averages[index].copy_(tensors[f"average.{index}"])
            if momentum is not None:
                momentum.copy_(tensors[f"momentum.{index}"])
        for index, master in enumerate(self.rest):
            # The fused optimizer walks raw memory: moments need the memory format of their weights.
            self.optimizer.state[master] = {"step": torch.tensor(float(self.step), device=self.device)} | {
                key: torch.empty_like(master).copy_(tensors[f"{key}.{index}"]) for key in MOMENTS
            }
        self.use_averages(False)
        return facts["seconds"]

    def start_from(self, folder: Path) -> None:
        """Begin with a released judge's averaged weights; moments and counters start anew.

        Raises:
            InputError: Its words or families are not those of today's props.
        """
        network, lexicon, _ = read_judge(folder)
        if (lexicon.words, lexicon.families) != (self.lexicon.words, self.lexicon.families):
            raise InputError(f"{folder} knows other words or families than dream3d/props has")
        weights = dict(network.named_parameters())
        for name, master, average in zip(self.names, self.masters, self.averages, strict=True):
            master.data.copy_(weights[name])
            average.copy_(weights[name])
        self.use_averages(False)

    def facts(self, state: dict) -> dict:
        """What the card tells of the training."""
        return {
            "parameters": sum(weight.numel() for weight in self.weights),
            "images_seen": state["images_seen"],
            "training_hours": round(state["seconds"] / 3600, 2),
            "trained_on": "renders of dream3d/props only, no outside data; held-out combinations included",
            "licence": "Apache-2.0",
        }


def family_loss(first: Tensor, second: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of both objects' families [B, families]; "next to" may be answered in either order."""

    def entropy(told: Tensor) -> Tensor:  # [B]
        return F.cross_entropy(first, told[:, 0], reduction="none") + F.cross_entropy(
            second, told[:, 1], reduction="none"
        )

    is_symmetric = batch.relation == SYMMETRIC_RELATION
    exchanged = torch.where(is_symmetric[:, None], batch.families.flip(1), batch.families)
    direct, other = entropy(batch.families), entropy(exchanged)
    return torch.where(is_symmetric, -torch.logaddexp(-direct, -other), direct).mean()


def accuracies(
    batch: Batch, features: PictureFeatures, answers: PartLogits, scores: Tensor
) -> dict[str, float]:
    """Share of right answers to each kind of question; the azimuth's median error in degrees."""
    scene = features.scene
    is_known = batch.visible >= 0
    num_captions = len(batch.captions)
    groups = scores[:, :num_captions].unflatten(1, (-1, GROUP_SIZE))  # [B, groups, GROUP_SIZE]
    own_group = groups[torch.arange(len(scores), device=scores.device), batch.caption_of // GROUP_SIZE]
    first, other = scene.first.argmax(-1), scene.second.argmax(-1)
    is_exchanged = (batch.relation == SYMMETRIC_RELATION) & (first == batch.families[:, 1])
    families = torch.where(is_exchanged[:, None], batch.families.flip(1), batch.families)
    found = {
        "first": _share(first == families[:, 0]),
        "other": _share(other == families[:, 1]),
        "relation": _share((scene.relation.argmax(-1) == batch.relation)[batch.relation > 0]),
        "visible": _share(((answers.visible > 0) == (batch.visible == 1))[is_known]),
        "caption": _share(scores[:, :num_captions].argmax(-1) == batch.caption_of),
        "caption_of_all": _share(scores.argmax(-1) == batch.caption_of),
        "caption_of_group": _share(own_group.argmax(-1) == batch.caption_of % GROUP_SIZE),
    }
    for index, name in enumerate(NAMED):
        truth = batch.looks[..., index]
        found[name] = _share((getattr(answers, name).argmax(-1) == truth)[truth != IGNORED])
    chosen = batch.turn_deg == 360
    bins = scene.azimuth.shape[1]
    said = scene.azimuth.argmax(-1) * (360.0 / bins)
    error = ((said - batch.azimuth_deg + 180) % 360 - 180).abs()[chosen]
    return found | {"azimuth_error": error.median().item(), "azimuth_over_60": _share(error > 60)}


def _share(flags: Tensor) -> float:
    return flags.float().mean().item()


def _caption_to_image_loss(scores: Tensor, caption_of: Tensor) -> Tensor:
    """Each caption should find its own pictures among all of them; scores [B, G]."""
    own = torch.zeros_like(scores).scatter_(1, caption_of[:, None], 1.0)
    return -(scores.log_softmax(0) * own).sum() / own.sum()


def _is_hidden_matrix(name: str, weight: Tensor) -> bool:
    """Whether Muon updates this weight: matrices between learned features, not those at the borders."""
    borders = ("stem", "words", "position", "place", "asked", "answer", "to_weight")
    return weight.ndim in (2, 4) and not name.startswith(borders)
