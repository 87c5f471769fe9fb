"""What a second of call costs on the short path, beside its stock path, plain aiortc, and others.

    python -m bench.media [--calls 1,10,40] [--seconds 10] [--rounds 2] [--paths short,stock,aiortc]
                          [--states listening,caller,agent,both] [--cycles 200] [--peers]
                          [--turns 8] [--disturb [lock|process]] [--json FILE]
    python -m bench.media --quality

The server and the callers are processes of their own, each on its own core; CPU is the server's
`getrusage`. The paths take turns within each round, so that what else the machine does meets all of
them. With `--peers` other voice agent servers take theirs too (bench/media_peers).

Each path is measured with both sides talking without end, with only the caller or the agent
talking, and with neither (*listening*: the detector's gate is closed). Agents that only answer
speak as often as they find a pause in the caller's speech; while the caller is silent theirs begins
by itself. What was heard of the first call's agent is in the figures. Those with their quickest
settings (`-eager`) differ in when they answer, so only both sides talking is measured of them.
With `--disturb` a CPU-heavy thread runs beside the loop, on the same core and as nice as the
engines' threads: its CPU is in the figures, the lateness is what to read. With `--disturb lock` it
holds the interpreter for 20 ms of each 60, as reading a megabyte of JSON does; `process` tells
what a process of its own would change. Our server always runs as an ordinary user's process, also
when the bench was given real-time priority (`chrt`): that steadies the callers alone.

*CPU ms* are per second of call; *x floor* is how many times as much that is as libopus, libsrtp and
the kernel alone need for as many such calls at the same pace, in C (bench/media_floor); *heard* and
*agent* are the shares of the caller's and the agent's time that came to the detector and to the
first caller with sound; *woken* is per call-second. Times are in ms, memory in MB per call.
*Late* is how much later a packet came than the earliest of its stream would have it; *detector* is
from a burst's packet leaving the caller to its chunk at the speech detector; *voice to voice* from
the caller's last packet of speech to the answer's first, with instant fake engines: the wait that
ends the turn, and the *rest*.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from bench import media_table
from bench.media_load import NotTaken
from bench.media_measure import (
    STATES,
    Row,
    Wait,
    floor,
    hot_floor,
    measure,
    measure_turns,
    merged,
    slope,
)
from bench.media_peers.environment import PEERS
from bench.media_process import DidNotStart, Options
from media.native import NotCompiled

T = TypeVar("T")
RESULT = Path(__file__).parent / "results" / "media.json"
_PEERS_BEAR = 10
"""Calls at once that another server is given at most."""


async def run(arguments: argparse.Namespace) -> None:
    cores = sorted(os.sched_getaffinity(0))
    options = Options(arguments.seconds, arguments.disturb, not arguments.no_detector, cores[0])
    paths = [*arguments.paths, *(PEERS if arguments.peers else ())]
    hot = await _hot(options, cores)
    rows = await _rows(arguments, paths, options, cores)
    waits = await _waits(arguments, paths, options, cores)
    result: dict[str, Any] = {
        "floor_hot_ms": hot,
        "options": {"seconds": options.seconds, "disturbed": options.disturb},
        "rows": [asdict(row) for row in rows],
        "voice_to_voice": [asdict(wait) for wait in waits],
    }
    if arguments.cycles:
        result["slope"] = {path: await slope(path, arguments.cycles, options) for path in
                           arguments.paths}  # fmt: skip
        print(json.dumps(result["slope"], indent=1))
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


async def _hot(options: Options, cores: list[int]) -> float | None:
    """The floor when nothing sleeps; None without a C compiler, which is said."""
    try:
        hot = await _pinned(cores, asyncio.to_thread(hot_floor, options))
    except NotCompiled as error:
        print(f"no floor is measured: {error}", file=sys.stderr, flush=True)
        return None
    print(f"libopus, libsrtp and sockets alone, without a pause: {hot:.1f} ms per call-second")
    return hot


async def _rows(
    arguments: argparse.Namespace, paths: list[str], options: Options, cores: list[int]
) -> list[Row]:
    """Each path with each number of calls in each state, in turns, and the floor beside them."""
    runs: dict[tuple[int, str, str], list[Row]] = defaultdict(list)
    print(media_table.head(), flush=True)
    for _ in range(arguments.rounds):
        for count, state in product(arguments.calls, arguments.states):
            base = await _pinned(cores, asyncio.to_thread(floor, count, state, options))
            for path in _able(paths, state, count):
                row = await _row(path, count, state, paths, options, cores)
                if row is not None:
                    row = replace(row, floor=base)
                    runs[count, state, path].append(row)
                    print(media_table.line(row), flush=True)
    rows = [merged(each) for each in runs.values()]
    if arguments.rounds > 1:
        print("\nMedian of the rounds:", media_table.head(), sep="\n")
        print(*(media_table.line(row) for row in rows), sep="\n")
    print("\nCPU beside the floor's and the others':", media_table.beside(rows), sep="\n")
    return rows


async def _row(
    path: str, count: int, state: str, paths: list[str], options: Options, cores: list[int]
) -> Row | None:
    """One run. None: the path failed, and is left out from then on."""
    try:
        return await _pinned(cores, measure(path, count, state, options))
    except (DidNotStart, NotTaken) as error:
        _leave_out(path, paths, error)
        return None


async def _waits(
    arguments: argparse.Namespace, paths: list[str], options: Options, cores: list[int]
) -> list[Wait]:
    """Voice to voice of each path that answers."""
    waits = []
    if arguments.turns:
        print("", media_table.waits_head(), sep="\n", flush=True)
    for path in [path for path in paths if arguments.turns and path != "aiortc"]:
        try:
            wait = await _pinned(cores, measure_turns(path, arguments.turns, options))
        except (DidNotStart, NotTaken) as error:
            _leave_out(path, paths, error)
            continue
        waits.append(wait)
        print(media_table.waits_line(wait), flush=True)
    return waits


def _able(paths: list[str], state: str, calls: int) -> list[str]:
    """Those that can be measured so. The others are not called more often than they can be: a core
    is full long before."""
    return [
        path
        for path in paths
        if (path not in PEERS or calls <= _PEERS_BEAR)
        and (state == "both" or not path.endswith("-eager"))
    ]


def _leave_out(path: str, paths: list[str], error: Exception) -> None:
    paths.remove(path)
    print(f"{path} is left out: {error}", file=sys.stderr, flush=True)


async def _pinned(cores: list[int], work: Awaitable[T]) -> T:
    """Run the callers on the last core; the server takes the first."""
    os.sched_setaffinity(0, {cores[-1]})
    try:
        return await work
    finally:
        os.sched_setaffinity(0, set(cores))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = lambda text: [int(each) for each in text.split(",")]  # noqa: E731 - argparse's type
    parser.add_argument("--calls", type=numbers, default=[1, 10, 40])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--paths", type=lambda text: text.split(","), default=["short", "stock", "aiortc"]
    )
    parser.add_argument(
        "--states", type=lambda text: text.split(","), default=list(STATES), help="who talks"
    )
    parser.add_argument("--cycles", type=int, default=0, help="connect and disconnect so often")
    parser.add_argument("--peers", action="store_true", help="Pipecat and FastRTC too")
    parser.add_argument("--turns", type=int, default=8, help="turns to measure voice to voice")
    parser.add_argument(
        "--disturb", choices=("thread", "lock", "process"), nargs="?", const="thread",
        help="a CPU-heavy engine in the server (lock: that holds the interpreter; "
        "process: in one of its own)",
    )  # fmt: skip
    parser.add_argument("--no-detector", action="store_true", help="media alone, no Silero")
    parser.add_argument("--json", type=Path, default=RESULT)
    parser.add_argument("--quality", action="store_true", help="only PESQ on a bad network")
    arguments = parser.parse_args()
    if arguments.quality:
        _print_quality()
    else:
        asyncio.run(run(arguments))


def _print_quality() -> None:
    from bench import media_clean, media_quality, media_voice  # PESQ is needed for this alone

    print(media_quality.table(list(media_quality.measure())), end="\n\n")
    print(media_clean.table(list(media_clean.measure())), end="\n\n")
    print(media_voice.table(list(media_voice.measure())))


if __name__ == "__main__":
    main()
