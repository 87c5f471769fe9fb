"""What a second of call costs on the short path, beside its stock path, plain aiortc, and others.

    python -m bench.media [--calls 1,10,40] [--seconds 10] [--rounds 2] [--paths short,stock,aiortc]
                          [--states listening,caller,agent,both] [--cycles 200] [--peers]
                          [--turns 8] [--disturb [process]] [--json FILE]
    python -m bench.media --quality

The server and the callers are processes of their own, each on its own core; CPU is the server's
`getrusage`. The paths take turns within each round, so that what else the machine does meets all of
them. With `--peers` other voice agent servers take theirs too (bench/media_peers).

Both sides talk without end; the short path is also measured with only the caller or the agent
talking, and with neither (*listening*: the detector's gate is closed). With `--disturb` a CPU-heavy
thread runs beside the loop, on the same core and as nice as the engines' threads: its CPU is in the
figures, the lateness is what to read. `--disturb process` tells what a process of its own would
change. Our server always runs as an ordinary user's process, also when the bench was given
real-time priority (`chrt`): that steadies the callers alone.

*Late* is how much later a packet came than the earliest of its stream would have it; *to detector*
is from a burst's packet leaving the caller to its chunk at the speech detector; *voice to voice*
from the caller's last packet of speech to the answer's first, with instant fake engines: the wait
that ends the turn, and the *rest*.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np
import pylibsrtp

from bench.media_load import NotTaken, callers, encoded
from bench.media_peers.environment import CLOCK_STANDS, ENDPOINT_WAIT, PEERS
from bench.media_process import DidNotStart, Options, server, usage
from bench.media_sound import WAIT, bursts, room, speech
from bench.media_turns import REPLY, voice_to_voice
from media.opus import FRAME, Decoder, Encoder
from server.tuning import MOMENT

T = TypeVar("T")
RESULT = Path(__file__).parent / "results" / "media.json"
_PEERS_BEAR = 10
"""Calls at once that another server is given at most."""
_STATES = {
    "listening": (False, False),
    "caller": (True, False),
    "agent": (False, True),
    "both": (True, True),
}
"""Whether the caller talks, and the agent."""
_SETTLE = 1.5
"""Seconds that calls are left alone before they are measured."""
_AT_ONCE, _READ_EVERY = 10, 20
"""Calls that come and go together; calls from one reading of the memory to the next."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run of one path. Milliseconds, but for `cpu` (ms per call-second) and `memory` (MB)."""

    path: str
    state: str
    calls: int
    cpu: float
    heard: float
    """Share of the callers' audio that reached the detector, percent: below 95 the machine, or
    the callers' own process, could not keep up, and the other figures say little."""
    sleeps: float
    """How often the server fell asleep and was woken, per call-second."""
    late_p50: float
    late_p99: float
    to_detector: float
    to_detector_lossy: float
    connected: float
    first_packet: float
    memory: float
    threads: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Voice to voice of one path, milliseconds; `wait`: what of it ends the turn, where known.

    `answers`: per turn, clean and lossy."""

    path: str
    wait: float
    clean: float
    lossy: float
    answers: tuple[float, float]


async def measure(path: str, count: int, state: str, options: Options) -> Row:
    """One run: `count` calls, then, where both sides talk, one call of bursts, clean and lossy."""
    caller_talks, agent_talks = _STATES[state]
    packets = encoded(speech(48_000) if caller_talks else room(48_000))
    to_detector = lossy = float("nan")
    async with server(path, replace(options, mute=not agent_talks)) as url:
        async with callers(1, url, packets, are_answered=agent_talks):
            await asyncio.sleep(_SETTLE)  # what is loaded once is no call's memory
        await asyncio.sleep(1.0)
        before = await usage(url)
        async with callers(count, url, packets, are_answered=agent_talks) as calls:
            await asyncio.sleep(_SETTLE)
            idle = await usage(url)
            since = time.monotonic()
            await asyncio.sleep(options.seconds)
            used = await usage(url)
            noted = [] if path in CLOCK_STANDS else calls
            late = np.array([late for call in noted for late in call.lateness(since)] or [np.nan])
        if state == "both":
            to_detector = await _to_detector(url, options.seconds, loss=0.0)
            lossy = await _to_detector(url, options.seconds, loss=0.02)
    return Row(
        path=path,
        state=state,
        calls=count,
        cpu=used["cpu"] / used["wall"] / count * 1000,
        heard=used["chunks"] / (50 * used["wall"] * count) * 100,
        sleeps=used.get("sleeps", float("nan")) / used["wall"] / count,  # others do not tell
        late_p50=float(np.percentile(late, 50)) * 1000,
        late_p99=float(np.percentile(late, 99)) * 1000,
        to_detector=to_detector,
        to_detector_lossy=lossy,
        connected=median(call.connected for call in calls) * 1000,
        first_packet=median(call.first_packet for call in calls) * 1000,
        memory=(idle["rss"] - before["rss"]) / count / 2**20,
        threads=(idle["threads"] - before["threads"]) / count,
    )


async def measure_turns(path: str, turns: int, options: Options) -> Wait:
    """So many turns over a clean network, and as many with 2 % of the packets lost."""
    async with server(path, options, reply=REPLY) as url:
        clean, answered = await voice_to_voice(url, turns, loss=0.0)
        lossy, answered_lossy = await voice_to_voice(url, turns, loss=0.02)
        wait = ENDPOINT_WAIT.get(path, float("nan")) if path in PEERS else WAIT
        return Wait(path, wait * 1000, clean, lossy, (answered, answered_lossy))


async def _to_detector(url: str, seconds: float, *, loss: float) -> float:
    """Milliseconds from the burst's first packet to its chunk, median of all bursts."""
    async with callers(1, url, encoded(bursts(48_000, 1)), loss=loss) as (call,):
        await asyncio.sleep(1.0)
        await usage(url)
        await asyncio.sleep(max(seconds, 5.0))
        heard = (await usage(url))["onsets"]
        ways = [
            min(onset - begun for onset in heard if onset >= begun)
            for begun in call.mouth.begun
            if any(begun <= onset < begun + 0.9 for onset in heard)
        ]
    return median(ways) * 1000 if ways else float("nan")


async def slope(path: str, cycles: int, options: Options) -> dict[str, float]:
    """Bytes that the server keeps of each call that came and went, after a warm-up.

    What is kept is read when the server has collected what calls left. The readings build on each
    other, only their differences are independent: the error is theirs."""
    packets = encoded(speech(48_000)[:48_000])
    sizes: list[int] = []
    async with server(path, options) as url:
        for cycle in range(0, cycles, _AT_ONCE):
            async with callers(_AT_ONCE, url, packets):
                await asyncio.sleep(0.05)
            if (cycle + _AT_ONCE) % _READ_EVERY == 0:
                await asyncio.sleep(MOMENT + 0.5)
                sizes.append((await usage(url))["rss"])
        left = await usage(url)
    grown = np.diff(sizes[len(sizes) // 3 :]) / _READ_EVERY
    return {
        "bytes_per_cycle": float(grown.mean()),
        "give_or_take": 2 * float(grown.std(ddof=1) / len(grown) ** 0.5),  # 95 of 100 such runs
        "threads_left": left["threads"],
        "tasks_left": left["tasks"],
    }


def floor(pause: float = 0.0) -> float:
    """ms per call-second of libopus and libsrtp alone, by the same bindings.

    `pause`: seconds slept between packets. In the 20 ms that one call leaves, others' work empties
    the core's caches, which no program can help: several times the CPU on a busy machine."""
    samples, packets = speech(48_000)[: 48_000 * 5], encoded(speech(48_000)[: 48_000 * 5])
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    inbound = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)
    protect, unprotect = pylibsrtp.Session(policy).protect, pylibsrtp.Session(inbound).unprotect
    encoder, decoder = Encoder(), Decoder()
    begun = time.process_time()
    for number, packet in enumerate(packets):
        head = b"\x80\x60" + number.to_bytes(2) + bytes(8)
        decoder.decode(unprotect(protect(head + packet))[12:])
        encoder.encode(samples[number * FRAME : (number + 1) * FRAME])
        if pause:
            time.sleep(pause)
    return (time.process_time() - begun) / 5 * 1000


def sockets() -> float:
    """ms per call-second of this machine's kernel: 50 datagrams out and 50 in, nothing else."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as near,
        socket.socket(type=socket.SOCK_DGRAM) as far,
    ):
        far.bind(("127.0.0.1", 0))
        address, datagram = far.getsockname(), bytes(100)
        begun = time.process_time()
        for _ in range(500):
            near.sendto(datagram, address)
            far.recv(2000)
        return (time.process_time() - begun) / 10 * 1000


def merged(rows: list[Row]) -> Row:
    """The median of each figure over the rounds of one path."""
    figures = {
        name: median(getattr(row, name) for row in rows)
        for name in Row.__slots__
        if name not in ("path", "state")
    }
    return Row(path=rows[0].path, state=rows[0].state, **figures)


def table(rows: list[Row]) -> str:
    head = (
        "path          talking    calls  CPU ms/call-s  heard %  sleeps/call-s  late p50   p99 ms  "
        "to detector  2 % lost  connected  1st packet  MB/call  threads/call"
    )
    lines = [
        f"{row.path:<13} {row.state:<9} {row.calls:>6.0f} {row.cpu:>14.1f} {row.heard:>8.0f} "
        f"{row.sleeps:>14.1f} {row.late_p50:>9.1f} {row.late_p99:>8.1f} "
        f"{row.to_detector:>9.0f} ms {row.to_detector_lossy:>6.0f} ms "
        f"{row.connected:>7.0f} ms {row.first_packet:>8.0f} ms {row.memory:>8.2f} "
        f"{row.threads:>13.1f}"
        for row in rows
    ]
    return "\n".join([head, *lines])


async def run(arguments: argparse.Namespace) -> None:
    cores = sorted(os.sched_getaffinity(0))
    options = Options(arguments.seconds, arguments.disturb, not arguments.no_detector, cores[0])
    base, paced = floor(), floor(pause=0.02)
    kernel = sockets()
    print(f"libopus and libsrtp alone: {base:.1f} ms per call-second", flush=True)
    print(f"the same, a packet every 20 ms as in one call: {paced:.1f} ms", flush=True)
    print(f"sending and receiving the datagrams alone: {kernel:.1f} ms", flush=True)
    paths = [*arguments.paths, *(PEERS if arguments.peers else ())]
    rows = await _rows(arguments, paths, options, cores)
    waits = await _waits(arguments, paths, options, cores)
    result: dict[str, Any] = {
        "floor_ms": base,
        "floor_paced_ms": paced,
        "sockets_ms": kernel,
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


async def _rows(
    arguments: argparse.Namespace, paths: list[str], options: Options, cores: list[int]
) -> list[Row]:
    """Each path with each number of calls, in turns. A path that fails is left out from then on."""
    runs: dict[tuple[int, str, str], list[Row]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for count in arguments.calls:
            for path, state in _kinds(paths, arguments.states, count):
                if path not in paths:
                    continue
                try:
                    row = await _pinned(cores, measure(path, count, state, options))
                except (DidNotStart, NotTaken) as error:
                    _leave_out(path, paths, error)
                    continue
                runs[count, path, state].append(row)
                print(table([row]).splitlines()[1], flush=True)
    rows = [merged(each) for each in runs.values()]
    print("\nMedian of the rounds:\n" + table(rows), flush=True)
    return rows


async def _waits(
    arguments: argparse.Namespace, paths: list[str], options: Options, cores: list[int]
) -> list[Wait]:
    """Voice to voice of each path that answers."""
    waits = []
    if arguments.turns:
        print(
            "\nvoice to voice, ms    wait   clean    rest   2 % lost   rest  answers per turn",
            flush=True,
        )
    for path in [path for path in paths if arguments.turns and path != "aiortc"]:
        try:
            wait = await _pinned(cores, measure_turns(path, arguments.turns, options))
        except (DidNotStart, NotTaken) as error:
            _leave_out(path, paths, error)
            continue
        waits.append(wait)
        print(
            f"{path:<19} {wait.wait:>6.0f} {wait.clean:>7.0f} {wait.clean - wait.wait:>7.0f} "
            f"{wait.lossy:>10.0f} {wait.lossy - wait.wait:>6.0f} "
            f"{wait.answers[0]:>10.2f} {wait.answers[1]:>6.2f}",
            flush=True,
        )
    return waits


def _kinds(paths: list[str], states: list[str], calls: int) -> list[tuple[str, str]]:
    """Which path in which state. The others are not called more often than they can be: a core is
    full long before."""
    able = [path for path in paths if path not in PEERS or calls <= _PEERS_BEAR]
    return [
        (path, state) for path in able for state in states if path == "short" or state == "both"
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
        "--states", type=lambda text: text.split(","), default=list(_STATES), help="of short"
    )
    parser.add_argument("--cycles", type=int, default=0, help="connect and disconnect so often")
    parser.add_argument("--peers", action="store_true", help="Pipecat and FastRTC too")
    parser.add_argument("--turns", type=int, default=8, help="turns to measure voice to voice")
    parser.add_argument(
        "--disturb", choices=("thread", "process"), nargs="?", const="thread",
        help="a CPU-heavy engine in the server (process: in one of its own)",
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
    from bench import media_clean, media_quality  # PESQ is needed for this alone

    print(media_quality.table(list(media_quality.measure())), end="\n\n")
    print(media_clean.table(list(media_clean.measure())))


if __name__ == "__main__":
    main()
