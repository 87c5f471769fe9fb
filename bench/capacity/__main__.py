"""How many calls this machine holds, and what becomes of more than it can.

    python -m bench.capacity [--models small full] [--calls 1 2 4 8 16 32] [--seconds 40]
                             [--device auto|cpu|cuda] [--set llm.model=…]
    python -m bench.capacity --overload [--minutes 5]

The server runs in a process of its own. Callers who talk in turn like people (a third of the time
each) speak recordings over WebRTC and note when the answer's first packet comes. The server lowers
quality as it does for anybody (`--no-ladder`: never) but refuses nobody, so that every level is
measured. `--overload` leaves the doors to the server instead: twice as many call as it admits, and
call again when they were refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path

import uvloop
from rich.console import Console

from bench.capacity import models, overload
from bench.capacity.people import crowd
from bench.capacity.report import Figures, figures, table
from bench.server_process import NotStarted, ServerProcess, server

RESULTS = Path(__file__).parents[1] / "results" / "capacity.json"
AIM = 1.5
"""p95 at eight calls, as a multiple of that at one; the small real models."""


FEW = 4
"""Calls below which a level lasts longer, or its p95 would be of a handful of turns."""


async def main(options: argparse.Namespace) -> int:
    """Measure, print, write."""
    console = Console() if sys.stdout.isatty() else Console(width=160)
    result: Figures = {"machine": _machine(), "levels": {}}
    is_well = True
    for name in options.models:
        chosen = [*models.settings(name, options.device), *options.settings]
        if options.overload:
            result["overload"], held = await overload.run(chosen, options, console)
            is_well = is_well and held
            continue
        rows = await levels(chosen, options, console)
        result["levels"][name] = rows
        console.print(table(f"{name} models", rows))
        console.print(_judged(rows))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2), "utf-8")
    console.print(f"Written to {RESULTS}")
    return 0 if is_well else 1


async def levels(
    settings: list[str], options: argparse.Namespace, console: Console
) -> list[Figures]:
    """Each number of calls for some time, against one server."""
    ladder = ["load.enabled=false"] if options.no_ladder else ["load.always_admit=1000"]
    places = [f"server.max_calls={max(options.calls) + 1}"]
    rows = []
    async with server([*settings, *ladder, *places]) as process:
        console.print("\n".join(process.started))
        await asyncio.sleep(options.settle)
        await crowd(process.url, 1, 8.0)  # what is loaded at first use is loaded now
        for calls in options.calls:
            longer = max(1.0, FEW / calls)
            rows.append(await _level(process, calls, longer * options.seconds))
            console.print(f"{calls} calls: heard {rows[-1]['heard']}", highlight=False)
            await asyncio.sleep(options.rest)
    return rows


async def _level(process: ServerProcess, calls: int, seconds: float) -> Figures:
    before, began = process.usage(), time.monotonic()
    seen = await crowd(process.url, calls, seconds)
    after = process.usage()
    return {
        **figures(seen, calls),
        "cpu": (after.cpu - before.cpu) / (time.monotonic() - began),
        "memory_mb": after.memory / 1e6,
    }


def _judged(rows: list[Figures]) -> str:
    by_calls = {row["calls"]: row["heard"].get("p95") for row in rows}
    one, eight = by_calls.get(1), by_calls.get(8)
    if not one or not eight:
        return "One and eight calls were not both measured."
    kept = "as it should" if eight <= AIM * one else "too much"
    return f"p95 at 8 calls is {eight / one:.2f} times that at one (at most {AIM}): {kept}"


def _machine() -> Figures:
    model = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    return {"processor": model, "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    grammar = argparse.ArgumentParser(prog="bench.capacity", description=__doc__)
    grammar.add_argument("--models", nargs="+", choices=("small", "full"), default=["small"])
    grammar.add_argument("--calls", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32])
    grammar.add_argument("--seconds", type=float, default=40.0, help="seconds of each level")
    grammar.add_argument("--rest", type=float, default=8.0, help="seconds between two levels")
    grammar.add_argument("--settle", type=float, default=10.0, help="seconds before the first")
    grammar.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    grammar.add_argument("--no-ladder", action="store_true", help="quality is never lowered")
    grammar.add_argument("--overload", action="store_true", help="twice what can be served")
    grammar.add_argument("--minutes", type=float, default=5.0, help="minutes of the overload")
    grammar.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="NAME=VALUE",
        help="a setting of the server's (may be repeated)",
    )  # fmt: skip
    return grammar


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            sys.exit(runner.run(main(parser().parse_args())))
        except NotStarted as error:
            sys.exit(str(error))
