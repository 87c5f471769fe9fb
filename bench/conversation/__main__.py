"""Hold conversations over WebRTC with recordings of people, and measure them as a caller would.

    python -m bench.conversation [--quick] [--only PART ...]

The server runs in a process of its own with the small real models beside the checkout; where a slow
model or a long reply is wanted, it asks a chat endpoint on loopback. Written: a table here,
`bench/results/conversation.json`, and `conversation.html` beside it, which draws the turns. Exit
code 1 when a stale reply was heard or noise was taken for a turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import uvloop
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from bench.conversation import (
    barge_in,
    decisions,
    echo,
    endpointing,
    fillers,
    first_words,
    hesitations,
    noise,
    rooms,
    voice_to_voice,
)
from bench.conversation.part import Part
from bench.conversation.report import page, told

RESULTS = Path(__file__).parents[1] / "results"
PARTS: dict[str, Callable[[bool], Awaitable[Part]]] = {
    "voice_to_voice": voice_to_voice.measure,
    "endpointing": endpointing.measure,
    "hesitations": hesitations.measure,
    "barge_in": barge_in.measure,
    "decisions": decisions.measure,
    "echo": echo.measure,
    "rooms": rooms.measure,
    "first_words": first_words.measure,
    "noise": noise.measure,
    "fillers": fillers.measure,
}


STORED = TypeAdapter(dict[str, Part])


async def main(options: argparse.Namespace) -> int:
    """Measure, print, write."""
    console = Console() if sys.stdout.isatty() else Console(width=120)
    parts = []
    for name in options.only or PARTS:
        parts.append(await PARTS[name](options.quick))
        show(console, parts[-1])
    write(parts)
    console.print(f"Written to {RESULTS}/conversation.json and conversation.html")
    return int(any(each.must and not each.met for part in parts for each in part.targets))


def show(console: Console, part: Part) -> None:
    """A part, for a person."""
    table = Table(title=part.title, caption=part.note)
    for number, column in enumerate(part.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in part.rows:
        table.add_row(*row)
    console.print(table)
    for target in part.targets:
        console.print(f"  {told(target)}", style="green" if target.met else "bold red")


def write(parts: Sequence[Part]) -> None:
    """The parts that ran, in place of what was written of them before; the page shows all."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "conversation.json"
    stored = STORED.validate_json(file.read_bytes()) if file.is_file() else {}
    stored |= {part.name: part for part in parts}
    stored = {name: stored[name] for name in PARTS if name in stored}
    file.write_bytes(STORED.dump_json(stored, indent=1) + b"\n")
    about = f"{os.cpu_count()} cores; recordings of people, over WebRTC on loopback."
    (RESULTS / "conversation.html").write_text(page(list(stored.values()), about), "utf-8")


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    grammar = argparse.ArgumentParser(prog="bench.conversation", description="Conversations.")
    grammar.add_argument("--quick", action="store_true", help="about a tenth of it")
    grammar.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help="only these")
    return grammar


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main(parser().parse_args())))
