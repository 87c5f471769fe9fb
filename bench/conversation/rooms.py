"""The agent's echo in made rooms, replayed: whom it stops for, by their voice alone.

As `echo`, without a server, a clock or chance. In each room the agent talks alone, once with the
loudspeaker on from the beginning and once with it switched on later; then each of several people
speaks over it, at three levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from agent.dialogue.barge_in import Verdict
from bench.conversation.part import Part, Target, share
from bench.conversation.replay import at_level, replay
from bench.conversation.reply_words import told
from bench.conversation.room import Room, Walls
from bench.recordings import named
from media.audio import AudioChunk
from media.voice import VoiceModel, VoiceSettings, load_voice_model

LEVELS = (-6.0, -10.0, -15.0, -25.0)
"""Decibels against the agent's voice, which is at -20 dBFS."""
PLACES = ((0.1, 0.05), (0.2, 0.3), (0.4, 0.1))
"""Delay and ringing, in seconds."""
CALLER_LEVELS = (-20.0, -26.0, -32.0)
"""dBFS; telephony's nominal level is -26."""
CALLERS = (
    "whatstheweatherlike", "an4_test/cen3-fvap-b", "an4_test/an422-menk-b",
    "please-hang-up-and-try-again", "an4_test/cen8-mjgm-b",
)  # fmt: skip
ALONE = 15.0
SWITCHED_ON = 5.0
SPEAKS_AT = 5.5
"""Seconds at which people speak: in the middle of a sentence of the agent's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the rooms of one level."""

    level: float
    alone: int
    """Times that the agent interrupted itself."""
    ducked: float
    """Seconds of `seconds` that it ducked for itself."""
    seconds: float
    switched: int
    """Times that it interrupted itself after the loudspeaker was switched on."""
    recognised: dict[float, int]
    """People it stopped for, by their level."""
    spoke: int
    """People at each level."""


async def measure(quick: bool) -> Part:
    """Every room."""
    model, agent = load_voice_model(VoiceSettings()), await told()
    places = PLACES[:1] if quick else PLACES
    return _part([await at(level, places, agent, model) for level in LEVELS])


async def at(
    level: float, places: tuple[tuple[float, float], ...], agent: AudioChunk, model: VoiceModel
) -> Outcome:
    """The rooms of one level."""
    walls = [Walls(delay, level, ringing) for delay, ringing in places]
    alone = [await replay(model, agent=agent, room=Room(each), seconds=ALONE) for each in walls]
    switched = [
        await replay(model, agent=agent, room=Room(each, begins=SWITCHED_ON), seconds=ALONE)
        for each in walls
    ]
    recognised = dict.fromkeys(CALLER_LEVELS, 0)
    for each, name, loud in product(walls, CALLERS, CALLER_LEVELS):
        caller = at_level(named(name).voice, loud)
        over = await replay(model, agent=agent, room=Room(each), caller=caller, at=SPEAKS_AT)
        recognised[loud] += over.first(Verdict.INTERRUPT, SPEAKS_AT) is not None
    return Outcome(
        level=level,
        alone=sum(each.count(Verdict.INTERRUPT) for each in alone),
        ducked=sum(each.ducked for each in alone),
        seconds=ALONE * len(walls),
        switched=sum(each.count(Verdict.INTERRUPT) for each in switched),
        recognised=recognised,
        spoke=len(walls) * len(CALLERS),
    )


def _part(found: list[Outcome]) -> Part:
    usual = [each.recognised[-26.0] / each.spoke for each in found if each.level <= -15]
    return Part(
        name="rooms",
        title="Echo in made rooms, by the voice alone, replayed",
        note=(
            f"{len(PLACES)} rooms at each level, delays of 100 to 400 ms. A caller who is quieter "
            "than the echo can be heard only between the agent's words."
        ),
        columns=(
            "echo", "interrupted itself", "ducked for itself", "switched on late",
            *(f"callers at {each:.0f} dBFS" for each in CALLER_LEVELS),
        ),
        rows=[_row(each) for each in found],
        targets=(
            Target("interrupted itself", sum(each.alone for each in found), 0),
            Target("callers at -26 dBFS over an echo of -15 dB or less, least",
                   min(usual), 0.9, at_least=True),
        ),
        data={f"{each.level:.0f} dB": each.recognised for each in found},
    )  # fmt: skip


def _row(it: Outcome) -> tuple[str, ...]:
    return (
        f"{it.level:.0f} dB",
        str(it.alone),
        f"{it.ducked:.1f} of {it.seconds:.0f} s",
        str(it.switched),
        *(share(it.recognised[each], it.spoke) for each in CALLER_LEVELS),
    )
