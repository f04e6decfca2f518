"""What files from anyone say, and how they are called, reaches the terminal as text and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bare_glb import ball
from one_thread import ONE_THREAD

from dream3d.cli import main

pytestmark = pytest.mark.usefixtures("work")


def test_what_a_file_says_cannot_steer_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    extras = {"prompt": "a \x1b]0;title\x07 \ud800 \u202e chair", "\x1b[2J": 1}
    Path("a.glb").write_bytes(ball(extras))
    assert main(["inspect", "a.glb"]) == 0
    said = capfd.readouterr().out
    assert said.replace("\n", "").isprintable()
    assert "title" in said
    assert main(["inspect", "\x1b[31m.glb"]) == 2
    assert capfd.readouterr().err.replace("\n", "").isprintable()


def test_names_of_files_that_are_not_text_are_printed_as_they_are() -> None:
    name = b"f\xff.glb"
    Path(os.fsdecode(name)).write_bytes(ball())
    words = [sys.executable, "-m", "dream3d.cli", "preview", name, "-o", b"f\xff.png", "--views", "1"]
    done = subprocess.run(words, capture_output=True, env=ONE_THREAD)
    assert (done.returncode, done.stdout.strip()) == (0, b"f\xff.png")
