"""Sounds over the agent's words that are understood as something, and are nothing."""

from __future__ import annotations

import asyncio

from agent.engines.protocols import Priority, Recognition, Transcript
from agent.events import BargedIn, ReplySpoken, TurnDropped, TurnFinished
from tests.agent.conversation import line
from tests.fakes import FakeModel, FakeTranscriber, Vocabulary
from tests.virtual_time import virtual

LONG = "The first thing is this one here. The second thing comes after that. And the third is last."


class Imagining:
    """Takes sounds without words for a phrase, and doubts it."""

    def __init__(self, inner: Recognition) -> None:
        self.feed, self.partial, self.close = inner.feed, inner.partial, inner.close
        self._inner = inner

    async def final(self, *, priority: Priority = Priority.COMMITTED) -> Transcript:
        heard = await self._inner.final(priority=priority)
        return heard if heard.text else Transcript("thank you", "en", 0.1)


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
