"""Sounds over the agent's words that are understood as something, and are nothing."""

from __future__ import annotations

import asyncio

from agent.engines.protocols import Priority, Recognition, Transcript
from agent.events import BargedIn, ReplySpoken, TurnDropped, TurnFinished
from media.audio import AudioChunk
from tests.agent.conversation import line
from tests.fakes import NOISE, FakeDetector, FakeModel, FakeTranscriber, Vocabulary
from tests.virtual_time import virtual

LONG = "The first thing is this one here. The second thing comes after that. And the third is last."

PHRASE = Transcript("thank you", "en", 0.1)


class Imagining:
    """Takes sounds without words for a phrase, and doubts it."""

    def __init__(self, inner: Recognition, imagined: Transcript = PHRASE) -> None:
        self.feed, self.partial, self.close = inner.feed, inner.partial, inner.close
        self._inner = inner
        self._imagined = imagined

    async def final(self, *, priority: Priority = Priority.COMMITTED) -> Transcript:
        heard = await self._inner.final(priority=priority)
        return heard if heard.text else self._imagined


class Doubting(FakeDetector):
    """Hears a room's voices in noise, and is not sure of them."""

    def probability(self, chunk: AudioChunk) -> float:
        return 0.65 if NOISE in chunk.samples else super().probability(chunk)


class Inventing(FakeTranscriber):
    """Takes sounds without words for a request, and is sure of it."""

    def open(self, *, language: str) -> Imagining:  # type: ignore[override]  # a Recognition too
        return Imagining(super().open(language=language), Transcript("turn it off", "en"))


class ImaginingTranscriber(FakeTranscriber):
    def open(self, *, language: str) -> Imagining:  # type: ignore[override]  # a Recognition too
        return Imagining(super().open(language=language))


@virtual
async def test_a_noise_that_is_taken_for_words_does_not_interrupt() -> None:
    transcriber = ImaginingTranscriber(Vocabulary(), partials=False)
    async with line(model=FakeModel(LONG), transcriber=transcriber) as it:
        await it.say("what time is it in seoul today")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.5)
        it.ear.noise(0.3)
        turn = await it.wait_for(TurnFinished)
    assert [event.reason for event in it.of(TurnDropped)] == ["backchannel"]
    assert not it.of(BargedIn)
    assert turn.reply == LONG


@virtual
async def test_the_voices_of_a_room_do_not_interrupt_whatever_is_understood() -> None:
    transcriber = Inventing(Vocabulary(), partials=False)
    model = FakeModel(LONG)
    async with line(model=model, transcriber=transcriber, detector=Doubting()) as it:
        await it.say("what time is it in seoul today")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.5)
        it.ear.noise(1.0)
        turn = await it.wait_for(TurnFinished)
    assert [event.reason for event in it.of(TurnDropped)] == ["noise"]
    assert not it.of(BargedIn)
    assert turn.reply == LONG


@virtual
async def test_what_is_understood_of_a_caller_at_the_microphone_interrupts() -> None:
    transcriber = Inventing(Vocabulary(), partials=False)
    async with line(model=FakeModel(LONG), transcriber=transcriber) as it:
        await it.say("what time is it in seoul today")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.5)
        it.ear.noise(0.3)
        await it.wait_for(BargedIn)
