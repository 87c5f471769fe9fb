"""A telephone on loudspeaker: the agent's own voice comes back into the caller's microphone.

Each made room delays what arrived, lowers it, takes its treble and lets it ring. In each the agent
first talks alone, then a recording of a person is mixed in. The delay counts from a packet's
arrival; the listener's own buffer of 80 ms is inside it, so that shorter ones cannot be made.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

import numpy as np

from bench.conversation.barge_in import talking
from bench.conversation.endpoint import chat_endpoint
from bench.conversation.part import Part, Target, share
from bench.conversation.reply_words import REPLY, SETTINGS
from bench.conversation.sounds import Wave
from bench.conversation.stand import call, of_kind, quiet_server
from bench.recordings import named
from media.audio import Samples
from media.opus import FRAME, WIRE_RATE
from signaling.client import Caller
from signaling.recording import Recording

ROOMS = ((0.12, -10.0), (0.15, -15.0), (0.2, -20.0), (0.25, -30.0))
"""Delay in seconds, and decibels against the agent's voice."""
CALLERS = ("an4_test/an440-mjgm-b", "whatstheweatherlike", "an4_test/cen3-fvap-b")
ALONE = 6.0
"""Seconds in which only the agent talks."""
AFTERWARDS = 1.5
RINGING = 0.05
"""Seconds that a room rings."""
LATEST = 0.1
"""Seconds that a frame may be late before it is left out."""


class Room:
    """What the microphone hears of the agent: a frame of 20 ms at 48 kHz for each call."""

    def __init__(self, recording: Recording, delay: float, level: float) -> None:
        self._recording = recording
        self._delay = delay
        self._next = len(recording.frames)
        self._response = _response(level)
        self._tail = np.zeros(len(self._response) - 1)

    def __call__(self, now: float) -> Samples:
        frames, due = self._recording.frames, now - self._delay
        while self._next < len(frames) and frames[self._next].at < due - LATEST:
            self._next += 1
        frame = np.zeros(FRAME)
        if self._next < len(frames) and frames[self._next].at <= due:
            frame[:] = frames[self._next].samples[:FRAME]
            self._next += 1
        sound = np.convolve(frame, self._response)
        sound[: len(self._tail)] += self._tail
        self._tail = sound[FRAME:]
        return np.clip(sound[:FRAME], -32768, 32767).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one room: barge-ins while the agent talked alone, and callers recognised."""

    delay: float
    level: float
    alone: int
    spoke: int
    recognised: int


async def measure(quick: bool) -> Part:
    """Every room, a call each."""
    found = []
    async with chat_endpoint(lambda _: REPLY) as endpoint:
        async with quiet_server(*endpoint.settings, *SETTINGS) as process:
            for delay, level in ROOMS[::2] if quick else ROOMS:
                async with call(process) as caller:
                    found.append(await _in_room(caller, delay, level))
    return _part(found)


async def _in_room(caller: Caller, delay: float, level: float) -> Outcome:
    alone = recognised = 0
    for number, name in enumerate(CALLERS):
        caller.voice.around = None
        await talking(caller)
        caller.voice.around = Room(caller.recording, delay, level)
        before = len(caller.messages)
        await asyncio.sleep(ALONE if number == 0 else 1.5)
        alone += len(of_kind(caller.messages[before:], "barge_in"))
        before = len(caller.messages)
        await caller.say(named(name).voice)
        await asyncio.sleep(AFTERWARDS)
        recognised += bool(of_kind(caller.messages[before:], "barge_in"))
    return Outcome(delay, level, alone, len(CALLERS), recognised)


def _response(level: float) -> Wave:
    """A direct sound and a decaying ring behind it, without treble, of the gain `level`."""
    at = np.arange(round(RINGING * WIRE_RATE)) / WIRE_RATE
    ring = 0.05 * np.random.default_rng(5).standard_normal(len(at)) * np.exp(-at / 0.012)
    ring[0] = 1.0
    low = np.hanning(17)
    low /= low.sum()
    response: Wave = np.convolve(ring, low)
    response *= 10 ** (level / 20) * np.linalg.norm(low) / np.linalg.norm(response)
    return response


def _part(found: list[Outcome]) -> Part:
    alone, spoke = sum(each.alone for each in found), sum(each.spoke for each in found)
    recognised = sum(each.recognised for each in found)
    return Part(
        name="echo",
        title="Echo: the agent's voice in the caller's microphone",
        note="Made rooms; the callers are recordings, mixed with the echo.",
        columns=("room", "interrupted itself", "callers recognised"),
        rows=[
            (
                f"{1000 * each.delay:.0f} ms, {each.level:.0f} dB",
                str(each.alone),
                share(each.recognised, each.spoke),
            )
            for each in found
        ],
        targets=(
            Target("interrupted itself", alone, 0),
            Target("callers recognised", recognised, spoke, at_least=True),
        ),
        data={"rooms": [asdict(each) for each in found]},
    )
