"""The command `dream3d refine`: a mesh goes in, the same mesh comes out painted, or reshaped too."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from dream3d.cli_asset import deliver, print_plan, stopped_between_steps
from dream3d.config import check_guidance, given_mesh_settings
from dream3d.errors import InputError
from dream3d.events import OnEvent
from dream3d.inputs import check_file, check_output, check_prompt, check_strength, default_output
from dream3d.overlays import Overlays, Settings, Switch
from dream3d.stage_config import PaintConfig

if TYPE_CHECKING:
    from dream3d.asset import Asset
    from dream3d.mesh import TexturedMesh
    from dream3d.prior import Prior

KEPT_STRENGTH = 0.5


@dataclass(frozen=True)
class Refine:
    """Paint a mesh of your own, or one made before, as a prompt says.

    Leaves FILE.glb, FILE.json (how it was made) and FILE.png (a preview). The mesh stands on +Y and faces +Z.
    UVs without overlaps are kept, and with them its normal map, roughness and metallic.
    """

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MESH.glb|MESH.obj")]
    """The mesh."""
    prompt: Annotated[str | None, tyro.conf.arg(aliases=["-p"], metavar="PROMPT")] = None
    """What it is and how it should look; without this, the prompt that the file says it was made from."""
    from_prompt: Annotated[str | None, tyro.conf.arg(metavar="PROMPT")] = None
    """What the mesh looks like now: an edit that changes what the two prompts say differently, no more."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="FILE.glb")] = None
    """Where to write it; without this, MESH-refined.glb in the working folder."""
    geometry: Literal["locked", "free"] = "locked"
    """Keep every triangle, or let the surface flow: it then gets triangles and UVs of its own."""
    strength: Annotated[float | None, tyro.conf.arg(metavar="0..1")] = None
    """1 lets the prompt decide about the colors, 0.5 keeps those of the file and cleans them up; without
    this, 1 with a --prompt and 0.5 without. A free surface is painted once more while it flows, as its own
    settings (`refine.*`) say."""
    paint: tyro.conf.FlagConversionOff[PaintConfig] = field(default_factory=PaintConfig)
    config: Annotated[Overlays, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(repeatable)")] = ()
    """Overlay of settings, by name (draft, standard) or a YAML file; later ones win, options win over all."""
    run_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Keep the state of the run in this folder: after an interruption the same command goes on from it."""
    dry_run: Switch = False
    """Check the input, print what would be done with which settings, and stop."""
    quiet: Switch = False
    """No progress; only errors and the paths of what was made."""
    json: Switch = False
    """Print one JSON object (files, metrics, warnings) on stdout and nothing else."""
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=given_mesh_settings)

    def run(self, prior: "Prior | None" = None) -> int:
        """Check the input, refine, save, and say what was made.

        Args:
            prior: That of the settings, where it is loaded already.
        """
        if self.file.suffix.lower() not in (".glb", ".obj"):
            raise InputError(f"{self.file} must end in .glb or .obj")
        check_file(self.file, self.file.suffix.lower())
        export = self.settings.export
        output = self.output or default_output(f"{self.file.stem}-refined", export.suffixes[0])
        check_output(output, export.suffixes)
        if output.resolve() == self.file.resolve():
            raise InputError(f"{output} is the mesh itself; name another file")
        from dream3d.export.checks import check_export

        check_export(export, output)
        prompt = None if self.prompt is None else check_prompt(self.prompt)
        from_prompt = None if self.from_prompt is None else check_prompt(self.from_prompt, "--from-prompt")
        if from_prompt and not prompt:
            raise InputError("--from-prompt says what the mesh is: --prompt must say what it should become")
        free = [self.settings.refine.guidance] if self.geometry == "free" else []
        check_guidance([self.paint.guidance, *free], self.settings.prior_options)
        usual = 1.0 if prompt else KEPT_STRENGTH
        strength = usual if self.strength is None else check_strength(self.strength)
        # Heavy: torch.
        from dream3d.export.load_model import load_model

        model = load_model(self.file)
        prompt = prompt or check_prompt(str(model.metadata.get("prompt", "")), f"prompt of {self.file.name}")
        if self.dry_run:
            self._print_plan(model, prompt, output, strength, from_prompt)
            return 0
        # Heavy: diffusers. Only now is there work to do.
        from dream3d.refine import refine

        with stopped_between_steps((lambda: "the same command") if self.run_dir else None) as stop:

            def make(on_event: OnEvent) -> "Asset":
                return refine(
                    model,
                    prompt,
                    self.settings,
                    self.paint,
                    self.geometry,
                    strength,
                    lambda event: stop(on_event, event),
                    prior,
                    from_prompt,
                    self.run_dir,
                )

            return deliver(make, output, self.quiet, self.json)

    def _print_plan(
        self,
        model: "TexturedMesh",
        prompt: str,
        output: Path,
        strength: float,
        from_prompt: str | None,
    ) -> None:
        from dream3d.extract.uv_quality import uv_fault

        words = ["refine", str(self.file), "-p", prompt, "-o", str(output)]
        words += ["--geometry", self.geometry, "--strength", str(strength)]
        words += ["--from-prompt", from_prompt] if from_prompt else []
        faces, is_locked = len(model.mesh.faces), self.geometry == "locked"
        fault = uv_fault(model.mesh) if is_locked else "the surface is free"
        uvs = f"new, because {fault}" if fault else "kept"
        facts: dict[str, object] = {"file": str(self.file), "prompt": prompt, "output": str(output)}
        facts |= {"geometry": self.geometry, "strength": strength, "faces": faces, "uvs": uvs}
        facts |= {"from_prompt": from_prompt} if from_prompt else {}
        note = f"{faces} triangles: {'kept' if is_locked else 'new'}; UVs: {uvs}"
        print_plan(words, facts, asdict(self.settings) | {"paint": asdict(self.paint)}, self.json, note)
