"""What must happen early: the first clause of a stalled reply, and an answer that waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.engines.protocols import Priority, ReplyRequest, Speech, Urgent
from agent.events import BargedIn, ReplySpoken, SpeechStarted, TurnFinished
from agent.settings import TurnSettings
from tests.agent.conversation import line
from tests.fakes import FakeModel, FakeTranscriber, FakeVoice, Vocabulary
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"


SILENT = TurnSettings.model_validate({"fillers": {"enabled": False}})


class LaggingVoice(FakeVoice):
    """Takes its time for the sentence about the coat."""

    async def speak(
        self, text: str, *, language: str, voice: str = "", priority: Urgent = Priority.COMMITTED
    ) -> AsyncGenerator[Speech, None]:
        self.seconds = 8.0 if "coat" in text else 0.02
        async for piece in super().speak(text, language=language, voice=voice, priority=priority):
            yield piece


class StallingModel(FakeModel):
    """Says the first half, and nothing for some seconds."""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        yield "I will look that up again right"
        await asyncio.sleep(4.0)
        yield " away."


@virtual
async def test_a_stalled_model_hands_over_what_can_be_said() -> None:
    async with line(model=StallingModel()) as it:
        await it.say(QUESTION)
        spoken = await it.wait_for(ReplySpoken)
        turn = await it.wait_for(TurnFinished)
    assert turn.timeline.first_token is not None
    assert spoken.at - turn.timeline.first_token < 1.0
    assert turn.reply == "I will look that up again right away."


@virtual
async def test_words_over_the_end_of_a_reply_are_answered_from_a_prepared_reply() -> None:
    settings = TurnSettings.model_validate({"barge_in": {"confirm_after": 3.0}})
    transcriber = FakeTranscriber(Vocabulary(), partials=False)
    model = FakeModel("It is noon there.", "Yes it is.")
    async with line(model=model, settings=settings, transcriber=transcriber) as it:
        await it.say(QUESTION)
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.8)
        await it.say("and is it raining there today")
        turns = [await it.wait_for(TurnFinished) for _ in range(2)]
    assert not it.of(BargedIn)
    assert it.of(SpeechStarted)[1].onset < turns[0].at
    assert turns[1].transcript == "and is it raining there today"
    assert turns[1].speculated
    assert transcriber.finals == [Priority.SPECULATIVE, Priority.SPECULATIVE]


@virtual
async def test_a_transcript_begun_in_the_pause_is_urgent_once_the_turn_is_over() -> None:
    transcriber = FakeTranscriber(Vocabulary(), seconds=3.0, partials=False)
    async with line(transcriber=transcriber) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert transcriber.finals == [Priority.SPECULATIVE]
    assert transcriber.ended == [Priority.COMMITTED]


@virtual
async def test_sound_begun_in_the_pause_is_urgent_once_the_turn_is_over() -> None:
    voice = FakeVoice(seconds=3.0)
    async with line(voice=voice, settings=SILENT) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert voice.priorities == [Priority.SPECULATIVE]
    assert voice.ended == [Priority.COMMITTED]


@virtual
async def test_words_that_were_read_too_late_do_not_make_the_caller_wait() -> None:
    """A recogniser that lags knows "for two" when "people tomorrow" has been said."""
    transcriber = FakeTranscriber(Vocabulary(), seconds=0.9)
    async with line(transcriber=transcriber) as it:
        await it.say("i would like a table for two people tomorrow evening please")
        turn = await it.wait_for(TurnFinished)
    assert turn.timeline.endpoint is not None
    assert turn.timeline.endpoint - turn.timeline.speech_end < 1.0


@virtual
async def test_the_seconds_of_voice_are_counted_from_the_first() -> None:
    async with line() as it:
        voiced = it.ear.say("thank you very much")
        await asyncio.sleep(voiced + 0.2)
        hearing = it.call._listener.hearing
        assert hearing is not None
        assert hearing.voiced == pytest.approx(voiced, abs=0.021)
        await it.wait_for(TurnFinished)


@virtual
async def test_a_third_sentence_is_less_urgent_than_anybodys_first() -> None:
    reply = "It is noon there. It will rain tonight. Take an umbrella. And a coat."
    async with line(model=FakeModel(reply)) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert len(it.voice.priorities) == 4
    assert max(it.voice.priorities[:2]) < Priority.AHEAD
    assert it.voice.priorities[2:] == [Priority.AHEAD, Priority.AHEAD]
    assert it.voice.ended == it.voice.priorities, "all were there before they were needed"
    assert Priority.COMMITTED < Priority.SPECULATIVE < Priority.AHEAD < Priority.PARTIAL


@virtual
async def test_a_third_sentence_is_urgent_once_the_silence_before_it_is_near() -> None:
    voice = LaggingVoice()
    async with line(
        model=FakeModel("It is noon there. Rain is near. Take a coat."), voice=voice
    ) as it:
        await it.say(QUESTION)
        await it.wait_for(TurnFinished)
    assert voice.priorities[2] is Priority.AHEAD
    assert voice.ended[2] is Priority.COMMITTED
