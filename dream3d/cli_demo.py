"""The command `dream3d demo`: the page in a browser, for this machine or, when asked, for others."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from dream3d.app.limits import Limits
from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.extras import check_extra
from dream3d.overlays import Overlays, Settings, Switch, load_config

AUTH_VARIABLE = "DREAM3D_DEMO_AUTH"
LOCAL, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - bound to only with --listen


@dataclass(frozen=True)
class Demo:
    """Serve a page to generate in a browser, watch, and download.

    Only this machine reaches it, unless --listen is given. Ctrl-C ends it and removes all its files.
    """

    host: str | None = None
    """Address to bind; 127.0.0.1, or 0.0.0.0 with --listen."""
    port: int = 7860
    """Port; 0 takes a free one."""
    listen: Switch = False
    """Let other machines in."""
    auth: Annotated[str | None, tyro.conf.arg(metavar="USER:PASSWORD|@FILE")] = None
    """What visitors have to know, or @FILE with that in its first line: other users of this machine can see a
    command line. Without the option, the environment variable DREAM3D_DEMO_AUTH is read the same way."""
    config: Annotated[Overlays, tyro.conf.arg(metavar="NAME|FILE", help_behavior_hint="(repeatable)")] = ()
    """Settings of the runs, by name or from a YAML file; visitors change those that are on the page."""
    limits: Limits = field(default_factory=Limits)
    settings: Annotated[Settings, tyro.conf.arg(name="")] = field(default_factory=Config)

    def run(self) -> int:
        """Serve until Ctrl-C or SIGTERM."""
        check_extra("gradio", "demo", "dream3d demo", "use dream3d generate")
        host, login = self._host(), _read_login(self.auth)
        draft = load_config("draft")
        self._check_limits()
        # Heavy: torch and Gradio.
        from dream3d.app.server import Address, serve

        address = Address(host, self.port, login)
        listener = address.listen()
        steps = (
            min(draft.coarse.num_steps, self.settings.coarse.num_steps),
            min(draft.refine.num_steps, self.settings.refine.num_steps),
        )
        with (
            _until_interrupted() as interrupted,
            serve(listener, address, self.settings, steps, self.limits) as url,
        ):
            print(f"dream3d demo: {url}  (Ctrl-C ends it)", flush=True)
            if not address.is_local and login is None:
                print(
                    "dream3d: warning: anyone who reaches this port can use it; see --auth", file=sys.stderr
                )
            interrupted.wait()
            print("stopping", file=sys.stderr, flush=True)
        return 0

    def _host(self) -> str:
        host = (EVERYWHERE if self.listen else LOCAL) if self.host is None else self.host
        if not self.listen and host not in (LOCAL, "localhost", "::1"):
            raise InputError(f"--host {host!r} lets other machines in: add --listen if that is meant")
        if not 0 <= self.port <= 65535:
            raise InputError(f"--port must be from 0 to 65535, not {self.port}")
        return host

    def _check_limits(self) -> None:
        """Refuse settings that no visitor would be allowed to ask for."""
        settings, limits = self.settings, self.limits
        for name, value, most, flag in (
            ("--coarse.num-steps", settings.coarse.num_steps, limits.max_steps, "max-steps"),
            ("--refine.num-steps", settings.refine.num_steps, limits.max_steps, "max-steps"),
            ("--target-faces", settings.extract.target_faces, limits.max_faces, "max-faces"),
            ("--texture-size", settings.bake.texture_size, limits.max_texture_size, "max-texture-size"),
        ):
            if value > most:
                raise InputError(f"{name} {value} is above --limits.{flag} {most}: change one of them")


def _read_login(auth: str | None) -> str | None:
    """What visitors have to know: from the option, its file, or the environment.

    Raises:
        InputError: The file cannot be read, or it is not USER:PASSWORD.
    """
    given = os.environ.get(AUTH_VARIABLE) if auth is None else auth
    where = AUTH_VARIABLE if auth is None else "--auth"
    if given is None:
        return None
    if given.startswith("@"):
        try:
            lines = Path(given[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{where}: {given[1:]} cannot be read: {error}") from None
        given = lines[0] if lines else ""
    user, _, password = given.partition(":")
    if not user or not password:  # and what was given is not repeated: it may be most of a password
        raise InputError(
            f"{where} must be USER:PASSWORD, both not empty, or @FILE with that in its first line"
        )
    return given


@contextlib.contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Within, the first Ctrl-C or SIGTERM sets the event; a second one ends the process as usual."""
    interrupted = threading.Event()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(*_: object) -> None:
        interrupted.set()
        restore()

    for number in previous:
        signal.signal(number, note)
    try:
        yield interrupted
    finally:
        restore()
