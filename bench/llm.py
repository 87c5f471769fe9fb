"""Many replies at a time: our scheduler, `Llama()` under a lock, and llama.cpp's own server.

    python -m bench.llm [MODEL.gguf] [--calls 1 2 4 8 16] [--threads 2] [--server PYTHON] [--quick]

Each of N calls has had a turn and takes its next one at the same moment, on the same file with the
same threads: when does its first token come, and how many tokens a second do all get together?
Then: how much of their prompts do whole calls read twice, and what does it cost to continue a
history of 400 tokens, beside an empty one, and beside what llama.cpp itself takes more for tokens
that attend to as many others? Without a file the model is one of random weights in the
shape of a 0.5 B one (`--quick`: half of its layers, fewer calls, two rounds). The server is
measured with --server PYTHON, an interpreter that has its wheel (xllamacpp). Contestants take turns
within each round; below each row of ours stand the ratios, more than 1.00 being better than that
rival, and at the end the verdicts. Five minutes on two cores, `--quick` one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from agent.engines.llama import Llama, LlamaSettings
from agent.engines.protocols import LanguageModel
from agent.errors import EngineError
from bench.llm_floor import reading_seconds
from bench.llm_rivals import LlamaServer, Locked, trained_context
from bench.llm_talk import SYSTEM, TALKING, Turn, continued, conversations, request, together, turn
from bench.random_llama import HALF_BILLION, write_llama

HISTORY = 400
CONTINUED = 4
"""Continuations of one history."""
TURNS = 10
"""Of each whole call."""
REUSED = 0.9
"""Share of prompt tokens that are to be found in the cache."""
NOISE = 0.03
"""Differences up to this share are none."""
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'][0] }}>{{ m['content'] }}|\n{% endfor %}"
    "{% if add_generation_prompt %}<a>{% endif %}"
)
"""Five tokens around a message, as ChatML has: the random model's tokens are single characters."""
OURS = "scheduler"
RESULTS = Path(__file__).parent / "results" / "llm.json"


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
class Continuing:
    """Seconds to the first token after no history, and after one of HISTORY tokens; and the tokens
    that were read for it, where the engine tells."""

    none: float
    long: float
    read_none: int | None
    read_long: int | None
    cached_none: int | None
    """Tokens that were in the cache before."""
    cached_long: int | None


@dataclass(frozen=True)
class Result:
    model: str
    device: str
    threads: int
    rows: list[Row]
    reused: dict[str, float]
    """Share of the prompts' tokens in whole calls that were not read, of engines that tell."""
    continuing: dict[str, Continuing]
    """Empty where the model's context is too short for one."""
    bare: float | None
    """How many times as long llama.cpp itself takes for the tokens that ours read after a history,
    as for those after none: they attend to more."""


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
        conversations=max(*options.calls, TALKING),
        niceness=0,
    )
    ours = Llama(settings, path)
    models: dict[str, LanguageModel] = {OURS: ours, "Llama() + lock": Locked(path, options)}
    if options.server:
        models["llama.cpp server"] = LlamaServer(path, options)
    try:
        for model in models.values():
            await model.start()
            await turn(model, request("warm", ["hello"], 4))
            model.forget("warm")
        rows = await measure(models, options)
        reused = await reuse(models, ours, options.tokens)
        continuing = {}
        if trained_context(path) >= len(SYSTEM) + 2 * HISTORY:
            continuing = await histories(models, options.rounds)
    finally:
        for model in models.values():
            await model.aclose()
    bare = floor(path, settings, continuing[OURS]) if OURS in continuing else None
    return Result(path.name, options.device, options.threads, rows, reused, continuing, bare)


async def reuse(models: dict[str, LanguageModel], ours: Llama, tokens: int) -> dict[str, float]:
    """Share of the prompts' tokens in whole calls that each engine did not read."""
    shares = {}
    for name, model in models.items():
        before = ours.counts
        costs = await conversations(model, TURNS, tokens)
        told = [usage for usage in costs if usage is not None]
        if model is ours:  # what it read for all calls together counts too
            read = ours.counts.read - before.read
            shares[name] = 1 - read / (ours.counts.prompt - before.prompt)
        elif told:
            shares[name] = sum(u.cached for u in told) / sum(u.prompt for u in told)
    return shares


async def histories(models: dict[str, LanguageModel], rounds: int) -> dict[str, Continuing]:
    """First tokens after no history, and after a long one."""
    none: dict[str, list[Turn]] = {name: [] for name in models}
    long: dict[str, list[Turn]] = {name: [] for name in models}
    for number in range(rounds):
        for name, model in in_turn(models, number):
            found = await continued(model, (0, HISTORY), str(number), CONTINUED)
            none[name] += found[0]
            long[name] += found[1]
    return {
        name: Continuing(
            statistics.median(turn.first for turn in none[name]),
            statistics.median(turn.first for turn in long[name]),
            read_by(none[name][-1]),
            read_by(long[name][-1]),
            cached_by(none[name][-1]),
            cached_by(long[name][-1]),
        )
        for name in models
    }


def floor(path: Path, settings: LlamaSettings, found: Continuing) -> float | None:
    """The `bare` of a result; None where the tokens are not known."""
    if not (found.read_none and found.read_long and found.cached_none and found.cached_long):
        return None
    none, long = reading_seconds(
        path,
        settings,
        [(found.cached_none, found.read_none), (found.cached_long, found.read_long)],
    )
    return long / none


def read_by(made: Turn) -> int | None:
    """Tokens of the prompt that had to be read."""
    return made.usage.prompt - made.usage.cached if made.usage else None


def cached_by(made: Turn) -> int | None:
    """Tokens of the prompt that need not be read."""
    return made.usage.cached if made.usage else None


def print_row(r: Row) -> None:
    print(
        f"{r.engine:18}{r.calls:3} calls   first token p50 {r.first_p50 * 1000:6.0f} ms"
        f"  p95 {r.first_p95 * 1000:6.0f} ms   {r.tokens_per_second:7.1f} tokens/s",
        flush=True,
    )


def print_ratios(rows: Sequence[Row]) -> None:
    ours = rows[0]
    for rival in rows[1:]:
        beside = f"  beside {rival.engine}:"
        tail = rival.first_p95 / ours.first_p95
        first, rate = ratios(ours, rival)
        print(f"{beside:29}first token p50 {first:5.2f}  p95 {tail:5.2f}  tokens/s {rate:5.2f}")


def ratios(ours: Row, rival: Row) -> tuple[float, float]:
    """How much sooner our first token comes, and how many more tokens a second; 1: as the
    rival's."""
    return rival.first_p50 / ours.first_p50, ours.tokens_per_second / rival.tokens_per_second


def show(result: Result) -> None:
    for name, share in result.reused.items():
        print(
            f"{name:18}{TALKING:3} calls of {TURNS} turns   {share:.1%} of prompts not read again"
        )
    for name, it in result.continuing.items():
        read = "" if it.read_long is None else f"   read {it.read_long} and {it.read_none} tokens"
        print(
            f"{name:18}first token after {HISTORY} tokens {it.long * 1000:6.1f} ms   "
            f"after none {it.none * 1000:6.1f} ms   ratio {it.long / it.none:.2f}{read}"
        )
    for verdict in verdicts(result):
        print(verdict)


def verdicts(result: Result) -> Iterator[str]:
    """What was to be reached, and whether it was."""
    by_calls = {r.calls: r for r in result.rows if r.engine == OURS}
    for rival in dict.fromkeys(r.engine for r in result.rows if r.engine != OURS):
        slower = []
        for r in result.rows:
            if r.engine == rival and min(worst := ratios(by_calls[r.calls], r)) < 1 - NOISE:
                slower.append(f"{r.calls} calls ({min(worst):.2f})")
        reached = f"missed at {', '.join(slower)}" if slower else "met"
        yield f"never slower than {rival}: {reached}"
    share = result.reused[OURS]
    yield f"at least {REUSED:.0%} of prompt tokens reused: {_reached(share >= REUSED)}"
    if it := result.continuing.get(OURS):
        is_reread = (it.read_long or 0) > (it.read_none or 0)
        yield f"nothing of a history of {HISTORY} tokens is read again: {_reached(not is_reread)}"
        # What is read then has 400 tokens more to attend to, in every layer.
        ratio = it.long / it.none
        yield f"it costs no more than none: {_reached(ratio <= 1 + NOISE)} ({ratio:.2f})"
        if result.bare is not None:
            is_least = ratio <= result.bare + NOISE
            yield f"nor more than in a bare loop ({result.bare:.2f}): {_reached(is_least)}"


def _reached(is_met: bool) -> str:
    return "met" if is_met else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--calls", nargs="+", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tokens", type=int, default=24, help="of each reply")
    parser.add_argument("--server", type=Path, help="a Python that has the xllamacpp wheel")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.calls = options.calls or ([1, 4] if options.quick else [1, 2, 4, 8, 16])
    options.rounds = options.rounds or (2 if options.quick else 3)
    shape = replace(HALF_BILLION, layers=12) if options.quick else HALF_BILLION
    with tempfile.TemporaryDirectory() as folder:
        name = "random-quick.gguf" if options.quick else "random-0.5B.gguf"
        path = options.model or write_llama(Path(folder) / name, shape, template=TEMPLATE)
        result = asyncio.run(run(path, options))
    show(result)
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(
        json.dumps({**known, f"{path.name} {options.device}": asdict(result)}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
