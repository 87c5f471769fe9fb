"""Callers who speak while the agent begins the call's first sentence, replayed.

As `rooms`, but in the first second, when nobody knows yet whether the agent comes back: with
headphones on, and before a loudspeaker. A caller who is heard within 300 ms loses no word: as much
is kept of what came before.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from agent.dialogue.barge_in import Verdict
from bench.conversation.part import Part, Target, ms, percentile, share
from bench.conversation.replay import at_level, replay
from bench.conversation.reply_words import told
from bench.conversation.room import Room, Walls
from bench.recordings import named, voice_bounds
from media.audio import AudioChunk
from media.voice import VoiceModel, VoiceSettings, load_voice_model

SPEAKS_AT = (0.1, 0.25, 0.4, 0.6, 0.9)
"""Seconds after the agent's first sound."""
CALLERS = (
    "whatstheweatherlike", "an4_test/cen3-fvap-b", "an4_test/an422-menk-b",
    "please-hang-up-and-try-again", "an4_test/cen8-mjgm-b", "an4_test/an440-mjgm-b",
    "an4_test/cen2-menk-b", "an4_test/an441-mmxg-b",
)  # fmt: skip
CALLER_LEVELS = (-20.0, -26.0, -32.0)
ROOMS: dict[str, Walls | None] = {
    "headphones": None,
    "headphones that leak": Walls(0.1, -40.0),
    "loudspeaker, -25 dB": Walls(0.2, -25.0, 0.1),
    "loudspeaker, -15 dB": Walls(0.15, -15.0, 0.2),
}
"""How the agent comes back. It is at -20 dBFS."""
SOON = 0.3
"""Seconds after the onset by which the agent should be quieter."""
ALONE = 4.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One caller; seconds after their onset, None: never."""

    room: str
    at: float
    level: float
    ducked: float | None
    interrupted: float | None


async def measure(quick: bool) -> Part:
    """Every caller, at every place and level, in every room; and the agent alone."""
    model, agent = load_voice_model(VoiceSettings()), await told(2)
    callers = [_from_its_onset(named(each).voice) for each in CALLERS[:: 4 if quick else 1]]
    found = [
        await _outcome(model, agent, room, at, level, caller)
        for room, at, level, caller in product(ROOMS, SPEAKS_AT, CALLER_LEVELS, callers)
    ]
    alone = {
        room: (await replay(model, agent=agent, room=Room(walls), seconds=ALONE)).count(
            Verdict.INTERRUPT
        )
        for room, walls in ROOMS.items()
        if walls is not None
    }
    return _part(found, alone)


async def _outcome(
    model: VoiceModel, agent: AudioChunk, name: str, at: float, level: float, caller: AudioChunk
) -> Outcome:
    walls = ROOMS[name]
    replayed = await replay(
        model,
        agent=agent,
        room=Room(walls) if walls is not None else None,
        caller=at_level(caller, level),
        at=at,
    )
    since = [replayed.first(each, at) for each in (Verdict.DUCK, Verdict.INTERRUPT)]
    return Outcome(name, at, level, *(None if each is None else each - at for each in since))


def _from_its_onset(audio: AudioChunk) -> AudioChunk:
    begin = round(voice_bounds(audio)[0] * audio.rate)
    return AudioChunk(audio.samples[begin:], audio.rate)


def _part(found: list[Outcome], alone: dict[str, int]) -> Part:
    without = [each for each in found if ROOMS[each.room] is None]
    soon = sum(_is_soon(each) for each in without) / len(without)
    return Part(
        name="first_words",
        title="Callers in the first second of the agent's first sentence, replayed",
        note=f"Soon: within {ms(SOON)} ms of the caller's onset. Callers at -20, -26 and -32 dBFS.",
        columns=(
            "", "after", "ducked", "soon", "stopped it", "ducked p50", "p95", "interrupted itself",
        ),
        rows=[
            _row(room, at, [each for each in found if (each.room, each.at) == (room, at)], alone)
            for room, at in product(ROOMS, SPEAKS_AT)
        ],
        targets=(
            Target("interrupted itself", sum(alone.values()), 0),
            Target("headphones: ducked soon", soon, 0.9, at_least=True),
        ),
        data={"alone": alone},
    )  # fmt: skip


def _is_soon(it: Outcome) -> bool:
    return it.ducked is not None and it.ducked <= SOON


def _row(room: str, at: float, found: list[Outcome], alone: dict[str, int]) -> tuple[str, ...]:
    ducked = [each.ducked for each in found if each.ducked is not None]
    return (
        room,
        f"{ms(at)} ms",
        share(len(ducked), len(found)),
        share(sum(_is_soon(each) for each in found), len(found)),
        share(sum(each.interrupted is not None for each in found), len(found)),
        f"{ms(percentile(ducked, 50))} ms",
        f"{ms(percentile(ducked, 95))} ms",
        str(alone.get(room, "–")) if at == SPEAKS_AT[0] else "",
    )
