"""The page: what is on it, and which handler answers to what."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import gradio as gr
from gradio.themes import Base

from dream3d.app import pieces
from dream3d.app.handlers import IDLE_SECONDS, Handlers, Shown, View
from dream3d.app.limits import EXPORT_FORM, ORDER_FORM, FileFormat, Limits, max_scale, min_steps
from dream3d.config import Collision, Compression, Config, ExportConfig, check_guidance
from dream3d.errors import InputError
from dream3d.export.checks import check_export
from dream3d.inputs import MAX_PROMPT_LENGTH
from dream3d.stage_config import GuidanceConfig, GuidanceMethod

EXAMPLES = (
    "a red mushroom",
    "a yellow duck",
    "a wooden chest",
    "a blue chair",
    "a golden crown",
    "a snowman",
)
TEXTURE_SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
CSS = Path(__file__).with_name("page.css")

# Small props need no WebGPU: where a browser has it without an adapter, the viewer complains and takes WebGL.
HEAD = "<script>delete Navigator.prototype.gpu;</script>"

Parts = dict[str, Any]
Choice = TypeVar("Choice")


def theme() -> Any:
    """Colors, and fonts of the visitor's machine: none is fetched."""
    return Base(
        primary_hue="teal",
        neutral_hue="slate",
        radius_size="md",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def build_page(handlers: Handlers, draft_steps: tuple[int, int]) -> Any:
    """The page as Gradio serves it.

    Args:
        handlers: What answers.
        draft_steps: Steps of the quick quality, and of its refinement; the settings are the other one.
    """
    with gr.Blocks(title="dream3d", analytics_enabled=False, fill_width=True) as page:
        gr.HTML('<div class="d3-head"><h1>dream3d</h1><span>Text to game-ready 3D assets</span></div>')
        with gr.Row(elem_classes="d3-main"):
            with gr.Column(scale=4, min_width=320):
                form = _order_parts(handlers, draft_steps)
            with gr.Column(scale=7, min_width=320):
                shown, export_form, notice = _result_parts(handlers)
        view = View(**{name: part for name, part in shown.items() if name != "export"}, stop=form.pop("stop"))
        _connect(page, handlers, form, view)
        shown["export"].click(
            handlers.export,
            [view.shown, *(export_form[name] for name in EXPORT_FORM)],
            [notice, view.file],
            preprocess=False,
            queue=False,
            api_visibility="private",
            show_progress_on=notice,
        )
    page.state_session_capacity = handlers.limits.max_visitors
    return page


def _connect(page: Any, handlers: Handlers, form: Parts, view: View) -> None:
    """Buttons, typing and the clock. None waits in Gradio's queue, which knows no visitors."""
    quick: Parts = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    look: Parts = {"fn": handlers.refresh, "inputs": view.shown, "outputs": view.parts(), **quick}
    ordered = gr.on(
        [form["generate"].click, form["prompt"].submit],
        handlers.order,
        [form[name] for name in ORDER_FORM],
        [form["notice"], form["seed"]],
        preprocess=False,
        **quick,
    )
    ordered.then(**look)
    view.stop.click(handlers.stop, **quick).then(**look)
    view.timer.tick(**look)
    page.load(**look)
    view.gallery.select(handlers.choose, view.shown, view.parts(), **quick)
    form["prompt"].change(
        handlers.hint, form["prompt"], form["hint"], preprocess=False, trigger_mode="always_last", **quick
    )


def _order_parts(handlers: Handlers, draft_steps: tuple[int, int]) -> Parts:
    """What a visitor fills in, and the buttons."""
    settings, limits = handlers.settings, handlers.limits
    prompt = gr.Textbox(
        label="Prompt",
        placeholder="a red mushroom",
        max_lines=4,
        max_length=MAX_PROMPT_LENGTH,
    )
    with gr.Row(elem_classes="d3-examples"):
        for example in EXAMPLES:
            chip = gr.Button(example, size="sm", min_width=0)
            chip.click(None, outputs=prompt, js=f"() => {example!r}", api_visibility="private")
    standard_steps = settings.coarse.num_steps, settings.refine.num_steps
    quality = gr.Radio(
        [
            (f"Draft, {sum(draft_steps)} steps", "draft"),
            (f"Standard, {sum(standard_steps)} steps", "standard"),
        ],
        value="draft",
        label="Quality",
    )
    with gr.Row(elem_classes="d3-buttons"):
        generate = gr.Button("Generate", variant="primary", scale=3, min_width=120)
        stop = gr.Button("Stop", variant="stop", interactive=False, scale=1, min_width=80)
    notice = gr.HTML(elem_classes="d3-maybe")
    hint = gr.HTML(elem_classes="d3-maybe")  # below the buttons, which stay where they are
    with gr.Accordion("More settings", open=False):
        negative = gr.Textbox(label="Negative prompt", max_length=MAX_PROMPT_LENGTH)
        with gr.Row():
            seed = gr.Number(
                settings.seed, label="Seed", precision=0, minimum=0, maximum=2**32 - 1, min_width=140
            )
            random_seed = gr.Checkbox(True, label="A new seed each time", min_width=140)
        more = _expert_parts(settings, draft_steps, limits)
    with gr.Accordion("What the prior knows", open=False):
        gr.HTML(pieces.vocabulary(handlers.vocabulary))
    quality.change(
        None,
        quality,
        [more["steps"], more["refine_steps"]],
        js=f"(name) => name === 'draft' ? {list(draft_steps)} : {list(standard_steps)}",
        api_visibility="private",
    )
    mine = {"prompt": prompt, "hint": hint, "generate": generate, "stop": stop, "notice": notice}
    return mine | more | {"negative_prompt": negative, "seed": seed, "random_seed": random_seed}


def _expert_parts(settings: Config, num_steps: tuple[int, int], limits: Limits) -> Parts:
    """Settings that most leave alone."""
    guidance, options = settings.coarse.guidance, settings.prior_options
    methods = _possible(
        get_args(GuidanceMethod), lambda method: check_guidance([GuidanceConfig(method=method)], options)
    )
    sizes = [size for size in TEXTURE_SIZES if size <= limits.max_texture_size]
    return {
        "steps": gr.Slider(min_steps(settings), limits.max_steps, num_steps[0], step=1, label="Steps"),
        "refine_steps": gr.Slider(
            0, limits.max_steps, num_steps[1], step=1, label="Steps of refinement, 0 for none"
        ),
        "method": gr.Dropdown(list(methods), value=guidance.method, label="Guidance method"),
        "scale": gr.Slider(0, max_scale(settings), guidance.scale, step=0.5, label="Guidance scale"),
        "faces": gr.Slider(
            4, limits.max_faces, settings.extract.target_faces, step=1, label="Faces, at most"
        ),
        "texture_size": gr.Dropdown(sizes, value=settings.bake.texture_size, label="Texture size"),
        "normal_map": gr.Checkbox(settings.bake.normal_map, label="Normal map"),
        "occlusion": gr.Checkbox(settings.bake.occlusion, label="Ambient occlusion"),
    }


def _result_parts(handlers: Handlers) -> tuple[Parts, Parts, Any]:
    """The run that goes on, the asset, its export, the gallery: parts of the view, the form, its notice."""
    card = gr.HTML(pieces.WELCOME, elem_id="run")
    with gr.Column(elem_id="result"):
        with gr.Row():
            viewer = gr.Model3D(
                label="3D", height=320, min_width=240, clear_color=(0.88, 0.88, 0.88, 1.0), interactive=False
            )
            turntable = gr.Image(
                label="Turntable",
                height=320,
                min_width=240,
                interactive=False,
                buttons=[],
                elem_classes="d3-turntable",
            )
        facts = gr.HTML()
        download = gr.DownloadButton("Download", variant="primary")
        with gr.Accordion("Export: other formats, fewer faces, levels of detail, collision", open=False):
            form = _export_parts(handlers.settings, handlers.limits.max_texture_size)
            export = gr.Button("Make the file")
            notice = gr.HTML(elem_classes="d3-maybe")
            file = gr.DownloadButton("Download", visible=False, variant="primary")
    gallery = gr.Gallery(
        label="Your assets, until you leave",
        elem_id="assets",
        columns=6,
        fit_columns=False,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        interactive=False,
        buttons=[],
        visible=False,
    )
    parts = {
        "card": card,
        "timer": gr.Timer(IDLE_SECONDS),
        "viewer": viewer,
        "turntable": turntable,
        "facts": facts,
        "download": download,
        "faces": form["faces"],
        "file": file,
        "gallery": gallery,
        "shown": gr.State(Shown()),
        "export": export,
    }
    return parts, form, notice


def _export_parts(settings: Config, max_texture_size: int) -> Parts:
    """What can be said about a file after the fact, as far as the libraries for it are here."""
    formats = _possible(get_args(FileFormat), lambda name: check_export(ExportConfig(), Path(f"a.{name}")))
    collisions = _possible(
        get_args(Collision), lambda name: check_export(ExportConfig(collision=name), Path("a.glb"))
    )
    compressions = _possible(
        get_args(Compression), lambda name: check_export(ExportConfig(compression=name), Path("a.glb"))
    )
    sizes = [size for size in TEXTURE_SIZES if size <= max_texture_size]
    height = settings.export.height_m or 1.0
    with gr.Row():
        return {
            "format": gr.Dropdown(list(formats), value="glb", label="Format", min_width=140),
            "faces": gr.Slider(4, 5000, 5000, step=1, label="Faces", min_width=200),
            "texture_size": gr.Dropdown(sizes, value=sizes[-1], label="Texture size", min_width=140),
            "lods": gr.Slider(1, 8, 1, step=1, label="Levels", min_width=200),
            "collision": gr.Dropdown(list(collisions), value="none", label="Collision shapes", min_width=140),
            "height": gr.Number(height, label="Height in metres", min_width=140),
            "origin": gr.Dropdown(["bottom", "center"], value="bottom", label="Pivot", min_width=140),
            "compression": gr.Dropdown(list(compressions), value="none", label="Compression", min_width=140),
        }


def _possible(choices: Sequence[Choice], check: Any) -> list[Choice]:
    """Those that the check lets pass: a library that is not installed takes its choices away."""
    found: list[Choice] = []
    for choice in choices:
        try:
            check(choice)
        except InputError:
            continue
        found.append(choice)
    return found
