"""A `dream3d demo` of its own and a browser without a screen, to test, photograph and measure the demo."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 600.0  # torch and Gradio on a machine that is very busy
STOP_SECONDS = 60.0

# A run in seconds: nothing of it is good, all of it is there.
TINY = (
    "--coarse.num-steps=8",
    "--refine.num-steps=0",
    "--target-faces=400",
    "--texture-size=64",
    "--extract.resolution=32",
    "--bake.substance=False",
)

CHROMIUM = "/usr/bin/chromium"
# It must not ask for anything by itself: not for updates, not for lists of bad sites.
BROWSER_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class DemoServer:
    """A running server, its address, and where it keeps its files."""

    process: subprocess.Popen[str]
    url: str
    files: Path  # empty again when it has ended
    log: Path  # what it said on stderr

    @classmethod
    def start(cls, folder: Path, *options: str, threads: int = 1) -> "DemoServer":
        """Start one on a free port.

        Args:
            folder: For its files and its log.
            options: Of `dream3d demo`.
            threads: Of torch: more of them than free cores make it many times slower.
        """
        files, log = folder / "tmp", folder / "log.txt"
        files.mkdir(parents=True)
        environment = os.environ | {"TMPDIR": str(files), "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, "-m", "dream3d.cli", "demo", "--port", "0", *options]
        with log.open("w") as stream:
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=stream, text=True
            )
        assert process.stdout
        patience = threading.Timer(START_SECONDS, process.kill)
        patience.start()
        line = process.stdout.readline()
        patience.cancel()
        found = re.search(r"http://\S+", line)
        if not found:
            raise RuntimeError(f"the demo did not start: {line}{log.read_text()}")
        return cls(process, found[0], files, log)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Interrupt it, and wait; its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def find_chromium() -> str | None:
    """Debian's browser; None where it is not installed."""
    return CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a screen, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(BROWSER_ARGUMENTS))
        try:
            yield chromium
        finally:
            chromium.close()
