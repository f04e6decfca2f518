import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from rasterizers import Draw, rasterizer

if TYPE_CHECKING:  # tests of kernels run without what a prior needs
    from dream3d.prior import Prior


def pytest_configure() -> None:
    # A shell's background job ignores Ctrl-C, and so would the programs that the tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.fixture(autouse=True)
def same_random_numbers_in_any_order() -> None:
    """What a test draws without a generator of its own does not depend on the tests before it."""
    torch.manual_seed(0)  # noqa: TID251 - for the few that draw from the global state


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder: commands write there by default."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_prior_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small prior of our kind that was never trained; not to be changed."""
    from prior_folders import write_tiny_prior

    return write_tiny_prior(tmp_path_factory.mktemp("priors") / "tiny")


@pytest.fixture(scope="session")
def tiny_prior(tiny_prior_folder: Path) -> "Prior":
    """The same, loaded."""
    from dream3d.prior import Prior

    return Prior.from_pretrained(str(tiny_prior_folder), "cpu")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device the compiled kernels can run on here."""
    return torch.device(request.param)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu), "reference"])
def draw(request: pytest.FixtureRequest) -> Draw:
    """Every rasteriser: the kernels and the twin."""
    return rasterizer(request.param)


@pytest.fixture
def draw_with_kernel(device: torch.device) -> Draw:
    """The compiled rasteriser of the device."""
    return rasterizer(device.type)
