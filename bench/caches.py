"""What the caches are worth: 200 questions to two servers, with repeats, and a store that dies.

    python -m bench.caches [--stores memory,redis,memcached] [--questions 200]

Two servers (the small real models, in processes of their own) are asked in turn, each question in
a call of its own over the Realtime WebSocket; how often a question comes follows Zipf's law. `first
sound` is from the end of the question to the first audio of the reply, nothing having been prepared
before. With a store the script runs three times: undisturbed, with the store killed half-way, and
with the store hung half-way. Redis and Memcached are started by the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from bench.conversation.stand import counted, quiet_server
from bench.server_process import ServerProcess
from bench.stores import PROGRAMS, StoreMissing, StoreServer, store_server

RESULTS = Path(__file__).parent / "results" / "caches.json"
TOPICS = (
    "opening hours", "parking", "the menu", "coffee", "tea", "cakes", "breakfast", "lunch",
    "vegan food", "allergies", "the terrace", "dogs", "children", "birthday parties", "gift cards",
    "delivery",
    "takeaway", "wifi", "music", "the toilets", "payment by card", "tips", "jobs", "the beans",
    "oat milk", "ice cream", "cooking classes", "the owner", "the building", "the garden",
)  # fmt: skip
SHAPES = ("What can you tell a guest about {}?", "Is there a rule about {}?")
REPLIES = "llm.replies.enabled=true"
"""What other benchmarks turn off."""
REPLY_SECONDS = 60.0
LISTENING_SECONDS = 0.5
"""How long a caller listens: a reply that is broken off is not kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and what came of it. `first_sound`: seconds; None: no sound came."""

    known: bool
    """The reply came from a cache, this server's or the shared one."""
    elsewhere: bool
    """It was made by the other server."""
    disturbed: bool
    """The store was dead or hung."""
    first_sound: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """A script of questions with one store, disturbed in one way."""

    store: str
    disturbance: str
    asked: tuple[Asked, ...]

    def first_sounds(self, *, known: bool, disturbed: bool) -> list[float]:
        """Milliseconds."""
        return [
            1000 * each.first_sound
            for each in self.asked
            if each.first_sound is not None and (each.known, each.disturbed) == (known, disturbed)
        ]


def script(count: int, seed: int = 7) -> list[str]:
    """Questions with repeats: the n-th most frequent comes 1/n as often as the first."""
    known = [shape.format(topic) for topic in TOPICS for shape in SHAPES]
    chance = random.Random(seed)
    chance.shuffle(known)
    weights = [1 / place for place in range(1, len(known) + 1)]
    return chance.choices(known, weights, k=count)


async def ask(http: aiohttp.ClientSession, server: ServerProcess, question: str) -> float | None:
    """Seconds from the question's end to the reply's first audio, in a call of its own."""
    url = server.url.replace("http", "ws") + "/v1/realtime?model=chuimsae"
    said = {"type": "input_text", "text": question}
    item = {"type": "message", "role": "user", "content": [said]}
    async with http.ws_connect(url) as call:
        await call.send_json({"type": "conversation.item.create", "item": item})
        await call.send_json({"type": "response.create"})
        asked = time.perf_counter()
        async with asyncio.timeout(REPLY_SECONDS):
            async for message in call:
                kind = json.loads(message.data)["type"]
                if kind == "response.output_audio.delta":
                    first_sound = time.perf_counter() - asked
                    await asyncio.sleep(LISTENING_SECONDS)
                    return first_sound
                if kind in ("response.done", "error"):
                    return None
    return None


async def run(
    store: str, disturbance: str, servers: Sequence[ServerProcess], questions: Sequence[str],
    place: StoreServer | None,
) -> Run:  # fmt: skip
    """Ask everything; half-way the store is disturbed."""
    asked: list[Asked] = []
    makers: dict[str, ServerProcess] = {}
    async with aiohttp.ClientSession() as http:
        for number, question in enumerate(questions):
            if number == len(questions) // 2 and place is not None:
                await _disturb(place, disturbance)
            server = servers[number % len(servers)]
            before = await _hits(server)
            first_sound = await ask(http, server, question)
            known = await _hits(server) > before
            elsewhere = known and makers.get(question) not in (None, server)
            makers.setdefault(question, server)
            disturbed = disturbance != "none" and number >= len(questions) // 2
            asked.append(Asked(known, elsewhere, disturbed, first_sound))
    return Run(store, disturbance, tuple(asked))


async def _hits(server: ServerProcess) -> float:
    figures = await counted(server)
    return figures.get('chuimsae_cache_lookups_total{cache="replies",outcome="hit"}', 0.0)


async def _disturb(place: StoreServer, disturbance: str) -> None:
    if disturbance == "killed":
        await place.kill()
    elif disturbance == "hung":
        place.hang()


@asynccontextmanager
async def two_servers(url: str) -> AsyncGenerator[tuple[ServerProcess, ServerProcess], None]:
    """Two that share the store at `url`; with no url each keeps its own."""
    async with (
        quiet_server(f"cache.url={url}", REPLIES) as one,
        quiet_server(f"cache.url={url}", REPLIES) as other,
    ):
        yield one, other


async def measure(stores: Sequence[str], questions: Sequence[str], console: Console) -> list[Run]:
    """Each store, undisturbed and disturbed, with new servers each time."""
    runs: list[Run] = []
    for store in stores:
        for disturbance in ("none",) if store == "memory" else ("none", "killed", "hung"):
            console.print(f"[dim]{store}, {disturbance} …")
            async with AsyncExitStack() as stack:
                place = None
                if store != "memory":
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                    try:
                        place = await stack.enter_async_context(store_server(store, folder))
                    except StoreMissing as missing:
                        console.print(f"{store} left out: {missing}")
                        break
                servers = await stack.enter_async_context(two_servers(place.url if place else ""))
                runs.append(await run(store, disturbance, servers, questions, place))
    return runs


def table(runs: Sequence[Run]) -> Table:
    """Hit rates and first sounds of each run."""
    shown = Table(title="Two servers asked in turn; first sound in ms, p50 and p95")
    for column in (
        "store", "disturbed half-way", "answered", "hits", "of them made elsewhere", "hit", "miss",
        "hit, store out", "miss, store out",
    ):  # fmt: skip
        shown.add_column(column, justify="left" if column == "store" else "right")
    for each in runs:
        answered = sum(asked.first_sound is not None for asked in each.asked)
        shown.add_row(
            each.store,
            each.disturbance,
            f"{answered} of {len(each.asked)}",
            f"{100 * np.mean([asked.known for asked in each.asked]):.0f} %",
            str(sum(asked.elsewhere for asked in each.asked)),
            *(
                _percentiles(each.first_sounds(known=known, disturbed=disturbed))
                for disturbed in (False, True)
                for known in (True, False)
            ),
        )
    return shown


def _percentiles(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{np.percentile(values, 50):.0f}, {np.percentile(values, 95):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stores", default=",".join(("memory", *PROGRAMS)))
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    console = Console()
    stores = options.stores.split(",")
    runs = uvloop.run(measure(stores, script(options.questions), console))
    console.print(table(runs))
    RESULTS.parent.mkdir(exist_ok=True)
    written: list[dict[str, Any]] = [asdict(each) for each in runs]
    RESULTS.write_text(json.dumps(written, indent=1))
    console.print(f"[dim]{RESULTS}")


if __name__ == "__main__":
    main()
