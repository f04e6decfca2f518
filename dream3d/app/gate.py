"""Who may send what: the layer between the network and Gradio, which knows neither visitors nor limits.

What the page does not use is not there. Files are served to the visitor whose they are. Calls carry plain
values, so that Gradio has no file to look for and no address to fetch. Nothing on the page may come from
another machine.
"""

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dream3d.app.visitors import Visitor, Visitors
from dream3d.errors import InputError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API = "/gradio_api"
MAX_BODY_BYTES = 64_000
MAX_TEXT_LENGTH = 4_000  # of one value; a prompt is held to less where it is read
WRONG_PASSWORD_SECONDS = 0.5

OPEN_PAGES = ("/theme.css", "/favicon.ico", "/manifest.json")
OPEN_FOLDERS = ("/static/", "/assets/", "/svelte/")  # of Gradio's package
CALL = f"{API}/run/predict"  # nothing on the page waits in Gradio's queue

# Gradio's page runs its templates with `eval` and has scripts inside: those of this origin, and no other.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class Gate:
    """An ASGI application around another one."""

    def __init__(
        self, app: App, visitors: Visitors, cookie: str, hosts: frozenset[str] | None, login: str | None
    ) -> None:
        """Put the gate before an application.

        Args:
            app: Gradio's.
            visitors: Who is there.
            cookie: Name of the cookie with a visitor's secret.
            hosts: Names by which the server is reached, None for any. Others are refused: a page of a
                stranger may have pointed its own name at this machine.
            login: "USER:PASSWORD" that everybody has to know, or None.
        """
        self.app = app
        self.visitors = visitors
        self.cookie = cookie
        self.hosts = hosts
        self.login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._take(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        method, path = scope["method"], scope["path"]
        if self.hosts is not None and _host(headers.get("host", "")) not in self.hosts:
            await _refuse(send, 403, "this server answers to localhost only")
        elif self.login is not None and not _knows(self.login, headers.get("authorization", "")):
            await asyncio.sleep(WRONG_PASSWORD_SECONDS)
            await _refuse(
                send, 401, "user and password, please", ("www-authenticate", 'Basic realm="dream3d"')
            )
        elif path == "/" and method in ("GET", "HEAD"):
            await self._welcome(headers, scope, receive, send)
        elif method in ("GET", "HEAD") and (path in OPEN_PAGES or path.startswith(OPEN_FOLDERS)):
            await self.app(scope, receive, _sealed(send))
        elif method == "POST" and path == CALL:  # who is not known is told so on the page
            await self._call(scope, receive, send)
        elif (visitor := self.visitors.find(self._secret(headers))) is None:
            await _refuse(send, 403, "reload the page")
        else:
            await self._serve(visitor, scope, receive, send)

    async def _welcome(self, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        """The page itself, and a secret for those who have none."""
        try:
            visitor = self.visitors.greet(self._secret(headers))
        except InputError as error:
            await _refuse(send, 503, str(error))
            return
        cookie = f"{self.cookie}={visitor.secret}; Path=/; HttpOnly; SameSite=Strict"
        await self.app(scope, receive, _sealed(send, (b"set-cookie", cookie.encode())))

    async def _serve(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """What only visitors get."""
        method, path = scope["method"], scope["path"]
        if method == "GET" and path.startswith(f"{API}/heartbeat/"):
            with self.visitors.tab(visitor):
                await self.app(scope, receive, _sealed(send))
        elif method in ("GET", "HEAD") and path.startswith(f"{API}/file="):
            file = Path(path.removeprefix(f"{API}/file="))
            if not visitor.owns(file) or not _is_there(file):
                await _refuse(send, 404, "no such file")
            else:
                await self.app(scope, receive, _sealed(send))
        else:
            await _refuse(send, 404, "there is nothing here")

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A button was pressed, or so it says."""
        body = await _read_call(receive)
        if body is None:
            await _refuse(send, 422, "not a call of this page")
        else:
            await self.app(scope, _again(body, receive), _sealed(send))

    def _secret(self, headers: dict[str, str]) -> str | None:
        with contextlib.suppress(CookieError):
            cookies = SimpleCookie(headers.get("cookie", ""))
            return cookies[self.cookie].value if self.cookie in cookies else None
        return None


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{header}").hostname or ""
    return ""


def _knows(login: str, header: str) -> bool:
    """True for the right Basic credentials (RFC 7617), compared in constant time."""
    scheme, _, token = header.partition(" ")
    try:
        given = base64.b64decode(token, validate=True)
    except ValueError:
        return False
    return scheme.lower() == "basic" and secrets.compare_digest(given, login.encode())


def _is_there(path: Path) -> bool:
    """True for a file, named without dots and links that lead elsewhere."""
    try:
        return path.is_file() and path.resolve() == path
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


async def _read_call(receive: Receive) -> bytes | None:
    """The body of a call: JSON whose `data`, if any, is a list of short plain values. Else None."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            break
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict):
        return None
    data = call.get("data", [])
    return body if isinstance(data, list) and all(map(_is_short, data)) else None


def _is_short(value: object) -> bool:
    is_plain = value is None or isinstance(value, str | int | float)
    return is_plain and not (isinstance(value, str) and len(value) > MAX_TEXT_LENGTH)


def _again(body: bytes, receive: Receive) -> Receive:
    """A connection on which a body that was read comes once more."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _sealed(send: Send, *extra: tuple[bytes, bytes]) -> Send:
    """A connection whose answers carry our headers."""

    async def send_sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS, *extra]
        await send(message)

    return send_sealed


async def _refuse(send: Send, status: int, why: str, *extra: tuple[str, str]) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    headers += [(key.encode(), value.encode()) for key, value in extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})
