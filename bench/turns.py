"""How long a caller waits: each turn's timeline for a script of recorded utterances over WebRTC.

    python -m bench.turns [--calls 4] [--rounds 2] [--set llm.model=…]

The server runs in a process of its own (with the small real models beside the checkout unless told
otherwise); callers speak the recordings, one after the other, in as many calls at once as asked.
Times are milliseconds after the caller's last voiced sample left: the endpoint, the transcript,
the reply's first token, its first sound, and its first audible packet at the caller (`heard`, a
filler counts). CPU and memory are the server process's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from bench.recordings import Spoken, named
from bench.server_process import ServerProcess, Usage, server, small_models
from server.talk import Exchange, exchange, greeting
from signaling.client import Caller
from signaling.ice import IceSettings

SCRIPT = (
    "whatstheweatherlike",
    "an4_test/an422-menk-b",
    "an4_test/an426-fvap-b",
    "an4_test/an428-fvap-b",
    "sense_and_sensibility",
    "LJ001-0008",
    "leopard__test.wav",
)
"""Parts of the recordings' names: a question, numbers and names, sentences read aloud."""
MOMENTS = (
    "endpoint", "transcript", "first_token", "first_sound", "filler", "audible", "heard",
)  # fmt: skip
RESULTS = Path(__file__).parent / "results" / "turns.json"
IDLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance in one call, and what came of it."""

    call: int
    spoken: Spoken
    told: Exchange

    @property
    def moments(self) -> dict[str, float | None]:
        """Milliseconds after the last speech; None: it did not happen."""
        timeline = dict((self.told.outcome or {}).get("timeline", {}))
        timeline["heard"] = self.told.heard_after
        return {
            name: None if timeline.get(name) is None else 1000 * timeline[name] for name in MOMENTS
        }

    @property
    def transcript(self) -> str:
        return str((self.told.outcome or {}).get("transcript", ""))

    @property
    def reply(self) -> str:
        return str((self.told.outcome or {}).get("reply", ""))


async def main(options: argparse.Namespace) -> int:
    """Measure, print, write."""
    script = [named(part) for part in SCRIPT] * options.rounds
    console = Console() if sys.stdout.isatty() else Console(width=120)
    async with server([*small_models(), *options.settings]) as process:
        console.print("\n".join(process.started))
        await asyncio.sleep(options.settle)
        idle = await _idle(process)
        before, began = process.usage(), time.monotonic()
        turns, peak = await _calls(process, script, options.calls)
        seconds = time.monotonic() - began
        used = process.usage().cpu - before.cpu - idle * seconds
    result = {
        "machine": {"processor": platform.processor(), "python": platform.python_version()},
        "stages": list(process.started),
        "calls": options.calls,
        "turns": [_row(turn) for turn in turns],
        "summary": summary(turns),
        "answered": sum(turn.told.heard_after is not None for turn in turns),
        "word_error_rate": word_error_rate(turns),
        "cpu_ms_per_call_second": 1000 * used / (seconds * options.calls),
        "memory_mb_idle": before.memory / 1e6,
        "memory_mb_per_call": (peak - before.memory) / 1e6 / options.calls,
    }
    show(console, turns, result)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False), "utf-8")
    console.print(f"\nWritten to {RESULTS}")
    return 0 if result["answered"] else 1


async def _idle(process: ServerProcess) -> float:
    """CPU seconds a second of a server without calls."""
    before = process.usage()
    await asyncio.sleep(IDLE_SECONDS)
    return (process.usage().cpu - before.cpu) / IDLE_SECONDS


async def _calls(
    process: ServerProcess, script: Sequence[Spoken], count: int
) -> tuple[list[Turn], int]:
    """Hold `count` calls at once; every turn, and the most memory that was seen."""
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_peak(process, peak := [Usage(0.0, 0)]))
        calls = [tasks.create_task(_call(process.url, script, n)) for n in range(count)]
        await asyncio.wait(calls)
        watching.cancel()
    return [turn for call in calls for turn in call.result()], peak[0].memory


async def _peak(process: ServerProcess, peak: list[Usage]) -> None:
    while True:
        peak[0] = max(peak[0], process.usage(), key=lambda usage: usage.memory)
        await asyncio.sleep(0.5)


async def _call(url: str, script: Sequence[Spoken], number: int) -> list[Turn]:
    """The script said from another place in each call, so that callers do not speak in chorus."""
    turned = [script[(number + index) % len(script)] for index in range(len(script))]
    async with Caller(url, settings=IceSettings(bind=("127.0.0.1",))) as caller:
        await greeting(caller, expected=True)
        return [Turn(number, spoken, await exchange(caller, spoken.audio)) for spoken in turned]


def summary(turns: Sequence[Turn]) -> dict[str, dict[str, float]]:
    """p50 and p95 of each moment, over the turns in which it happened."""
    found = {}
    for name in MOMENTS:
        values = [at for turn in turns if (at := turn.moments[name]) is not None]
        if values:
            p50, p95 = np.percentile(values, [50, 95])
            found[name] = {"p50": float(p50), "p95": float(p95), "turns": len(values)}
    return found


def word_error_rate(turns: Sequence[Turn]) -> float:
    """Of all transcripts together, without case and punctuation."""
    said = [_words(turn.spoken.text) for turn in turns]
    heard = [_words(turn.transcript) for turn in turns]
    return float(jiwer.wer(said, heard))


def _words(text: str) -> str:
    return re.sub(r"[^\w\s']", " ", text.lower()).strip() or "-"


def _row(turn: Turn) -> dict[str, Any]:
    return {
        "call": turn.call,
        "recording": turn.spoken.name,
        "text": turn.spoken.text,
        "transcript": turn.transcript,
        "reply": turn.reply,
        "outcome": (turn.told.outcome or {}).get("type"),
        "ms": turn.moments,
    }


def show(console: Console, turns: Sequence[Turn], result: dict[str, Any]) -> None:
    """The turns, their percentiles and the process's costs, for a person."""
    table = Table(title="ms after the caller's last speech")
    table.add_column("said → understood → answered", max_width=60)
    for name in MOMENTS:
        table.add_column(name.replace("_", " "), justify="right")
    for turn in turns:
        words = f"{turn.spoken.text}\n→ {turn.transcript}\n→ {turn.reply}"
        table.add_row(words, *(_cell(turn.moments[name]) for name in MOMENTS), end_section=True)
    for share in ("p50", "p95"):
        cells = (_cell(result["summary"].get(name, {}).get(share)) for name in MOMENTS)
        table.add_row(share, *cells, style="bold")
    console.print(table)
    console.print(
        f"{result['answered']} of {len(turns)} turns answered in {result['calls']} calls at once; "
        f"word error rate {result['word_error_rate']:.0%}\n"
        f"server: {result['cpu_ms_per_call_second']:.0f} ms of CPU per second of call, "
        f"{result['memory_mb_idle']:.0f} MB idle, {result['memory_mb_per_call']:.1f} MB per call"
    )


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    grammar = argparse.ArgumentParser(prog="bench.turns", description="How long a caller waits.")
    grammar.add_argument("--calls", type=int, default=1, help="calls at once")
    grammar.add_argument("--rounds", type=int, default=1, help="times the script is said")
    grammar.add_argument("--settle", type=float, default=15.0, help="seconds before the first call")
    grammar.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="NAME=VALUE",
        help="a setting of the server's (may be repeated)",
    )  # fmt: skip
    return grammar


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser().parse_args())))
