"""A telephone on loudspeaker: the agent's own voice comes back into the caller's microphone.

Each made room delays what arrived, lowers it, takes its treble and lets it ring, throughout its
call. The agent first talks alone, then a recording of a person is mixed in. The delay counts from
a packet's arrival; the listener's own buffer of 80 ms is inside it, so that shorter ones cannot be
made.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

import numpy as np

from bench.conversation.barge_in import talking
from bench.conversation.endpoint import chat_endpoint
from bench.conversation.part import Part, Target, share
from bench.conversation.replay import at_level
from bench.conversation.reply_words import REPLY, SETTINGS
from bench.conversation.room import Reverberation, Walls
from bench.conversation.stand import call, of_kind, quiet_server
from bench.recordings import named
from media.audio import Samples
from media.opus import FRAME
from signaling.client import Caller
from signaling.recording import Recording

ROOMS = (Walls(0.12, -10.0), Walls(0.15, -15.0), Walls(0.2, -20.0), Walls(0.25, -30.0))
CALLERS = ("an4_test/an440-mjgm-b", "whatstheweatherlike", "an4_test/cen3-fvap-b")
ALONE = 6.0
"""Seconds in which only the agent talks."""
AFTERWARDS = 1.5
LEVEL = -26.0
"""dBFS of the callers' voices: the nominal level of telephony (ITU-T P.56)."""
LATEST = 0.1
"""Seconds that a frame may be late before it is left out."""
EARLIEST = 0.06
"""Seconds by which a frame may be played before its time when it follows another."""


class Loudspeaker:
    """What the microphone hears of the agent: a frame of 20 ms at 48 kHz for each call.

    Frames that follow one another are played one after another, as a device's buffer does, and not
    with a hole or a skip for each packet that is a little late."""

    def __init__(self, recording: Recording, walls: Walls) -> None:
        self._recording = recording
        self._delay = walls.delay
        self._next = len(recording.frames)
        self._plays = False
        self._reverberation = Reverberation(walls)

    def __call__(self, now: float) -> Samples:
        frames, due = self._recording.frames, now - self._delay
        while self._next < len(frames) and frames[self._next].at < due - LATEST:
            self._next += 1
        frame = np.zeros(FRAME)
        early = EARLIEST if self._plays else 0.0
        self._plays = self._next < len(frames) and frames[self._next].at <= due + early
        if self._plays:
            frame[:] = frames[self._next].samples[:FRAME]
            self._next += 1
        sound = self._reverberation.feed(frame)
        return np.clip(sound, -32768, 32767).astype(np.int16)


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
            for walls in ROOMS[::2] if quick else ROOMS:
                async with call(process) as caller:
                    found.append(await _in_room(caller, walls))
    return _part(found)


async def _in_room(caller: Caller, walls: Walls) -> Outcome:
    """The loudspeaker is on from the call's first moment to its last."""
    caller.voice.around = Loudspeaker(caller.recording, walls)
    alone = recognised = 0
    for number, name in enumerate(CALLERS):
        await talking(caller)
        before = len(caller.messages)
        await asyncio.sleep(ALONE if number == 0 else 1.5)
        alone += len(of_kind(caller.messages[before:], "barge_in"))
        before = len(caller.messages)
        await caller.say(at_level(named(name).voice, LEVEL))
        await asyncio.sleep(AFTERWARDS)
        recognised += bool(of_kind(caller.messages[before:], "barge_in"))
    return Outcome(walls.delay, walls.level, alone, len(CALLERS), recognised)


def _part(found: list[Outcome]) -> Part:
    alone, spoke = sum(each.alone for each in found), sum(each.spoke for each in found)
    recognised = sum(each.recognised for each in found)
    return Part(
        name="echo",
        title="Echo: the agent's voice in the caller's microphone",
        note=f"Made rooms; the callers are recordings at {LEVEL:.0f} dBFS, mixed with the echo.",
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
