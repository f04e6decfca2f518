"""The command `dream3d demo`: what is refused before anything is served."""

import socket
import sys
from pathlib import Path

import pytest

from dream3d.cli import main
from dream3d.cli_demo import AUTH_VARIABLE

pytestmark = pytest.mark.usefixtures("work")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command, which must be refused; its one line of explanation."""
    assert main(["demo", *words]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    (line,) = streams.err.splitlines()
    assert line.startswith("dream3d: error: ")
    return line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--host", "0.0.0.0"], "--host '0.0.0.0' lets other machines in: add --listen if that is meant"),
        (["--host", "example.com"], "add --listen"),
        (["--host", ""], "add --listen"),
        (["--listen", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1:7860: "),
        (["--listen", "--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid:7860: "),
        (["--port", "65536"], "--port must be from 0 to 65535, not 65536"),
        (["--port", "-1"], "--port must be from 0 to 65535, not -1"),
        (["--auth", "secret"], "--auth must be USER:PASSWORD, both not empty, or @FILE"),
        (["--auth", ":secret"], "--auth must be USER:PASSWORD"),
        (["--auth", "ann:"], "--auth must be USER:PASSWORD"),
        (["--auth", "@missing"], "--auth: missing cannot be read: "),
        (["--limits.max-waiting", "0"], "--limits.max-waiting must be above 0, not 0"),
        (["--limits.max-steps", "50"], "--coarse.num-steps 80 is above --limits.max-steps 50: change one"),
        (["--texture-size", "2048"], "--texture-size 2048 is above --limits.max-texture-size 1024"),
        (["--config", "quick"], "--config quick: no such file"),
        (["--shares"], "unknown option --shares"),
        (["a red mushroom"], "unknown argument 'a red mushroom'"),
    ],
)
def test_bad_input_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    line = refused(capsys, *words)
    assert says in line
    assert "secret" not in line


def test_a_password_may_come_from_a_file_or_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("login").write_text("only-a-user\nann:password\n")
    assert "--auth must be USER:PASSWORD" in refused(capsys, "--auth", "@login")
    monkeypatch.setenv(AUTH_VARIABLE, "@login")
    assert f"{AUTH_VARIABLE} must be USER:PASSWORD" in refused(capsys)
    Path("login").write_text("ann:pass:word\nmore\n")
    assert "--port must be" in refused(capsys, "--port", "-1")  # the login itself is fine


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(capsys, "--port", str(port))
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port" in line


def test_an_unknown_prior_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown prior 'nonsense'" in refused(capsys, "--port", "0", "--prior", "nonsense")


def test_without_gradio_one_line_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    line = refused(capsys)
    assert line.endswith(
        "dream3d demo needs the demo extra: pip install 'dream3d[demo]', or use dream3d generate"
    )
