"""The layer before Gradio: what is not for a visitor does not get through."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from demo_jobs import made_in, wait_for_end

from dream3d.app.gate import WRONG_PASSWORD_SECONDS, Gate
from dream3d.app.jobs import Worker
from dream3d.app.limits import Limits, Order
from dream3d.app.server import LOCAL_HOSTS
from dream3d.app.visitors import Visitors
from dream3d.config import Config

CALL = b'{"data": ["a red mushroom", 7, null, true, 0.5], "fn_index": 1, "session_hash": "x"}'


class Site:
    """A gate before an application that remembers what reached it."""

    def __init__(self, visitors: Visitors, **options: Any) -> None:
        settings = {"hosts": LOCAL_HOSTS, "login": None} | options
        self.gate = Gate(self.answer, visitors, "dream3d_1", **settings)
        self.reached: list[tuple[str, bytes]] = []

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        self.reached.append((scope["path"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"x/y")]})
        await send({"type": "http.response.body", "body": b"reached"})

    def ask(
        self,
        method: str,
        path: str,
        secret: str | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers and text of an answer."""
        given = {"host": "127.0.0.1:7860"} | (headers or {})
        if secret is not None:
            given["cookie"] = f"other=1; dream3d_1={secret}"
        messages = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(key.encode(), value.encode("latin-1")) for key, value in given.items()],
        }
        asyncio.run(self.gate(scope, receive, send))
        found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
        return sent[0]["status"], found, sent[1]["body"].decode()


@pytest.fixture
def visitors(tmp_path: Path):
    worker = Worker(made_in, max_waiting=4)
    yield Visitors(tmp_path, worker, Limits(max_visitors=5))
    assert worker.close(30.0)


@pytest.fixture
def site(visitors: Visitors) -> Site:
    return Site(visitors)


def test_the_page_gives_a_secret_that_scripts_and_other_sites_do_not_see(
    site: Site, visitors: Visitors
) -> None:
    status, headers, _ = site.ask("GET", "/")
    assert status == 200
    name, *attributes = headers["set-cookie"].split("; ")
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Strict"]
    secret = name.removeprefix("dream3d_1=")
    assert visitors.find(secret) is not None
    assert len(secret) == 32
    assert site.ask("GET", "/", secret)[1]["set-cookie"] == headers["set-cookie"]  # the same visitor


def test_the_page_may_load_nothing_from_anywhere_else(site: Site) -> None:
    policy = site.ask("GET", "/")[1]["content-security-policy"]
    sources = {word for rule in policy.split("; ") for word in rule.split()[1:]}
    assert sources <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/proxy=http://example.com"),
        ("GET", "/gradio_api/file=http://example.com/x"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/queue/join"),
        ("GET", "/gradio_api/queue/data"),
        ("POST", "/gradio_api/call/order"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/monitoring"),
        ("GET", "/config"),
        ("POST", "/"),
        ("PUT", "/gradio_api/run/predict"),
        ("GET", "/docs"),
    ],
)
def test_what_the_page_does_not_use_is_not_there(
    site: Site, visitors: Visitors, method: str, path: str
) -> None:
    assert site.ask(method, path, visitors.greet(None).secret, CALL)[0] == 404
    assert site.reached == []


def test_calls_arrive_as_they_were_sent(site: Site, visitors: Visitors) -> None:
    assert site.ask("POST", "/gradio_api/run/predict", visitors.greet(None).secret, CALL)[0] == 200
    assert site.reached == [("/gradio_api/run/predict", CALL)]


def test_an_open_page_and_files_need_a_visitor(site: Site) -> None:
    for path in ("/gradio_api/heartbeat/x", "/gradio_api/file=/etc/passwd", "/anything"):
        for secret in (None, "", "guessed"):
            assert site.ask("GET", path, secret)[0] == 403
    assert site.reached == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b"{",
        b"\xff",
        b"[" * 60_000,
        b'{"data": {"a": 1}}',
        b'{"data": [{"path": "http://example.com", "meta": {"_type": "gradio.FileData"}}]}',
        b'{"data": [["a"]]}',
        json.dumps({"data": ["x" * 4001]}).encode(),
        json.dumps({"data": ["x"] * 20_000}).encode(),
    ],
)
def test_calls_carry_short_plain_values_only(site: Site, visitors: Visitors, body: bytes) -> None:
    assert site.ask("POST", "/gradio_api/run/predict", visitors.greet(None).secret, body)[0] == 422
    assert site.reached == []


def test_files_are_served_to_their_visitor_alone(site: Site, visitors: Visitors, tmp_path: Path) -> None:
    one, two = visitors.greet(None), visitors.greet(None)
    job = visitors.submit(one, Order("a red mushroom", Config()))
    wait_for_end(job)
    assert job.made
    (tmp_path / "secret.txt").write_text("of the server")
    (job.made.glb.parent / "link").symlink_to(tmp_path)
    mine = f"/gradio_api/file={job.made.glb}"
    assert site.ask("GET", mine, one.secret)[0] == 200
    assert site.ask("GET", mine, two.secret)[0] == 404
    assert site.ask("GET", mine)[0] == 403
    folder = job.made.glb.parent
    for path in (
        f"{folder}/../secret.txt",
        f"{folder}/..\\secret.txt",
        f"{folder}/link/secret.txt",
        f"{folder.parent}",
        f"{folder}",
        f"{folder}/missing.glb",
        "asset.glb",
        f"file://{job.made.glb}",
        f"{folder}/\0",
        f"{folder}/" + "x" * 5000,
    ):
        assert site.ask("GET", f"/gradio_api/file={path}", one.secret)[0] == 404, path
    assert len(site.reached) == 1


def test_only_names_of_this_machine_are_answered(visitors: Visitors) -> None:
    local, any_name = Site(visitors), Site(visitors, hosts=None)
    for host in ("localhost", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:1"):
        assert local.ask("GET", "/", headers={"host": host})[0] == 200, host
    for host in ("", "evil.example:7860", "127.0.0.1.evil.example", "localhost@evil.example", "[::1", "a b"):
        assert local.ask("GET", "/", headers={"host": host})[0] == 403, host
        assert any_name.ask("GET", "/", headers={"host": host})[0] == 200


def test_a_login_guards_everything(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WRONG_PASSWORD_SECONDS > 0
    monkeypatch.setattr("dream3d.app.gate.WRONG_PASSWORD_SECONDS", 0.0)
    site, secret = Site(visitors, login="ann:päss:word"), visitors.greet(None).secret

    def with_login(text: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    wrong = [
        {},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        with_login("ann:pass"),
        with_login(""),
    ]
    wrong.append({"authorization": "Bearer " + base64.b64encode("ann:päss:word".encode()).decode()})
    for path in ("/", "/assets/index.js", "/theme.css", "/gradio_api/heartbeat/x", "/gradio_api/file=/x"):
        for headers in wrong:
            status, answer, _ = site.ask("GET", path, secret, headers=headers)
            assert (status, answer["www-authenticate"]) == (401, 'Basic realm="dream3d"')
    assert site.reached == []
    assert site.ask("GET", "/", headers=with_login("ann:päss:word"))[0] == 200


def test_an_open_page_keeps_its_visitor(visitors: Visitors) -> None:
    visitor = visitors.greet(None)
    seen: list[int] = []

    class Watching(Site):
        async def answer(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(visitor.num_tabs)
            await super().answer(scope, receive, send)

    Watching(visitors).ask("GET", "/gradio_api/heartbeat/x", visitor.secret)
    assert (seen, visitor.num_tabs) == ([1], 0)


def test_too_many_visitors_are_told_so(site: Site, visitors: Visitors) -> None:
    for _ in range(5):
        visitors.greet(None).num_tabs = 1
    status, _, text = site.ask("GET", "/")
    assert (status, text) == (503, "too many visitors at once; try again later\n")
