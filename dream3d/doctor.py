"""What dream3d would use on this machine, and why."""

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dream3d.errors import InputError

if TYPE_CHECKING:
    from dream3d.ops._library import KernelBackend

Status = Literal["ok", "note", "problem"]

REQUIRED = (
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "numpy",
    "trimesh",
    "xatlas",
    "fast-simplification",
)
OPTIONAL = {
    "tinycudann": "not used yet",
    "nerfacc": "not used yet",
    "nvdiffrast": "the rasteriser's ops take it by name",
}
EXTRAS = {
    "video": ("imageio-ffmpeg", "turntables as .mp4"),
    "collision": ("coacd", "--collision"),
    "watertight": ("manifold3d", "--watertight"),
    "meshopt": ("meshopt", "--compression"),
    "usd": ("usd-core", "--format usdz"),
    "vsd": ("peft", "--guidance vsd and esd, --lora"),
    "demo": ("gradio", "dream3d demo"),
    "farm": ("ray", "dream3d batch --engine ray"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str  # what was looked at
    status: Status  # "problem" needs an action, "note" is worth knowing
    value: str  # what was found
    why: str = ""  # what follows from it, or what to do


def diagnose() -> list[Finding]:
    """Look at versions, devices, threads, kernels, optional back-ends, extras and the built-in prior."""
    return [_python(), *_versions(), _device(), _threads(), *_kernels(), *_optional(), *_extras(), _prior()]


def format_findings(findings: list[Finding]) -> str:
    """The report as aligned lines."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        why = f"  ({finding.why})" if finding.why else ""
        lines.append(f"{finding.status:<8} {finding.name:<{width}}  {finding.value}{why}")
    return "\n".join(lines)


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _versions() -> list[Finding]:
    findings = [_version("dream3d", "not installed as a package: run make setup or pip install")]
    return findings + [_version(name, f"required: pip install {name}") for name in REQUIRED]


def _version(name: str, missing: str) -> Finding:
    try:
        return Finding(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "problem", "missing", missing)


def _device() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("device", "ok", f"cuda: {torch.cuda.get_device_name()}", "--device auto takes it")
    if torch.version.cuda is None:
        return Finding("device", "ok", "cpu", "this torch is built without CUDA")
    return Finding("device", "ok", "cpu", "torch finds no usable GPU")


def _threads() -> Finding:
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    why = f"{usable} CPU cores may be used"
    if threads > usable:
        return Finding("threads", "note", str(threads), f"{why}; set OMP_NUM_THREADS={usable}")
    return Finding("threads", "ok", str(threads), why)


def _kernels() -> list[Finding]:
    from dream3d.ops._library import kernel_backends

    return [_kernel(backend) for backend in kernel_backends()]


def _kernel(backend: "KernelBackend") -> Finding:
    name = f"kernels {backend.name}"
    if backend.loaded and backend.devices:
        return Finding(name, "ok", str(backend.path), "used for tensors on this device")
    if backend.loaded or backend.name == "cuda":
        return Finding(name, "note", "not used", backend.detail)
    return Finding(name, "problem", "missing", f"{backend.detail}; the slow torch twins are used")


def _optional() -> list[Finding]:
    findings = []
    for name, use in OPTIONAL.items():
        try:
            findings.append(Finding(name, "note", importlib.metadata.version(name), f"installed; {use}"))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(name, "ok", "not installed", "optional, never required"))
    return findings


def _extras() -> list[Finding]:
    """Each extra by the library that it installs."""
    findings = []
    for extra, (name, use) in EXTRAS.items():
        try:
            found = f"{name} {importlib.metadata.version(name)}"
            findings.append(Finding(f"extra {extra}", "ok", found, use))
        except importlib.metadata.PackageNotFoundError:
            why = f"for {use}: pip install 'dream3d[{extra}]'"
            findings.append(Finding(f"extra {extra}", "ok", "not installed", why))
    return findings


def _prior() -> Finding:
    from dream3d.prior.card import read_card
    from dream3d.prior.folder import find_prior

    try:
        folder = find_prior("props")
        words = len(read_card(folder).vocabulary.content_words())
    except InputError as error:
        return Finding("prior props", "problem", "missing", str(error))
    return Finding("prior props", "ok", str(folder), f"built in; knows {words} words")
