"""Many visitors of one demo at once, some of whom leave: nothing lost, nothing crossed, memory flat.

python scripts/stress_demo.py --visitors 10 --runs 5 --leaving 5

Every visitor asks for runs with prompts and seeds of their own. Those who leave close the page after asking:
what they asked for must be dropped. Those who stay fetch every asset and look into it: prompt and seed must
be those they asked for, and what belongs to another visitor must be refused. Prints one JSON object;
exit code 1 if anything is wrong.
"""

import argparse
import asyncio
import json
import re
import statistics
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from demo_server import TINY, DemoServer

THINGS = ("mushroom", "duck", "chest", "chair", "crown", "snowman", "house", "boat", "lamp", "sword")
POLL_SECONDS = 1.0
LEFT_MINUTES = 0.1
PATIENCE_SECONDS = 3600.0


@dataclass
class Visitor:
    """A browser as far as the server can tell: a cookie, an open page, calls."""

    client: httpx.AsyncClient
    number: int
    calls: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> (number, inputs)
    wanted: dict[int, str] = field(default_factory=dict)  # seed -> prompt
    urls: list[str] = field(default_factory=list)  # of its assets
    page: asyncio.Task[None] | None = None

    async def arrive(self) -> None:
        """Open the page, which keeps a connection for as long as it is open."""
        text = (await self.client.get("/")).text
        found = re.search(r"window\.gradio_config = (\{.*?\});</script>", text, re.DOTALL)
        assert found
        config = json.loads(found[1])
        self.calls = {call["api_name"]: (call["id"], len(call["inputs"])) for call in config["dependencies"]}
        self.page = asyncio.create_task(self._keep_open())

    async def _keep_open(self) -> None:
        async with self.client.stream(
            "GET", f"/gradio_api/heartbeat/stress{self.number}", timeout=None
        ) as answer:
            async for _ in answer.aiter_bytes():
                pass

    async def leave(self) -> None:
        """Close the page and never come back."""
        assert self.page
        self.page.cancel()
        await asyncio.gather(self.page, return_exceptions=True)
        await self.client.aclose()

    async def call(self, name: str, *values: object, event: object = None) -> list[Any]:
        """What a button does."""
        number, num_inputs = self.calls[name]
        data = [*values, *[None] * (num_inputs - len(values))]
        body = {"data": data, "fn_index": number, "session_hash": f"stress{self.number}", "event_data": event}
        answer = await self.client.post("/gradio_api/run/predict", json=body, timeout=120.0)
        answer.raise_for_status()
        return answer.json()["data"]

    async def ask(self, index: int) -> str:
        """Ask for a run; what the server objects to, if anything."""
        seed = 1000 * self.number + index
        prompt = (
            f"a {('red', 'blue', 'green', 'yellow', 'white')[index % 5]} {THINGS[self.number % len(THINGS)]}"
        )
        self.wanted[seed] = prompt
        steps, faces, size = 8, 400, 64
        values = (prompt, "", False, seed, "sds", 6, steps, 0, faces, size, False, False)
        notice, _ = await self.call("order", *values)
        return str(notice)

    async def is_done(self) -> bool:
        """Look at the page, as a browser does every second."""
        card = (await self.call("refresh"))[0]
        text = card if isinstance(card, str) else ""
        return 'data-state="waiting"' not in text and 'data-state="running"' not in text and "d3-card" in text

    async def collect(self) -> list[str]:
        """Fetch all assets; what is wrong with them."""
        wrong: list[str] = []
        missing = dict(self.wanted)
        for index in reversed(range(len(self.wanted))):  # the newest is shown already, and not sent again
            parts = await self.call("choose", None, event={"index": index, "value": None})
            text = json.dumps(parts)
            found = re.search(r"[^\"]*/gradio_api/file=[^\"]*\.glb", text)
            if not found:
                continue
            self.urls.append(found[0])
            extras = _extras((await self.client.get(found[0])).content)
            seed, prompt = extras["seed"], extras["prompt"]
            if missing.pop(seed, None) != prompt:
                wrong.append(
                    f"visitor {self.number} got {prompt!r} with seed {seed}, twice or of somebody else"
                )
        return wrong + [f"visitor {self.number} lost {prompt!r}" for prompt in missing.values()]


def _extras(glb: bytes) -> dict[str, Any]:
    """How the asset of a .glb says that it was made."""
    (length,) = struct.unpack_from("<I", glb, 12)
    document = json.loads(glb[20 : 20 + length])
    return next(node["extras"] for node in document["nodes"] if "extras" in node)


async def visit(server: DemoServer, num_visitors: int, num_runs: int, num_leaving: int) -> dict[str, Any]:
    """Let all of them come, ask, wait or leave, and collect."""
    visitors = [Visitor(httpx.AsyncClient(base_url=server.url), number) for number in range(num_visitors)]
    await asyncio.gather(*(visitor.arrive() for visitor in visitors))
    objections = await asyncio.gather(*(v.ask(index) for index in range(num_runs) for v in visitors))
    leaving, staying = visitors[:num_leaving], visitors[num_leaving:]
    await asyncio.gather(*(visitor.leave() for visitor in leaving))
    memory: list[int] = []
    started, slowest = time.monotonic(), 0.0
    waiting = set(range(len(staying)))
    while waiting and time.monotonic() - started < PATIENCE_SECONDS:
        for index in sorted(waiting):
            began = time.monotonic()
            if await staying[index].is_done():
                waiting.discard(index)
            slowest = max(slowest, time.monotonic() - began)
        memory.append(_memory_kb(server.process.pid, "VmRSS"))
        await asyncio.sleep(POLL_SECONDS)
    wrong = [notice for notice in objections if notice]
    for visitor in staying:
        wrong += await visitor.collect()
    wrong += [text for visitor in staying for text in await _strangers(visitor, staying)]
    folders = [path for path in server.files.glob("dream3d-demo-*/visitors/*") if path.is_dir()]
    kept = sum(len(visitor.urls) for visitor in staying)
    if len(folders) != kept:
        wrong.append(f"{len(folders)} folders for {kept} assets")
    third = max(1, len(memory) // 3)
    return {
        "asked": num_visitors * num_runs,
        "asked_by_those_who_left": num_leaving * num_runs,
        "delivered": kept,
        "wrong": wrong,
        "seconds": round(time.monotonic() - started),
        "slowest_answer_s": round(slowest, 2),
        "memory_mb_first_third": round(statistics.median(memory[:third]) / 1024),
        "memory_mb_last_third": round(statistics.median(memory[-third:]) / 1024),
        "memory_mb_peak": round(_memory_kb(server.process.pid, "VmHWM") / 1024),
    }


async def _strangers(visitor: Visitor, all_of_them: list[Visitor]) -> list[str]:
    """Assets of others that a visitor gets."""
    others = [url for other in all_of_them if other is not visitor for url in other.urls]
    got = [url for url in others if (await visitor.client.get(url)).status_code != 404]
    return [f"visitor {visitor.number} got {url}" for url in got]


def _memory_kb(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> int:
    """Start a server, let them come, say how it went."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5, help="of each visitor")
    parser.add_argument("--leaving", type=int, default=5, help="visitors who leave")
    asked = parser.parse_args()
    limits = (
        f"--limits.max-waiting={asked.visitors * asked.runs}",
        f"--limits.jobs-per-visitor={asked.runs}",
        f"--limits.assets-per-visitor={asked.runs}",
        f"--limits.drop-minutes={LEFT_MINUTES}",
        f"--limits.forget-minutes={LEFT_MINUTES}",
    )
    with tempfile.TemporaryDirectory(prefix="dream3d-stress-") as folder:
        server = DemoServer.start(Path(folder), *TINY, *limits)
        try:
            found = asyncio.run(visit(server, asked.visitors, asked.runs, asked.leaving))
        finally:
            code = server.stop()
        left = [path.name for path in server.files.glob("dream3d*")]
        found |= {"exit_code": code, "left_behind": left, "log": server.log.read_text().splitlines()[-5:]}
    print(json.dumps(found, indent=2))
    expected = (asked.visitors - asked.leaving) * asked.runs
    return int(bool(found["wrong"] or left or code or found["delivered"] != expected))


if __name__ == "__main__":
    sys.exit(main())
