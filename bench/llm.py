"""Many replies at a time: our scheduler, `Llama()` under a lock, and llama.cpp's own server.

    python -m bench.llm [MODEL.gguf] [--calls 1 2 4 8 16] [--threads 2] [--server PYTHON]

Each of N calls has had a turn and takes its next one at the same moment, on the same file with the
same threads: when does its first token come, and how many tokens a second do all get together?
Then: what does it cost to continue a history of 400 tokens, beside an empty one? Without a file the
model is one of random weights in the shape of a 0.5 B one. The server is measured with --server
PYTHON, an interpreter that has its wheel (xllamacpp). Contestants take turns within each round, and
below each row of ours stand the ratios: more than 1.00 is better than that rival.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.engines.llama import Llama, LlamaSettings
from agent.engines.protocols import LanguageModel, ReplyRequest
from agent.errors import EngineError
from agent.messages import Message
from bench.llm_rivals import LlamaServer, Locked, trained_context
from bench.random_llama import HALF_BILLION, write_llama

SYSTEM = "be the voice of a small shop on the corner, kind and brief and never wrong. " * 3
HISTORY = 400
OURS = "scheduler"
RESULTS = Path(__file__).parent / "results" / "llm.json"


@dataclass(frozen=True)
class Turn:
    """One reply: seconds to its first token, and what came when."""

    first: float
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Row:
    engine: str
    calls: int
    first_p50: float
    """Seconds to a call's first token."""
    first_p95: float
    tokens_per_second: float
    """Of all calls together."""


@dataclass(frozen=True)
class Result:
    model: str
    device: str
    threads: int
    rows: list[Row]
    prompt_reused: float
    """Share of the scheduler's prompt tokens that it found in its cache, in calls of 8 turns."""
    continued: dict[str, tuple[float, float]] | None
    """Seconds to the first token after no history, and after one of 400 tokens; None: the model's
    context is too short for one."""


async def turn(model: LanguageModel, request: ReplyRequest) -> tuple[str, Turn]:
    began = time.perf_counter()
    pieces, first = [], 0.0
    async for piece in model.reply(request):
        first = first or time.perf_counter() - began
        pieces.append(piece)
    text = "".join(pieces)
    # The random model's tokens are letters; a real one's pieces are about its tokens.
    return text, Turn(first, len(pieces), time.perf_counter() - began)


def request(name: str, texts: Sequence[str], tokens: int) -> ReplyRequest:
    turns = [Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]
    return ReplyRequest(
        conversation=name, messages=(Message("system", SYSTEM), *turns), max_tokens=tokens
    )


async def together(model: LanguageModel, calls: int, tokens: int, label: str) -> list[Turn]:
    """The second turn of `calls` calls, all at the same moment."""
    names = [f"{label} {number}" for number in range(calls)]
    histories = {name: [f"hello, this is {name}"] for name in names}
    for name in names:
        text, _ = await turn(model, request(name, histories[name], tokens))
        histories[name] += [text, "and what does that cost?"]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(turn(model, request(name, histories[name], tokens))) for name in names
        ]
    for name in names:
        model.forget(name)
    return [task.result()[1] for task in tasks]


async def conversations(model: LanguageModel, calls: int, turns: int, tokens: int) -> None:
    """Whole calls, all at once: every turn asks with all that was said before."""

    async def call(name: str) -> None:
        history: list[str] = []
        for number in range(turns):
            history.append(f"and number {number}, what about that?")
            text, _ = await turn(model, request(name, history, tokens))
            history.append(text)
        model.forget(name)

    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            group.create_task(call(f"whole {number}"))


async def continued(model: LanguageModel, history: int, label: str) -> float:
    """Seconds to the first token of a call's next turn, after `history` tokens of its past."""
    past = ["tell me a story", "x" * history] if history else []
    if past:
        await turn(model, request(label, [*past, "ok"], 1))
    _, measured = await turn(model, request(label, [*past, "what is it?"], 1))
    model.forget(label)
    return measured.first


def row(engine: str, calls: int, rounds: list[list[Turn]]) -> Row:
    firsts = sorted(t.first for turns in rounds for t in turns)
    rates = [sum(t.tokens for t in turns) / max(t.seconds for t in turns) for turns in rounds]
    p95 = firsts[min(len(firsts) - 1, round(0.95 * (len(firsts) - 1)))]
    return Row(engine, calls, statistics.median(firsts), p95, statistics.median(rates))


async def measure(models: dict[str, LanguageModel], options: argparse.Namespace) -> list[Row]:
    rows = []
    for calls in options.calls:
        rounds: dict[str, list[list[Turn]]] = {name: [] for name in models}
        for number in range(options.rounds):
            for name, model in in_turn(models, number):
                try:
                    turns = await together(model, calls, options.tokens, f"r{number}n{calls}")
                    rounds[name].append(turns)
                except* EngineError as group:
                    print(f"{name} gave up at {calls} calls: {group.exceptions[0]}", flush=True)
                    await models.pop(name).aclose()
        found = [row(name, calls, rounds[name]) for name in models]
        for one in found:
            print_row(one)
        print_ratios(found)
        rows += found
    return rows


def in_turn(models: dict[str, LanguageModel], number: int) -> list[tuple[str, LanguageModel]]:
    """All of them, another one first in every round."""
    order = list(models.items())
    first = number % len(order)
    return order[first:] + order[:first]


async def run(path: Path, options: argparse.Namespace) -> Result:
    settings = LlamaSettings(
        threads=options.threads,
        context=2048,
        device=options.device,
        conversations=max(options.calls),
        niceness=0,
    )
    ours = Llama(settings, path)
    models: dict[str, LanguageModel] = {OURS: ours, "Llama() + lock": Locked(path, options)}
    if options.server:
        models["llama.cpp server"] = LlamaServer(path, options)
    for model in models.values():
        await model.start()
        await turn(model, request("warm", ["hello"], 4))
        model.forget("warm")
    try:
        rows = await measure(models, options)
        before = ours.counts
        await conversations(ours, 4, 8, options.tokens)
        after = ours.counts
        continued = None
        if trained_context(path) >= len(SYSTEM) + 2 * HISTORY:
            continued = await histories(models, options.rounds)
    finally:
        for model in models.values():
            await model.aclose()
    reused = (after.reused - before.reused) / (after.prompt - before.prompt)
    return Result(path.name, options.device, options.threads, rows, reused, continued)


async def histories(
    models: dict[str, LanguageModel], rounds: int
) -> dict[str, tuple[float, float]]:
    """Seconds to the first token after no history, and after a long one."""
    none: dict[str, list[float]] = {name: [] for name in models}
    long: dict[str, list[float]] = {name: [] for name in models}
    for number in range(2 * rounds):
        for name, model in in_turn(models, number):
            none[name].append(await continued(model, 0, f"none {number}"))
            long[name].append(await continued(model, HISTORY, f"long {number}"))
    return {name: (statistics.median(none[name]), statistics.median(long[name])) for name in models}


def print_row(r: Row) -> None:
    print(
        f"{r.engine:18}{r.calls:3} calls   first token p50 {r.first_p50 * 1000:6.0f} ms"
        f"  p95 {r.first_p95 * 1000:6.0f} ms   {r.tokens_per_second:7.1f} tokens/s",
        flush=True,
    )


def print_ratios(rows: Sequence[Row]) -> None:
    ours = rows[0]
    for rival in rows[1:]:
        first = rival.first_p50 / ours.first_p50
        tail = rival.first_p95 / ours.first_p95
        rate = ours.tokens_per_second / rival.tokens_per_second
        beside = f"  beside {rival.engine}:"
        print(f"{beside:29}first token p50 {first:5.2f}  p95 {tail:5.2f}  tokens/s {rate:5.2f}")


def show(result: Result) -> None:
    print(f"scheduler: {result.prompt_reused:.1%} of prompt tokens found in the cache")
    for name, (none, long) in (result.continued or {}).items():
        print(
            f"{name}: first token after a history of {HISTORY} tokens {long * 1000:.1f} ms, "
            f"after none {none * 1000:.1f} ms: {long / none:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--calls", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tokens", type=int, default=32, help="of each reply")
    parser.add_argument("--server", type=Path, help="a Python that has the xllamacpp wheel")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or write_llama(Path(folder) / "random-0.5B.gguf", HALF_BILLION)
        result = asyncio.run(run(path, options))
    show(result)
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(
        json.dumps({**known, f"{path.name} {options.device}": asdict(result)}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
