"""What a second of call costs on the short path, beside its stock path and plain aiortc.

    python -m bench.media [--calls 1,10,40] [--seconds 10] [--rounds 2] [--paths short,stock,aiortc]
                          [--cycles 200] [--json FILE]

The server and the callers are processes of their own, each on its own core; CPU is the server's
`getrusage`. The paths take turns within each round, so that what else the machine does meets all of
them. *Late* is how much later a packet came than the earliest of its stream would have it; *to
detector* is from a burst's packet leaving the caller to its chunk at the speech detector.
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
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import numpy as np
import pylibsrtp

from bench.media_load import callers, encoded
from bench.media_sound import bursts, speech
from media.opus import FRAME, Decoder, Encoder

RESULT = Path(__file__).parent / "results" / "media.json"
_SETTLE = 1.5
"""Seconds that calls are left alone before they are measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run of one path. Milliseconds, but for `cpu` (ms per call-second) and `memory` (MB)."""

    path: str
    calls: int
    cpu: float
    heard: float
    """Share of the callers' audio that reached the detector, percent: below 95 the machine, or
    the callers' own process, could not keep up, and the other figures say little."""
    late_p50: float
    late_p99: float
    to_detector: float
    to_detector_lossy: float
    connected: float
    first_packet: float
    memory: float
    threads: float


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    disturb: bool
    detector: bool
    core: int


@asynccontextmanager
async def server(path: str, options: Options) -> AsyncIterator[str]:
    """A server process on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--disturb"] * options.disturb + ["--no-detector"] * (not options.detector)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "bench.media_server", "--path", path,
        "--port", str(port), "--core", str(options.core), *flags,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60):
            while not await _answers(url):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:  # aiortc's threads keep it
            process.kill()
            await process.wait()


async def _answers(url: str) -> bool:
    try:
        await _usage(url)
    except aiohttp.ClientError:
        return False
    return True


async def _usage(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/usage") as response:
        return dict(await response.json())


async def measure(path: str, count: int, options: Options) -> Row:
    """One run: `count` calls of speech both ways, then one call of bursts, clean and lossy."""
    async with server(path, options) as url:
        async with callers(1, url, encoded(speech(48_000))):
            await asyncio.sleep(_SETTLE)  # what is loaded once is no call's memory
        await asyncio.sleep(1.0)
        before = await _usage(url)
        async with callers(count, url, encoded(speech(48_000))) as calls:
            await asyncio.sleep(_SETTLE)
            idle = await _usage(url)
            since = time.monotonic()
            await asyncio.sleep(options.seconds)
            used = await _usage(url)
            late = np.array([late for call in calls for late in call.lateness(since)] or [np.nan])
        to_detector = await _to_detector(url, options.seconds, loss=0.0)
        lossy = await _to_detector(url, options.seconds, loss=0.02)
    return Row(
        path=path,
        calls=count,
        cpu=used["cpu"] / used["wall"] / count * 1000,
        heard=used["chunks"] / (50 * used["wall"] * count) * 100,
        late_p50=float(np.percentile(late, 50)) * 1000,
        late_p99=float(np.percentile(late, 99)) * 1000,
        to_detector=to_detector,
        to_detector_lossy=lossy,
        connected=median(call.connected for call in calls) * 1000,
        first_packet=median(call.first_packet for call in calls) * 1000,
        memory=(idle["rss"] - before["rss"]) / count / 2**20,
        threads=(idle["threads"] - before["threads"]) / count,
    )


async def _to_detector(url: str, seconds: float, *, loss: float) -> float:
    """Milliseconds from the burst's first packet to its chunk, median of all bursts."""
    async with callers(1, url, encoded(bursts(48_000, 1)), loss=loss) as (call,):
        await asyncio.sleep(1.0)
        await _usage(url)
        await asyncio.sleep(max(seconds, 5.0))
        heard = (await _usage(url))["onsets"]
        ways = [
            min(onset - begun for onset in heard if onset >= begun)
            for begun in call.mouth.begun
            if any(begun <= onset < begun + 0.9 for onset in heard)
        ]
    return median(ways) * 1000 if ways else float("nan")


async def slope(path: str, cycles: int, options: Options) -> dict[str, float]:
    """Bytes that the server keeps of each call that came and went, after a warm-up."""
    packets = encoded(speech(48_000)[:48_000])
    sizes: list[tuple[int, int]] = []
    async with server(path, options) as url:
        for cycle in range(0, cycles, 10):
            async with callers(10, url, packets):
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.1)
            sizes.append((cycle + 10, (await _usage(url))["rss"]))
        left = await _usage(url)
    warm = np.array(sizes[len(sizes) // 3 :], float)
    (gradient, _), covariance = np.polyfit(warm[:, 0], warm[:, 1], 1, cov=True)
    return {
        "bytes_per_cycle": float(gradient),
        "standard_error": float(np.sqrt(covariance[0, 0])),
        "threads_left": left["threads"],
        "tasks_left": left["tasks"],
    }


def floor() -> float:
    """ms per call-second of libopus and libsrtp alone, by the same bindings."""
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
        name: median(getattr(row, name) for row in rows) for name in Row.__slots__ if name != "path"
    }
    return Row(path=rows[0].path, **figures)


def table(rows: list[Row]) -> str:
    head = (
        "path    calls  CPU ms/call-s  heard %  late p50   p99 ms  to detector  2 % lost  "
        "connected  1st packet  MB/call  threads/call"
    )
    lines = [
        f"{row.path:<7} {row.calls:>5.0f} {row.cpu:>14.1f} {row.heard:>8.0f} {row.late_p50:>9.1f} "
        f"{row.late_p99:>8.1f} {row.to_detector:>9.0f} ms {row.to_detector_lossy:>6.0f} ms "
        f"{row.connected:>7.0f} ms {row.first_packet:>8.0f} ms {row.memory:>8.2f} "
        f"{row.threads:>13.1f}"
        for row in rows
    ]
    return "\n".join([head, *lines])


async def run(arguments: argparse.Namespace) -> None:
    cores = sorted(os.sched_getaffinity(0))
    options = Options(arguments.seconds, arguments.disturb, not arguments.no_detector, cores[0])
    base = floor()
    kernel = sockets()
    print(f"libopus and libsrtp alone: {base:.1f} ms per call-second", flush=True)
    print(f"sending and receiving the datagrams alone: {kernel:.1f} ms", flush=True)
    runs: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for count in arguments.calls:
            for path in arguments.paths:
                row = await _pinned(cores, measure(path, count, options))
                runs[count, path].append(row)
                print(table([row]).splitlines()[1], flush=True)
    rows = [merged(each) for each in runs.values()]
    print("\nMedian of the rounds:\n" + table(rows))
    result: dict[str, Any] = {
        "floor_ms": base,
        "sockets_ms": kernel,
        "options": {"seconds": options.seconds, "disturbed": options.disturb},
        "rows": [{name: getattr(row, name) for name in Row.__slots__} for row in rows],
    }
    if arguments.cycles:
        result["slope"] = {path: await slope(path, arguments.cycles, options) for path in
                           arguments.paths}  # fmt: skip
        print(json.dumps(result["slope"], indent=1))
    arguments.json.parent.mkdir(exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=1) + "\n")


async def _pinned(cores: list[int], work: Awaitable[Row]) -> Row:
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
    parser.add_argument("--cycles", type=int, default=0, help="connect and disconnect so often")
    parser.add_argument("--disturb", action="store_true", help="a CPU-heavy thread in the server")
    parser.add_argument("--no-detector", action="store_true", help="media alone, no Silero")
    parser.add_argument("--json", type=Path, default=RESULT)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
