"""Pauses inside sentences: what is prepared and thrown away, and whether any of it is ever heard.

The chat endpoint repeats what it was asked, so that each word that is heard can be held against the
transcript that its turn was committed with.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass

from agent.dialogue.words import words
from bench.conversation.endpoint import chat_endpoint
from bench.conversation.part import Part, Target, share
from bench.conversation.stand import call, counted, quiet_server, settled, speculations
from bench.recordings import gaps, named, with_pause
from server.talk import exchange
from signaling.client import Message

SENTENCES = (
    "what-time-it-is.flac", "please-hang-up-and-try-again", "priv-recordintro", "not-necessary-ac",
    "leopard__test.wav", "please-enter-first-three", "someone-you-trust1", "an4_test/an439-mjgm-b",
    "an4_test/cen7-menk-b", "enter-conf-call-number",
)  # fmt: skip
PAUSES = (0.25, 0.4, 0.6, 0.9)


@dataclass(frozen=True, slots=True)
class Hesitation:
    """A sentence with a pause in its middle."""

    text: str
    pause: float
    turns: int
    """Turns that it became: 1, or it was cut in two."""
    merged: bool
    """It was cut, and made one turn again when the caller went on."""
    stale: tuple[str, ...]
    """Heard, though it answers other words than the turn's."""


async def measure(quick: bool) -> Part:
    """Every sentence with every pause, in one call."""
    found: list[Hesitation] = []
    script = [(part, pause) for part in SENTENCES for pause in PAUSES]
    async with chat_endpoint(_repeat) as endpoint, quiet_server(*endpoint.settings) as process:
        before = await counted(process)
        async with call(process) as caller:
            for part, pause in script[::10] if quick else script:
                spoken = named(part)
                places = gaps(spoken.audio) or [(spoken.begin + spoken.end) / 2]
                paused = with_pause(spoken.audio, places[len(places) // 2], pause)
                told = await exchange(caller, paused)
                await settled(caller)
                found.append(_found(spoken.text, pause, list(told.messages)))
        tries = speculations(before, await counted(process))
    return _part(found, tries)


def _repeat(said: str) -> str:
    return f"I heard {said}. Is that what you said?"


def _found(text: str, pause: float, messages: list[Message]) -> Hesitation:
    finals = [each for each in messages if each["type"] == "transcript.final"]
    numbers = [each["turn"] for each in finals]
    return Hesitation(
        text,
        pause,
        turns=len(set(numbers)),
        merged=len(numbers) > len(set(numbers)),
        stale=tuple(stale(messages)),
    )


def stale(messages: list[Message]) -> list[str]:
    """What was heard of replies to other words than the last that their turn was committed with."""
    committed: dict[int, str] = {}
    said: dict[int, list[str]] = defaultdict(list)
    found = []
    for each in messages:
        if each["type"] == "transcript.final":
            committed[each["turn"]], said[each["turn"]] = each["text"], []
        elif each["type"] == "reply.spoken":
            heard = said[each["turn"]]
            heard += words(each["text"])
            expected = words(_repeat(committed.get(each["turn"], "")))
            if heard != expected[: len(heard)]:
                found.append(each["text"])
    return found


def _part(found: list[Hesitation], tries: dict[str, int]) -> Part:
    rows = []
    for pause in sorted({each.pause for each in found}):
        those = [each for each in found if each.pause == pause]
        rows.append(
            (
                f"{1000 * pause:.0f} ms",
                str(len(those)),
                share(sum(each.turns == 1 and not each.merged for each in those), len(those)),
                share(sum(each.merged for each in those), len(those)),
                share(sum(each.turns > 1 for each in those), len(those)),
                str(sum(len(each.stale) for each in those)),
            )
        )
    number = sum(len(each.stale) for each in found)
    return Part(
        name="hesitations",
        title="Hesitations: sentences with a pause inside",
        note=f"Speculations: {tries['played']} played, {tries['discarded']} discarded. A turn that "
        "ends too soon is made one again when the caller goes on before much of the reply is "
        "heard.",
        columns=("pause", "sentences", "not ended", "ended, and one again", "two turns", "stale"),
        rows=rows,
        targets=(Target("stale replies heard", number, 0, must=True),),
        data={"speculations": tries, "sentences": [asdict(each) for each in found]},
    )
