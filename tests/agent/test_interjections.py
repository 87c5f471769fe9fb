"""A word over the agent, too short to stop it by the voice: it is understood in its first pause."""

from __future__ import annotations

import asyncio

import pytest

from agent.engines.protocols import Priority
from agent.errors import EngineFailed
from agent.events import (
    BargedIn,
    FinalTranscript,
    ReplyDucked,
    ReplySpoken,
    TurnDropped,
    TurnFinished,
)
from agent.persona import Persona
from agent.settings import TurnSettings
from tests.agent.conversation import Line, line
from tests.fakes import FakeModel, FakeTranscriber, Vocabulary
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
LONG = "The first thing is this one here. The second thing comes after that. And the third is last."
WORD = 0.24
"""Seconds of a word."""


def slow(seconds: float = 0.15, *, error: EngineFailed | None = None) -> FakeTranscriber:
    """A recogniser that says nothing before it is asked for all of it."""
    return FakeTranscriber(Vocabulary(), seconds=seconds, partials=False, error=error)


async def over_the_agent(it: Line, text: str) -> float:
    """Say `text` in the middle of the reply; when its last sound was."""
    await it.say(QUESTION)
    await it.wait_for(ReplySpoken)
    await asyncio.sleep(1.0)
    await it.say(text)
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("language", "word"),
    [
        *(("en", word) for word in ("stop", "no", "wait", "what", "hello")),
        *(("ko", word) for word in ("아니", "잠깐", "그만", "잠깐만요", "아니요")),
    ],
)
def test_a_single_word_stops_the_agent_within_half_a_second(language: str, word: str) -> None:
    @virtual
    async def conversation() -> None:
        persona = Persona(language=language, instructions="Be brief.", greeting="")
        model = FakeModel(LONG, "All right.")
        async with line(persona=persona, model=model, transcriber=slow()) as it:
            end = await over_the_agent(it, word)
            barged = await it.wait_for(BargedIn)
            first = await it.wait_for(TurnFinished)
            second = await it.wait_for(TurnFinished)
        assert barged.at - end < 0.4
        assert first.interrupted and LONG.startswith(first.reply)
        assert second.transcript == word and second.reply == "All right."
        assert [each.ducked for each in it.of(ReplyDucked)] == [True]

    conversation()


@virtual
async def test_what_was_understood_over_the_agent_is_answered_from_a_prepared_reply() -> None:
    transcriber = slow()
    async with line(model=FakeModel(LONG, "All right."), transcriber=transcriber) as it:
        await over_the_agent(it, "stop")
        await it.wait_for(TurnFinished)
        second = await it.wait_for(TurnFinished)
    assert second.speculated
    assert transcriber.finals == [Priority.SPECULATIVE] * 2


@pytest.mark.parametrize("words", ["uh-huh", "okay", "right", "네"])
def test_a_backchannel_is_understood_and_the_agent_goes_on(words: str) -> None:
    @virtual
    async def conversation() -> None:
        persona = Persona(language="ko" if words == "네" else "en", greeting="")
        async with line(persona=persona, model=FakeModel(LONG), transcriber=slow()) as it:
            end = await over_the_agent(it, words)
            turn = await it.wait_for(TurnFinished)
        assert not it.of(BargedIn) and turn.reply == LONG
        assert [each.reason for each in it.of(TurnDropped)] == ["backchannel"]
        ducked, resumed = it.of(ReplyDucked)
        assert ducked.ducked and not resumed.ducked
        assert resumed.at - end < 0.9

    conversation()


@virtual
async def test_the_agent_stays_quiet_until_a_late_transcript_is_there() -> None:
    transcriber = slow(0.7)
    async with line(model=FakeModel(LONG, "All right."), transcriber=transcriber) as it:
        end = await over_the_agent(it, "stop")
        barged = await it.wait_for(BargedIn)
        await it.wait_for(TurnFinished)
        await it.wait_for(TurnFinished)
    assert 0.7 < barged.at - end < 1.0
    assert [each.ducked for each in it.of(ReplyDucked)] == [True]
    assert len(transcriber.finals) == 2, "one of the question, one of the word"


@virtual
async def test_the_agent_goes_on_when_a_transcript_is_too_late_and_gives_way_to_it() -> None:
    transcriber = slow(2.5)
    async with line(model=FakeModel(LONG, "All right."), transcriber=transcriber) as it:
        end = await over_the_agent(it, "stop")
        await it.wait_for(BargedIn)
        first = await it.wait_for(TurnFinished)
        second = await it.wait_for(TurnFinished)
    ducked, resumed = it.of(ReplyDucked)
    assert ducked.ducked and not resumed.ducked
    assert resumed.at - end <= 1.2
    assert first.interrupted
    assert second.transcript == "stop"
    assert transcriber.ended == [Priority.COMMITTED] * 2, "once the caller was done it was urgent"


@virtual
async def test_a_sound_without_words_is_taken_back_as_soon_as_ever() -> None:
    async with line(model=FakeModel(LONG), transcriber=slow()) as it:
        await it.say(QUESTION)
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(1.0)
        await asyncio.sleep(it.ear.noise(0.3))
        end = asyncio.get_running_loop().time()
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == LONG
    assert not it.of(BargedIn)
    assert it.of(ReplyDucked)[1].at - end < 0.9


@virtual
async def test_a_recogniser_that_fails_leaves_the_agent_speaking() -> None:
    transcriber = slow()
    async with line(model=FakeModel(LONG), transcriber=transcriber) as it:
        await it.say(QUESTION)
        await it.wait_for(ReplySpoken)
        transcriber.error = EngineFailed("stt", "out of order")
        await asyncio.sleep(1.0)
        await it.say("stop")
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == LONG and not turn.interrupted
    assert [each.ducked for each in it.of(ReplyDucked)] == [True, False]


@virtual
async def test_who_goes_on_after_a_short_pause_is_understood_whole() -> None:
    async with line(model=FakeModel(LONG, "All right."), transcriber=slow(0.3)) as it:
        await over_the_agent(it, "yeah")
        await asyncio.sleep(0.2)
        await it.say("but tell me")
        await it.wait_for(BargedIn)
        await it.wait_for(TurnFinished)
        second = await it.wait_for(TurnFinished)
    assert second.transcript == "yeah but tell me"
    assert [each.text for each in it.of(FinalTranscript)] == [QUESTION, "yeah but tell me"]


@virtual
async def test_where_the_caller_may_not_interrupt_a_word_changes_nothing() -> None:
    settings = TurnSettings.model_validate({"floor": {"interrupt": False}})
    transcriber = slow()
    model = FakeModel(LONG, "All right.")
    async with line(model=model, transcriber=transcriber, settings=settings) as it:
        await over_the_agent(it, "stop")
        turn = await it.wait_for(TurnFinished)
    assert turn.reply == LONG
    assert not it.of(BargedIn) and not it.of(ReplyDucked)


@pytest.mark.parametrize("after", [0.05, 0.15, 0.25, 0.45])
def test_a_call_may_end_while_a_word_is_being_understood(after: float) -> None:
    @virtual
    async def conversation() -> None:
        async with line(model=FakeModel(LONG), transcriber=slow(0.4)) as it:
            await over_the_agent(it, "stop")
            await asyncio.sleep(after)

    conversation()


def test_a_word_that_is_understood_as_the_reply_ends_does_not_stop_the_next_one() -> None:
    replies = ("It is noon there.", "Then I will say no more than this to you today.")

    async def conversation(begin: float, seconds: float) -> None:
        async with line(model=FakeModel(*replies), transcriber=slow(seconds)) as it:
            await it.say(QUESTION)
            await it.wait_for(ReplySpoken)
            await asyncio.sleep(begin)
            await it.say("stop")
            await asyncio.sleep(6)
        assert [each.transcript for each in it.turns] == [QUESTION, "stop"]
        assert not it.turns[1].interrupted
        times = it.turns[1].timeline
        assert times.endpoint is not None
        assert times.endpoint - times.speech_end < 0.5, "its words were not read"

    for begin in (0.68, 0.70, 0.72):
        for late in range(5):
            virtual(conversation)(begin, 0.12 + 0.01 * late)
