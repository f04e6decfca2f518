import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dream3d.errors import InputError, RunError
from dream3d.ops import _library
from dream3d.ops._library import INT64, POINTER, Kernel, kernel_backends, resolve_backend
from dream3d.ops.rasterize import rasterize

CPU = torch.device("cpu")


class _Params(ctypes.Structure):
    _fields_ = [("positions", POINTER), ("height", INT64)]


@pytest.fixture
def kernel_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installation whose kernels are whatever the test puts into this folder."""
    monkeypatch.setattr(_library, "KERNEL_FOLDER", tmp_path)
    _library.load_library.cache_clear()
    yield tmp_path
    _library.load_library.cache_clear()


def test_backends_are_reported() -> None:
    backends = {backend.name: backend for backend in kernel_backends()}
    assert set(backends) == {"cpu", "cuda"}
    assert backends["cpu"].loaded
    assert backends["cpu"].devices == 1
    assert backends["cpu"].detail == ""
    assert bool(backends["cuda"].detail) == (backends["cuda"].devices == 0)
    if backends["cuda"].loaded:
        assert backends["cuda"].devices == torch.cuda.device_count()


def test_auto_is_the_kernel_of_the_device() -> None:
    assert resolve_backend("auto", CPU) == "cpu"
    assert resolve_backend("reference", CPU) == "reference"
    assert resolve_backend("auto", torch.device("meta")) == "reference"


@pytest.mark.usefixtures("kernel_folder")
def test_without_libraries_auto_is_the_reference() -> None:
    assert not any(backend.loaded for backend in kernel_backends())
    assert [backend.detail for backend in kernel_backends()] == [
        "libdream3d_cpu.so was not built",
        "libdream3d_cuda.so was not built",
    ]
    positions = torch.tensor([[[-1.0, -1, 0, 1], [3, -1, 0, 1], [-1, 3, 0, 1]]])
    faces = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    assert (rasterize(positions, faces, 4, 4).triangle_id == 0).all()
    with pytest.raises(InputError, match=r"not installed .*use backend 'reference'"):
        rasterize(positions, faces, 4, 4, backend="cpu")
    with pytest.raises(RunError, match="was not built"):
        Kernel("d3d_rasterize", _Params).launch(CPU)


def test_a_broken_library_is_named(kernel_folder: Path) -> None:
    (kernel_folder / "libdream3d_cpu.so").write_bytes(b"not a library")
    cpu = next(backend for backend in kernel_backends() if backend.name == "cpu")
    assert not cpu.loaded
    assert "does not load" in cpu.detail


def test_a_stale_library_is_refused() -> None:
    with pytest.raises(RunError, match="rebuild or reinstall"):
        Kernel("d3d_rasterize", _Params).launch(CPU, positions=torch.zeros(3), height=1)
    with pytest.raises(RunError, match="no d3d_of_a_later_version"):
        Kernel("d3d_of_a_later_version", _Params).launch(CPU)


def test_a_refusal_of_the_kernel_is_an_input_error() -> None:
    """The Python checks come first; this is what happens when one of them lets something through."""
    with pytest.raises(InputError, match="between 0 and 32768"):
        torch.ops.dream3d.rasterize(torch.zeros(0, 1, 4), torch.zeros(0, 3, dtype=torch.int32), 0, 40000)
