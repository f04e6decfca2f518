"""The ctypes loader of the compiled kernels: the only door between Python and `cuda/`.

Two plain C libraries live in `dream3d/_kernels/`: `dream3d_cpu`, which is always built, and `dream3d_cuda`,
which is built when a CUDA compiler is present and needs a driver only when a kernel is launched. Both export
the same names (`cuda/include/dream3d/api.h`). An op mirrors its params struct as a `ctypes.Structure` in its
own file and makes one `Kernel` from it; nothing here knows any op.
"""

import ctypes
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dream3d.errors import InputError, RunError

Backend = Literal["auto", "cuda", "cpu", "reference"]
KernelLibrary = Literal["cpu", "cuda"]

KERNEL_FOLDER = Path(__file__).resolve().parent.parent / "_kernels"

POINTER = ctypes.c_void_p
INT32 = ctypes.c_int32
INT64 = ctypes.c_int64
FLOAT = ctypes.c_float

NO_DEVICE = "no usable CUDA device or driver"

_STATUS_OK = 0
_STATUS_INVALID_ARGUMENT = 1


class _Launch(ctypes.Structure):
    """Mirror of D3dLaunch."""

    _fields_ = [("stream", POINTER), ("device", INT32), ("n_threads", INT32)]


@dataclass(frozen=True)
class KernelBackend:
    """What `dream3d doctor` reports about one compiled library."""

    name: KernelLibrary
    path: Path
    loaded: bool
    devices: int  # 1 for the CPU library, usable CUDA devices for the other; 0 when not loaded
    detail: str  # why it cannot be used, or "" when it can


class Kernel:
    """One entry point of the C interface, callable on the CPU or the CUDA library.

    `name` is the C symbol, `params_type` the ctypes mirror of its params struct.
    """

    def __init__(self, name: str, params_type: type[ctypes.Structure]) -> None:
        self.name = name
        self._params_type = params_type
        self._params_size = ctypes.sizeof(params_type)

    def launch(
        self, device: torch.device, **fields: Tensor | ctypes.Structure | tuple[float, ...] | float | None
    ) -> None:
        """Fill the params struct from keyword arguments and run the kernel on `device`.

        Tensors become pointers: they must be contiguous, of the dtype the struct names and on `device`, which
        is for the op to check. On CUDA the kernel is queued on the current stream and is not waited for.

        Raises:
            InputError: the kernel refused its arguments.
            RunError: the library is missing or stale, or the device failed.
        """
        params = self._params_type()
        for name, value in fields.items():
            setattr(params, name, value.data_ptr() if isinstance(value, Tensor) else value)
        library = _load_or_raise(_library_of(device))
        status = _entry_point(library, self.name)(
            ctypes.byref(params), self._params_size, ctypes.byref(_launch_on(device))
        )
        if status != _STATUS_OK:
            message = library.d3d_last_error().decode()
            raise (
                InputError(message)
                if status == _STATUS_INVALID_ARGUMENT
                else RunError(f"{self.name}: {message}")
            )


def resolve_backend(backend: Backend, device: torch.device) -> Literal["cuda", "cpu", "reference"]:
    """The back-end an op uses for tensors on `device`.

    "auto" is the compiled kernel of that device, or the plain-torch reference where there is none.

    Raises:
        InputError: the named back-end cannot work on `device`, or its library is not there.
    """
    if backend == "reference":
        return "reference"
    if backend == "auto":
        usable = device.type in ("cpu", "cuda") and _is_usable(_library_of(device))
        return _library_of(device) if usable else "reference"
    if backend not in ("cuda", "cpu"):
        raise InputError(f"backend must be auto, cuda, cpu or reference, not {backend!r}")
    if device.type != backend:
        raise InputError(
            f"backend {backend!r} needs tensors on {backend}, these are on {device}; move them or use auto"
        )
    if load_library(backend) is None:
        raise InputError(
            f"the {backend} kernels are not installed ({_missing(backend)}); use backend 'reference'"
        )
    if not _is_usable(backend):
        raise InputError(f"the {backend} kernels find {NO_DEVICE}; use backend 'reference'")
    return backend


def _is_usable(name: KernelLibrary) -> bool:
    """Whether the library is there and has a device: one of CUDA's may be newer than the driver."""
    library = load_library(name)
    return library is not None and _has_device(library)


@functools.cache
def _has_device(library: ctypes.CDLL) -> bool:
    return library.d3d_device_count() > 0


def kernel_backends() -> list[KernelBackend]:
    """The state of both compiled libraries, for diagnostics. Never raises."""
    backends = []
    for name in ("cpu", "cuda"):
        path = _library_path(name)
        library = load_library(name)
        devices = int(library.d3d_device_count()) if library is not None else 0
        detail = _missing(name) if library is None else "" if devices else NO_DEVICE
        backends.append(KernelBackend(name, path, library is not None, devices, detail))
    return backends


@functools.cache
def load_library(name: KernelLibrary) -> ctypes.CDLL | None:
    """The compiled library, loaded once per process; None when it is absent or cannot be loaded."""
    try:
        library = ctypes.CDLL(str(_library_path(name)))
        library.d3d_last_error.argtypes = []
        library.d3d_last_error.restype = ctypes.c_char_p
        library.d3d_device_count.argtypes = []
        library.d3d_device_count.restype = INT32
    except (OSError, AttributeError):
        return None
    return library


@functools.cache
def _entry_point(library: ctypes.CDLL, name: str) -> Callable[..., int]:
    try:
        function = getattr(library, name)
    except AttributeError:
        raise RunError(
            f"the kernel library has no {name}; rebuild it (cmake --build) or reinstall dream3d"
        ) from None
    function.argtypes = [POINTER, ctypes.c_size_t, POINTER]
    function.restype = INT32
    return function


def _library_path(name: KernelLibrary) -> Path:
    pattern = {"win32": "dream3d_{}.dll", "darwin": "libdream3d_{}.dylib"}.get(
        sys.platform, "libdream3d_{}.so"
    )
    return KERNEL_FOLDER / pattern.format(name)


def _library_of(device: torch.device) -> KernelLibrary:
    return "cuda" if device.type == "cuda" else "cpu"


def _load_or_raise(name: KernelLibrary) -> ctypes.CDLL:
    library = load_library(name)
    if library is None:
        raise RunError(f"the {name} kernels cannot be used: {_missing(name)}")
    return library


def _missing(name: KernelLibrary) -> str:
    path = _library_path(name)
    return f"{path.name} was built but does not load" if path.exists() else f"{path.name} was not built"


def _launch_on(device: torch.device) -> _Launch:
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return _Launch(torch.cuda.current_stream(index).cuda_stream, index, 1)
    return _Launch(None, 0, torch.get_num_threads())
