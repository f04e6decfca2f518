"""The kinds of text-to-image pipelines that can be priors, and what a folder of each must hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from dream3d.errors import InputError
from dream3d.prior.files import find_weights, read_json
from dream3d.prior.references import check_references

INDEX = "model_index.json"
SCHEDULER_CONFIG = "scheduler_config.json"

PipelineKind = Literal[
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "LatentConsistencyModelPipeline",
    "IFPipeline",
    "MVDreamPipeline",
]
"""Classes of diffusers, and one that comes with its weights, see `multi_view.py`. Turbo models are of the
same classes as what they were distilled from."""


@dataclass(frozen=True)
class Layout:
    """The subfolders of a pipeline."""

    models: dict[str, str]  # folder -> class that its config.json names
    tokenizers: tuple[str, ...]
    denoiser: str = "unet"


def layout(kind: PipelineKind) -> Layout:
    """What a pipeline's folder must hold besides its scheduler; SD3's third text encoder may be left out."""
    unet = {"unet": "UNet2DConditionModel"}
    latent = {**unet, "vae": "AutoencoderKL"}
    clip, clip_2 = {"text_encoder": "CLIPTextModel"}, {"text_encoder_2": "CLIPTextModelWithProjection"}
    match kind:
        case "StableDiffusionPipeline" | "LatentConsistencyModelPipeline":
            return Layout({**latent, **clip}, ("tokenizer",))
        case "StableDiffusionXLPipeline":
            return Layout({**latent, **clip, **clip_2}, ("tokenizer", "tokenizer_2"))
        case "StableDiffusion3Pipeline":
            models = {"transformer": "SD3Transformer2DModel", "vae": "AutoencoderKL"}
            models |= {"text_encoder": "CLIPTextModelWithProjection", **clip_2}
            return Layout(models, ("tokenizer", "tokenizer_2"), "transformer")
        case "IFPipeline":
            return Layout({**unet, "text_encoder": "T5EncoderModel"}, ("tokenizer",))
        case "MVDreamPipeline":
            return Layout({**latent, "unet": "MultiViewUNetModel", **clip}, ("tokenizer",))


def denoiser_folder(kind: PipelineKind) -> str:
    """The subfolder of the network that denoises."""
    return layout(kind).denoiser


def pipeline_kind(folder: Path) -> PipelineKind:
    """Which of the kinds a folder says it is.

    Raises:
        InputError: It is none of them; the message names those that work.
    """
    name = read_json(folder / INDEX).get("_class_name")
    if name not in get_args(PipelineKind):
        known = ", ".join(get_args(PipelineKind))
        raise InputError(f"{folder} holds a {name}, which cannot be a prior: the kinds that can are {known}")
    return cast(PipelineKind, name)


def has_third_encoder(folder: Path) -> bool:
    """Whether an SD3 pipeline comes with its T5 encoder."""
    entry = read_json(folder / INDEX).get("text_encoder_3")
    return isinstance(entry, list) and entry[:1] != [None]


def check_pipeline(folder: Path) -> None:
    """Check that a pipeline's folder is whole, before anything is loaded from it.

    Raises:
        InputError: It is of another kind, a part is missing or of another class, weights are pickles, or
            files lead elsewhere.
    """
    kind = pipeline_kind(folder)
    parts = layout(kind)
    models, tokenizers = dict(parts.models), parts.tokenizers
    if kind == "StableDiffusion3Pipeline" and has_third_encoder(folder):
        models["text_encoder_3"] = "T5EncoderModel"
        tokenizers += ("tokenizer_3",)
    for name, class_name in models.items():
        if not (folder / name).is_dir():
            raise _missing(folder, kind, f"{name}/")
        find_weights(folder / name)
        check_references(folder / name)
        config = read_json(folder / name / "config.json")
        found = config.get("_class_name", class_name)  # text encoders do not say
        if found != class_name:
            raise InputError(f"{folder / name} holds a {found}, but a {kind} needs a {class_name} there")
    for name in tokenizers:
        if not any((folder / name).glob("*")):
            raise _missing(folder, kind, f"{name}/")
        check_references(folder / name)
    if not (folder / "scheduler" / SCHEDULER_CONFIG).is_file():
        raise _missing(folder, kind, f"scheduler/{SCHEDULER_CONFIG}")


def _missing(folder: Path, kind: PipelineKind, what: str) -> InputError:
    return InputError(
        f"the prior in {folder} is incomplete: a {kind} needs {what} (a prior of our own needs dream3d.json)"
    )
