"""What the history keeps of an interrupted reply against what had arrived of it, sample by sample.

Each word is a stretch of sound of its own length, so that what left tells the words. Everything
that parts the clock of the content from that of the wall is in the way: a second sentence that
comes late, a voice held under an "uh-huh", a long way to the caller, another interruption before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from agent.dialogue.sentences import SentenceSplitter
from agent.dialogue.spoken import to_speech
from agent.engines.protocols import Priority, Speech, Urgent, Word
from agent.events import BargedIn, ReplySpoken
from agent.settings import TurnSettings
from media.audio import AudioChunk
from media.opus import FRAME_SECONDS, VOICE_FRAME
from media.speaker import Speaker
from tests.agent.conversation import Line, line
from tests.fakes import FakeModel, FakeVoice
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
REPLIES = {
    "plain": "The first thing is this one here. The second thing comes after that. That is all.",
    "numbers": "It costs $1,250.50 today, Dr. Smith. Call 555-1234 at 10:30 p.m. on 3/4/2024. Bye.",
}
RATE = 22_050
AUDIBLE = 300


class Legible(FakeVoice):
    """Words as long as they are written, silence around them; `late`: each reply's second sentence
    takes seconds."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self._late = late

    async def speak(
        self, text: str, *, language: str, voice: str = "", priority: Urgent = Priority.COMMITTED
    ) -> AsyncGenerator[Speech, None]:
        self.running += 1
        try:
            is_second = "second" in text or "Call" in text
            await asyncio.sleep(3.0 if self._late and is_second else 0.02)
            words = placed(text.split(), 0.04)
            end = words[-1].end + 0.25
            samples = np.zeros(round(end * RATE), np.int16)
            for word in words:
                samples[round(word.start * RATE) : round(word.end * RATE)] = 5000
            yield Speech(AudioChunk(samples, RATE), words)
        finally:
            self.running -= 1


def placed(words: list[str], begin: float) -> tuple[Word, ...]:
    found = []
    for word in words:
        end = begin + 0.12 + 0.05 * len(word)
        found.append(Word(word, begin, end))
        begin = end
    return tuple(found)


def words_in(reply: str, seconds: float) -> int:
    """How many of the written words have their middle in that much sound without silence."""
    splitter, begin, count = SentenceSplitter("en"), 0.0, 0
    for sentence in [*splitter.feed(reply), *splitter.flush()]:
        spoken = to_speech(sentence.strip(), "en", {})
        words = placed(spoken.text.split(), begin)
        begin = words[-1].end
        middles = ((text, (start + end) / 2) for text, start, end in spoken.written(words))
        count += sum(len(text.split()) for text, middle in middles if middle <= seconds)
    return count


class Wire:
    """What leaves a speaker: when, and how much of it is sound. A frame that is repeated because
    it fades, and leaves again, is counted once."""

    def __init__(self, speaker: Speaker) -> None:
        self._frames: list[tuple[float, float]] = []
        playout = speaker._playout
        next_frame = playout.next_frame

        def noted() -> object:
            before = playout.played
            frame = next_frame()
            if frame is not None and playout.played > before:
                sound = np.count_nonzero(np.abs(frame) > AUDIBLE) / VOICE_FRAME * FRAME_SECONDS
                self._frames.append((asyncio.get_running_loop().time(), sound))
            return frame

        playout.next_frame = noted  # type: ignore[method-assign,assignment]

    def sound(self, begin: float, end: float) -> float:
        """Seconds of sound that left between two loop times."""
        return sum(sound for at, sound in self._frames if begin <= at <= end)


async def interrupted(it: Line, wire: Wire, reply: str, *, after: float, company: bool) -> None:
    """The caller speaks over the reply that begins next."""
    begun = await it.wait_for(ReplySpoken)
    await asyncio.sleep(after)
    if company:
        await it.say("uh-huh", then=0.35)
    it.ear.say("no wait listen to me")
    barged = await it.wait_for(BargedIn)
    arrived = wire.sound(begun.at - FRAME_SECONDS, barged.at - it.speaker.delay)
    assert abs(len(barged.heard.split()) - words_in(reply, arrived)) <= 1, barged.heard
    assert ("assistant", barged.heard) in it.history


@pytest.mark.parametrize("hold", [False, True], ids=["quieter", "held"])
@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
@pytest.mark.parametrize("round_trip", [0.0, 0.9])
@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_the_history_is_wrong_by_a_word_at_most(
    reply: str, round_trip: float, late: bool, hold: bool
) -> None:
    settings = TurnSettings.model_validate(
        {"barge_in": {"hold": hold}, "silence": {"enabled": False}}
    )

    async def conversation(after: float) -> None:
        model, voice = FakeModel(reply, reply, "Sure."), Legible(late=late)
        async with line(model=model, voice=voice, settings=settings) as it:
            it.speaker.hear_back(round_trip)
            wire = Wire(it.speaker)
            await it.say(QUESTION)
            await interrupted(it, wire, reply, after=after, company=False)
            await interrupted(it, wire, reply, after=after + 0.4, company=True)

    for step in range(4):
        virtual(conversation)(1.3 + 0.47 * step)
