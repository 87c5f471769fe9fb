"""Ten minutes of what nobody says: noise, breath, music, a door, a siren, silence. None is a turn.

Babble, a horn, a dog, a telephone and rooms are recordings; breath, music, door, siren and hum are
made with NumPy (`sounds.py`), because no recording of them is at hand.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from bench.conversation.part import Part, Target
from bench.conversation.sounds import at_level, made
from bench.conversation.stand import call, counted, of_kind, quiet_server, speculations
from bench.recordings import noises
from bench.server_process import ServerProcess
from media.audio import CALLER_RATE, AudioChunk, silence

SECONDS = 10.0
LEVELS = (-20.0, -30.0, -42.0)
"""dBFS of the loudest second: near, in the room, far away."""
CALLS = 4


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound, and what the server made of it."""

    name: str
    level: float | None
    turns: int = 0
    dropped: int = 0
    replies: int = 0
    transcripts: tuple[str, ...] = ()


async def measure(quick: bool) -> Part:
    """All sounds, shared out among calls that run side by side."""
    script = list(_script())
    script = script[::8] if quick else script
    async with quiet_server() as process:
        before = await counted(process)
        parts = [script[number::CALLS] for number in range(CALLS)]
        found = await asyncio.gather(*(_listen_to(process, part) for part in parts if part))
        tries = speculations(before, await counted(process))
    return _part([sound for each in found for sound in each], tries)


def _script() -> Iterator[tuple[str, float | None, AudioChunk]]:
    sounds = {**noises(), **made(SECONDS)}
    for name, audio in sounds.items():
        for number, level in enumerate(LEVELS):
            # Another part of a long recording at each level.
            part = np.roll(audio.samples, -round(number * SECONDS * CALLER_RATE))
            yield name, level, at_level(AudioChunk(part), level, seconds=SECONDS)
    for _ in range(round(600 / SECONDS) - len(LEVELS) * len(sounds)):
        yield "silence", None, silence(SECONDS)


async def _listen_to(
    process: ServerProcess, script: list[tuple[str, float | None, AudioChunk]]
) -> list[Sound]:
    found = []
    async with call(process) as caller:
        for name, level, audio in script:
            begin = len(caller.messages)
            await caller.say(audio)
            await asyncio.sleep(2.0)
            told = caller.messages[begin:]
            finals = of_kind(told, "transcript.final")
            found.append(
                Sound(
                    name,
                    level,
                    turns=len(finals),
                    dropped=len(of_kind(told, "turn.dropped")),
                    replies=len(of_kind(told, "reply.spoken")),
                    transcripts=tuple(each["text"] for each in finals),
                )
            )
    return found


def _part(found: list[Sound], tries: dict[str, int]) -> Part:
    by_name: dict[str, list[Sound]] = defaultdict(list)
    for sound in found:
        by_name[sound.name].append(sound)
    rows = [
        (
            name,
            f"{SECONDS * len(sounds):.0f} s",
            str(sum(each.turns for each in sounds)),
            str(sum(each.dropped for each in sounds)),
            "; ".join(text for each in sounds for text in each.transcripts)[:60],
        )
        for name, sounds in by_name.items()
    ]
    turns = sum(each.turns for each in found)
    return Part(
        name="noise",
        title="Noise and silence: turns that nobody took",
        note=f"{SECONDS * len(found) / 60:.1f} minutes; recorded noise, and made-up breath, music, "
        f"door, siren and hum, each at {', '.join(f'{each:.0f}' for each in LEVELS)} dBFS. "
        f"Speculations for it, all thrown away: {tries['discarded']}.",
        columns=("sound", "length", "turns", "taken for noise", "understood as"),
        rows=rows,
        targets=(Target("turns from noise and silence", turns, 0, must=True),),
        data={"speculations": tries, "sounds": [asdict(each) for each in found]},
    )
