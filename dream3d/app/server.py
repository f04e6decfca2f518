"""The demo's server: its parts put together, and taken apart again so that nothing is left."""

import contextlib
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dream3d.app.files import make
from dream3d.app.gate import App, Gate
from dream3d.app.jobs import Worker
from dream3d.app.limits import Limits
from dream3d.app.visitors import Visitors
from dream3d.config import Config
from dream3d.errors import InputError
from dream3d.pipeline import Pipeline

SWEEP_SECONDS = 2.0
SHUTDOWN_SECONDS = 2  # for requests that go on; pages that are open never end by themselves
STOP_SECONDS = 20.0  # for the run that goes on, to its next event
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

# Gradio asks the network whether it is up to date and says that it was started, unless it is told not to.
QUIET_GRADIO = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}


@dataclass(frozen=True)
class Address:
    """Where the server is reached, and by whom."""

    host: str = "127.0.0.1"
    port: int = 7860  # 0 takes a free one
    login: str | None = None  # "USER:PASSWORD" that everybody has to know

    @property
    def is_local(self) -> bool:
        """True if only this machine reaches it."""
        return self.host in LOCAL_HOSTS

    def listen(self) -> socket.socket:
        """Take the port, before any work.

        Raises:
            InputError: It is taken, or the host is no address of this machine.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
            listener.listen(128)
        except OSError as error:
            listener.close()
            where = f"{self.host}:{self.port}"
            raise InputError(f"cannot listen on {where}: {error.strerror}; choose another --port") from None
        return listener


@contextlib.contextmanager
def serve(
    listener: socket.socket, address: Address, settings: Config, draft_steps: tuple[int, int], limits: Limits
) -> Iterator[str]:
    """Serve the demo while the block goes on; then stop what goes on, and remove all files.

    Args:
        listener: From `address.listen`; it is closed.
        address: Who may come.
        settings: Of the runs; visitors change some of them.
        draft_steps: Steps of the quick quality, and of its refinement.
        limits: How much is done for visitors.

    Yields:
        The URL.

    Raises:
        InputError: The prior cannot be loaded.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        pipeline = Pipeline.from_pretrained(settings.prior, settings.device, settings.prior_options)
        folder = Path(tempfile.mkdtemp(prefix="dream3d-demo-")).resolve()  # nobody else may look into it
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        worker = Worker(partial(make, pipeline=pipeline), limits.max_waiting)
        stack.callback(worker.close, STOP_SECONDS)
        visitors = Visitors(folder / "visitors", worker, limits)
        stack.callback(visitors.close)
        stack.enter_context(_sweeping(visitors))
        port = listener.getsockname()[1]
        cookie = f"dream3d_{port}"  # cookies do not tell ports apart
        app = _gradio_app(folder, settings, draft_steps, limits, pipeline, visitors, cookie)
        hosts = LOCAL_HOSTS if address.is_local else None
        stack.enter_context(_running(Gate(app, visitors, cookie, hosts, address.login), listener))
        name = f"[{address.host}]" if ":" in address.host else address.host
        yield f"http://{name}:{port}"


def _gradio_app(
    folder: Path,
    settings: Config,
    draft_steps: tuple[int, int],
    limits: Limits,
    pipeline: Pipeline,
    visitors: Visitors,
    cookie: str,
) -> App:
    """Gradio's application with our page."""
    os.environ.update(QUIET_GRADIO | {"GRADIO_TEMP_DIR": str(folder / "gradio")})
    import gradio as gr
    from fastapi import FastAPI

    from dream3d.app.handlers import Handlers
    from dream3d.app.page import CSS, HEAD, build_page, theme

    gr.set_static_paths([visitors.folder])  # served where they are: the gate knows whose they are
    page = build_page(Handlers(settings, limits, pipeline.prior, visitors, cookie), draft_steps)
    return gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        theme=theme(),
        css_paths=[CSS],
        head=HEAD,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        show_error=True,
        max_file_size=1,
    )


@contextlib.contextmanager
def _running(app: App, listener: socket.socket) -> Iterator[None]:
    """Within, a thread answers."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=SHUTDOWN_SECONDS, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="dream3d-server", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def _sweeping(visitors: Visitors) -> Iterator[None]:
    """Within, a thread removes what is not needed any more."""
    is_over = threading.Event()

    def sweep() -> None:
        while not is_over.wait(SWEEP_SECONDS):
            visitors.sweep()

    thread = threading.Thread(target=sweep, name="dream3d-sweep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
