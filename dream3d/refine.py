"""The second stage on its own: a mesh and a prompt go in, the mesh with new colors comes out."""

import hashlib
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dream3d.asset import Asset
from dream3d.config import BakeConfig, Config, given_mesh_settings
from dream3d.detail.occlusion import subdivided
from dream3d.errors import InputError
from dream3d.events import Event, OnEvent, ignore
from dream3d.export.layout import game_layout
from dream3d.extract.mesh import Surfaces, clean_surfaces
from dream3d.extract.normals import with_unit_normals
from dream3d.extract.samples import sample_surface
from dream3d.extract.signed_distance import signed_distances
from dream3d.extract.solid import check_solids, close_surfaces, find_flaw
from dream3d.extract.tangents import add_tangents
from dream3d.extract.unwrap import unwrap
from dream3d.extract.uv_quality import uv_fault
from dream3d.finish import bake_material, choose_device, open_prior, provenance
from dream3d.inputs import check_prompt, check_strength
from dream3d.math import linear_to_srgb
from dream3d.mesh import FRAME_RADIUS, ByteArray, Frame, Material, Mesh, TexturedMesh
from dream3d.optimize.paint import fit_colors
from dream3d.prior import Prior, TextEmbedding
from dream3d.render.surface import sample_bilinear
from dream3d.run_folder import open_run
from dream3d.scene.radiance_field import RadianceField
from dream3d.scene.tet_lattice import tet_lattice
from dream3d.scene.tet_surface import TetSurface
from dream3d.stage_config import GuidanceConfig, PaintConfig, RefineConfig
from dream3d.stages import repaint

Geometry = Literal["locked", "free"]

COLOR_SAMPLES = 1 << 17
SAME_COLOR = 2 / 255
METHOD = "score distillation of a 2D diffusion prior into the colors of a given mesh"


def refine(
    model: TexturedMesh,
    prompt: str,
    config: Config | None = None,
    paint: PaintConfig | None = None,
    geometry: Geometry = "locked",
    strength: float = 1.0,
    on_event: OnEvent = ignore,
    prior: Prior | None = None,
    from_prompt: str | None = None,
    run_dir: str | Path | None = None,
) -> Asset:
    """Paint a mesh as a prompt says, and reshape it if that is allowed.

        model = dream3d.load_model("grey-box.obj")
        chest = dream3d.refine(model, "a wooden chest", paint=dream3d.PaintConfig(num_steps=20))
        chest.save("chest.glb")

    Args:
        model: Anyone's mesh, +Y up and facing +Z; `dream3d.load_model` reads one.
        prompt: What it is and how it should look.
        config: All settings; when None, `given_mesh_settings()`: size and pivot stay as they are.
        paint: How the colors are found.
        geometry: "locked" keeps every triangle, and the UVs if they can carry a texture. "free" lets the
            surface flow; the result is a closed mesh of its own with new UVs.
        strength: Factor on the noise levels. At 1 the prompt decides about the colors; at a half those of the
            mesh stay: below a noise of about 0.9 the prior believes what it sees.
        on_event: Called with the progress of each stage.
        prior: A loaded prior to use again; `config.prior` is loaded when it is None.
        from_prompt: What the mesh is as it is: only what the two prompts say differently changes. Of a free
            surface this holds for its colors before it moves.
        run_dir: Folder for the state of the run, with which it can be continued; as of `generate`.

    Returns:
        The asset, in the units and at the place of the given mesh.

    Raises:
        InputError: A setting is impossible, a free mesh encloses nothing, a locked one that has to be closed
            is not, or the folder is of another run.
        RunError: The surface vanished, or does not fit the texture.
        StoppedError: `on_event` asked for it.
    """
    from_prompt = None if from_prompt is None else check_prompt(from_prompt, "from-prompt")
    prompt, config, paint = check_prompt(prompt), config or given_mesh_settings(), paint or PaintConfig()
    device = choose_device(config.device)
    started, frame = time.perf_counter(), Frame.around(model.mesh, FRAME_RADIUS)
    given = replace(model, mesh=with_unit_normals(frame.enter(model.mesh), config.extract.crease_angle_deg))
    free = None if geometry == "locked" else (_free_surface(given.mesh, config, device), config.refine)
    if free is None and config.export.require_watertight:
        _check_closed(given)
    guided = _guidance(paint, None if free is None else config.refine)
    asked = _asked(model, geometry, check_strength(strength), paint, from_prompt)
    with open_run(None if run_dir is None else Path(run_dir)) as folder:
        opened = open_prior(prompt, config, device, prior, on_event, guided, from_prompt)
        prior, embedding = opened.prior, opened.embedding
        metadata = provenance(prompt, config, prior, METHOD) | asked
        if folder is not None:
            folder.claim(metadata | {"device": device})
        keeps = strength < 1.0 or from_prompt is not None or not paint.num_steps
        field, generator = _start_field(given, config, device, keeps)
        weak = _weakened(paint, strength)
        repainted = repaint(
            prior, embedding, field, given.mesh, weak, generator, on_event, folder, from_prompt, free
        )
    surfaces = _surfaces(given.mesh, repainted.surface, config)
    painted, notes = _paint_textures(given, surfaces, field, prior, embedding, config.bake, on_event)
    costs = {"prior_evaluations": repainted.prior_evaluations, "seconds": time.perf_counter() - started}
    textured = replace(painted, mesh=frame.leave(painted.mesh), metadata=metadata)
    unused = _unused_settings(config) if free is None else ()
    return Asset(textured, config.export, costs, opened.warnings + unused + notes)


def _surfaces(given: Mesh, refined: TetSurface | None, config: Config) -> Surfaces:
    """The surface as it was given, or a refined one as a game wants it."""
    if refined is None:
        return Surfaces(given, given)
    surfaces = clean_surfaces(refined, config.extract)
    return close_surfaces(surfaces, config.extract) if config.export.require_watertight else surfaces


def _unused_settings(config: Config) -> tuple[str, ...]:
    """One line per setting that was changed and that a locked mesh does not read."""
    if config.extract.target_faces == given_mesh_settings().extract.target_faces:
        return ()
    return ("--target-faces changes nothing: a locked mesh keeps its triangles; see --geometry free",)


def _asked(
    model: TexturedMesh, geometry: Geometry, strength: float, paint: PaintConfig, from_prompt: str | None
) -> dict[str, object]:
    """What was asked for beyond the settings, for the file's metadata."""
    asked: dict[str, object] = {
        "mesh_sha256": _digest(model),
        "geometry": geometry,
        "strength": strength,
        "paint": asdict(paint),
    }
    return asked if from_prompt is None else asked | {"from_prompt": from_prompt}


def _digest(model: TexturedMesh) -> str:
    """SHA-256 of the triangles and the material, whatever file they come from."""
    digest = hashlib.sha256()
    for name, part in {**vars(model.mesh), **vars(model.material)}.items():
        content = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _guidance(paint: PaintConfig, refine: RefineConfig | None) -> dict[str, GuidanceConfig]:
    """That of the stages that are run, by the option that sets it."""
    guided = {"--paint.guidance": paint.guidance}
    if refine is not None:
        guided["--refine.guidance"] = refine.guidance
    return guided


def _free_surface(mesh: Mesh, config: Config, device: str) -> TetSurface:
    """A surface that can be moved, where the mesh is. Refuses meshes that enclose nothing before any work."""
    if config.export.require_watertight:
        check_solids()
    lattice = tet_lattice(config.refine.lattice_resolution, device=device)
    return TetSurface(lattice, signed_distances(mesh, lattice))


def _check_closed(given: TexturedMesh) -> None:
    """Refuse a mesh that nothing will close, before any work: each of its things, as it will be written."""
    for node in game_layout(given).nodes:
        if flaw := find_flaw(node.mesh):
            whose = node.name if given.things else "the mesh"
            raise InputError(f"{whose} is not watertight, {flaw}: --geometry free, or leave --watertight out")


def _start_field(
    model: TexturedMesh, config: Config, device: str, keeps_colors: bool
) -> tuple[RadianceField, torch.Generator]:
    """A color field with the colors that the mesh has, and the random numbers of what follows.

    A mesh of one color starts gray, as one that is not painted yet, unless its colors are to be kept.
    """
    generator = torch.Generator().manual_seed(config.seed)
    field = RadianceField(config.coarse.radiance_field, generator).to(device)
    points, colors = _surface_colors(model, device)
    is_plain = bool(((colors - colors[0]).abs() < SAME_COLOR).all())
    if keeps_colors or not is_plain:
        fit_colors(field, points, colors, generator)
    return field, generator


def _surface_colors(model: TexturedMesh, device: str) -> tuple[Tensor, Tensor]:
    """Points [N, 3] of a surface and their sRGB-encoded colors [N, 3]."""
    mesh = model.mesh
    samples = sample_surface(mesh, COLOR_SAMPLES, np.random.default_rng(0))
    linear = torch.ones(COLOR_SAMPLES, 3)
    if mesh.colors is not None:
        linear = torch.from_numpy(samples.at(mesh, mesh.colors)).float()
    if mesh.uvs is not None:
        uvs = torch.from_numpy(samples.at(mesh, mesh.uvs)).float()
        linear = linear * sample_bilinear(model.material.base_color_srgb, uvs)
    colors = linear_to_srgb(linear.clamp(0.0, 1.0))
    return torch.from_numpy(samples.at(mesh, mesh.vertices)).float().to(device), colors.to(device)


def _weakened(paint: PaintConfig, strength: float) -> PaintConfig:
    """The settings with all noise levels times the strength."""
    guidance = replace(
        paint.guidance,
        t_max_start=paint.guidance.t_max_start * strength,
        t_max_end=paint.guidance.t_max_end * strength,
        t_min_start=paint.guidance.t_min_start * strength,
        t_min_end=paint.guidance.t_min_end * strength,
    )
    return replace(paint, guidance=guidance)


def _paint_textures(
    given: TexturedMesh,
    surfaces: Surfaces,
    field: RadianceField,
    prior: Prior,
    embedding: TextEmbedding,
    config: BakeConfig,
    on_event: OnEvent,
) -> tuple[TexturedMesh, tuple[str, ...]]:
    """The mesh with its textures, over its own UVs where those are good; and what could not be kept."""
    config = replace(config, samples=1)  # the prior saw the color on the surface itself
    on_event(Event("extract", 0, 1))
    mesh, own, notes = replace(surfaces.mesh, colors=None), given.material, ()
    is_locked = surfaces.dense is given.mesh
    if is_locked and config.normal_map:
        config = replace(config, normal_map=False)
        notes = ("made no new normal map: a locked mesh has no finer surface than itself",)
    fault = uv_fault(mesh)
    if fault:
        mesh = unwrap(mesh, config.texture_size, config.padding_texels)
        if given.mesh.uvs is not None:
            notes = (*notes, f"made new UVs, because {fault}" if is_locked else "made new UVs")
        own = Material(own.base_color_srgb, own.metallic_factor, own.roughness_factor)
    elif _is_ours(given):
        # Read from an earlier prompt: it is read anew. Beside the picture the factors mean nothing.
        factors = (own.metallic_factor, own.roughness_factor) if own.orm is None else (0.0, config.roughness)
        own = Material(own.base_color_srgb, *factors, normal_map=own.normal_map)
        config = replace(config, occlusion=config.occlusion or _has_occlusion(given))
    if config.normal_map or (own.normal_map is not None and mesh.tangents is None):
        mesh = add_tangents(mesh)
    on_event(Event("extract", 1, 1))
    metallic, has_material = 0.0, given.mesh.uvs is not None and not given.material.is_plain
    if has_material:  # what nobody asked to change stays
        metallic, roughness = (float(np.clip(x, 0, 1)) for x in (own.metallic_factor, own.roughness_factor))
        config = replace(config, roughness=roughness, substance=config.substance and own.orm is None)
    # Occlusion is known at vertices only: those of a mesh that was given may be far apart.
    dense = subdivided(surfaces.dense) if is_locked and config.occlusion else surfaces.dense
    made = bake_material(mesh, dense, field, prior, embedding, config, on_event, metallic)
    if has_material:
        normal_map = made.normal_map if config.normal_map else own.normal_map
        made = replace(made, normal_map=normal_map, orm=_new_occlusion(own.orm, made.orm))
    return replace(given, mesh=mesh, material=made), notes


def _is_ours(model: TexturedMesh) -> bool:
    """Whether the file says that this program made it."""
    return "prior_sha256" in model.metadata


def _has_occlusion(model: TexturedMesh) -> bool:
    """Whether the picture of such a file holds occlusion."""
    orm = model.material.orm
    return orm is not None and bool((orm[..., 0] < 255).any())


def _new_occlusion(own: ByteArray | None, made: ByteArray | None) -> ByteArray | None:
    """A packed picture with the occlusion of another one, in its size."""
    if own is None or made is None:
        return made if own is None else own
    fitted = Image.fromarray(own).resize(made.shape[1::-1], Image.Resampling.BILINEAR)
    return np.concatenate([made[..., :1], np.asarray(fitted)[..., 1:]], axis=-1)
