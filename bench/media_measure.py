"""What `bench.media` measures of a server: calls that talk, turns, calls that come and go."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

import numpy as np

from bench import media_floor
from bench.media_load import Caller, callers, encoded
from bench.media_peers.environment import CLOCK_STANDS, ENDPOINT_WAIT, PEERS
from bench.media_process import Options, server, usage
from bench.media_sound import WAIT, bursts, room, speech
from bench.media_turns import REPLY, voice_to_voice
from media.audio import level_db
from media.native import NotCompiled
from media.opus import VOICE_RATE, BadPacket, Decoder
from server.tuning import MOMENT

STATES = {
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
_AUDIBLE = -50.0
"""dBFS."""
_FLOOR_SECONDS = 3.0


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
    said: float
    """Share of the time in which the agent was audible to the first caller, percent."""
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
    floor: float = float("nan")
    """ms per call-second of the floor measured beside it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Voice to voice of one path, milliseconds; `wait`: what of it ends the turn, where known.

    `answers`: per turn, clean and lossy."""

    path: str
    wait: float
    clean: float
    lossy: float
    answers: tuple[float, float]


def merged(rows: list[Row]) -> Row:
    """The median of each figure over the rounds of one path."""
    figures = {
        name: median(getattr(row, name) for row in rows)
        for name in Row.__slots__
        if name not in ("path", "state", "calls")
    }
    return replace(rows[0], **figures)


async def measure(path: str, count: int, state: str, options: Options) -> Row:
    """One run: `count` calls, then, where both sides talk, one call of bursts, clean and lossy."""
    caller_talks, agent_talks = STATES[state]
    packets = _sent(caller_talks)
    to_detector = lossy = float("nan")
    unasked = agent_talks and not caller_talks
    async with server(path, replace(options, mute=not agent_talks, unasked=unasked)) as url:
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
            said = _audible(calls[0], since)
        if state == "both":
            to_detector = await _to_detector(url, options.seconds, loss=0.0)
            lossy = await _to_detector(url, options.seconds, loss=0.02)
    return Row(
        path=path,
        state=state,
        calls=count,
        cpu=used["cpu"] / used["wall"] / count * 1000,
        heard=used["chunks"] / (50 * used["wall"] * count) * 100,
        said=said / used["wall"] * 100,
        sleeps=used["sleeps"] / used["wall"] / count,
        late_p50=float(np.percentile(late, 50)) * 1000,
        late_p99=float(np.percentile(late, 99)) * 1000,
        to_detector=to_detector,
        to_detector_lossy=lossy,
        connected=median(call.connected for call in calls) * 1000,
        first_packet=median(call.first_packet for call in calls) * 1000,
        memory=(idle["rss"] - before["rss"]) / count / 2**20,
        threads=(idle["threads"] - before["threads"]) / count,
    )


def floor(count: int, state: str, options: Options) -> float:
    """ms per call-second that libopus, libsrtp and the kernel alone need for such calls; NaN when
    there is no C compiler."""
    caller_talks, agent_talks = STATES[state]
    said = speech(VOICE_RATE)[: None if agent_talks else 0]
    try:
        return media_floor.paced(
            count, _sent(caller_talks), said, seconds=_FLOOR_SECONDS, core=options.core
        )
    except NotCompiled:
        return float("nan")


def hot_floor(options: Options) -> float:
    """The same with both sides talking, of packets that come one right after the other.

    Raises media.native.NotCompiled."""
    said = speech(VOICE_RATE)
    return media_floor.hot(_sent(True), said, seconds=_FLOOR_SECONDS, core=options.core)


async def measure_turns(path: str, turns: int, options: Options) -> Wait:
    """So many turns over a clean network, and as many with 2 % of the packets lost."""
    async with server(path, options, reply=REPLY) as url:
        clean, answered = await voice_to_voice(url, turns, loss=0.0)
        lossy, answered_lossy = await voice_to_voice(url, turns, loss=0.02)
        wait = ENDPOINT_WAIT.get(path, float("nan")) if path in PEERS else WAIT
        return Wait(path, wait * 1000, clean, lossy, (answered, answered_lossy))


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


@cache
def _sent(caller_talks: bool) -> list[bytes]:
    """What a caller sends, again and again."""
    return encoded(speech(48_000) if caller_talks else room(48_000))


def _audible(call: Caller, since: float) -> float:
    """Seconds in which the agent could be heard from then on."""
    decoder, seconds = Decoder(), 0.0
    for at, _, payload in call.arrivals:
        if at < since:
            continue
        try:
            samples = decoder.decode(payload)
        except BadPacket:
            continue
        if level_db(samples) > _AUDIBLE:
            seconds += len(samples) / decoder.rate
    return seconds


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
