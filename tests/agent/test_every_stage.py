"""What a caller can do at each stage of a turn: go on, interrupt, hang up, be said goodbye to.

Each with replies that are prepared in the pause and with replies that are begun at its end. After
each the history is what both sides have heard, and nothing of the call is left (`line` sees to it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agent.events import (
    BargedIn,
    CallEnded,
    CallStarted,
    FillerSpoken,
    HistoryChanged,
    ReplyDucked,
    ReplySpoken,
    SpeechStopped,
    TurnFinished,
)
from agent.settings import TurnSettings
from tests.agent.conversation import Line, line
from tests.fakes import FakeModel, FakeVoice
from tests.virtual_time import virtual

QUESTION = "what time is it in seoul today"
OBJECTION = "no wait listen to me"
LONG = "The first thing is this one here. The second thing comes after that. And the third is last."

Moment = Callable[[Line], Awaitable[object]]
WHEN: dict[str, Moment] = {}
"""Each stage of a turn, and how to wait for it."""


def stage(moment: Moment) -> Moment:
    WHEN[moment.__name__] = moment
    return moment


@stage
async def hearing(it: Line) -> None:
    await asyncio.sleep(1.0)


@stage
async def in_a_pause(it: Line) -> None:
    """One in which a reply is prepared, and that is too short to end the turn."""
    await asyncio.sleep(len(QUESTION.split()) * 0.24 + 0.2)


@stage
async def thinking(it: Line) -> None:
    it.model.first_token = 1.5
    await it.wait_for(SpeechStopped)
    await asyncio.sleep(0.3)


@stage
async def before_the_first_sound(it: Line) -> None:
    it.voice.seconds = 1.2
    await it.wait_for(SpeechStopped)
    await asyncio.sleep(0.3)
    assert it.voice.running and not it.of(ReplySpoken)


@stage
async def in_a_filler(it: Line) -> None:
    it.model.first_token = 3.0
    await it.wait_for(FillerSpoken)
    it.model.first_token = 0.1


@stage
async def in_the_first_sentence(it: Line) -> None:
    await it.wait_for(ReplySpoken)
    await asyncio.sleep(0.7)


@stage
async def in_a_later_sentence(it: Line) -> None:
    for _ in range(2):
        await it.wait_for(ReplySpoken)
    await asyncio.sleep(0.7)


@stage
async def while_the_agent_is_ducked(it: Line) -> None:
    await it.wait_for(ReplySpoken)
    await asyncio.sleep(1.0)
    it.ear.noise(0.2)
    await it.wait_for(ReplyDucked)


SOFT = ("hearing", "in_a_pause", "thinking", "before_the_first_sound", "in_a_filler")
"""Stages in which nothing of the reply was heard: whoever goes on continues the turn."""


@pytest.fixture(params=[True, False], ids=["prepared", "at the end"])
def settings(request: pytest.FixtureRequest) -> TurnSettings:
    quiet, speculation = {"enabled": False}, {"enabled": request.param}
    return TurnSettings.model_validate({"silence": quiet, "speculation": speculation})


def assert_the_history_is_true(it: Line, *caller: str) -> None:
    """It has the words that were heard, and the `caller`'s own, each once."""
    sides = {
        side: " ".join(text for role, text in it.history if role == side)
        for side in ("user", "assistant")
    }
    assert sides == {"user": " ".join(caller), "assistant": it.heard}


@pytest.mark.parametrize("when", WHEN)
def test_a_caller_who_speaks_at_any_stage_is_heard_and_answered(
    when: str, settings: TurnSettings
) -> None:
    @virtual
    async def conversation() -> None:
        model, voice = FakeModel(LONG, "Sure."), FakeVoice()
        async with line(model=model, voice=voice, settings=settings) as it:
            it.ear.say(QUESTION)
            await WHEN[when](it)
            voice.seconds, model.first_token = 0.02, 0.03
            it.ear.say(OBJECTION)
            await asyncio.sleep(14)
            assert it.speaker.queued == 0
        assert_the_history_is_true(it, QUESTION, OBJECTION)
        soft = when in SOFT
        assert len(it.of(BargedIn)) == (0 if soft else 1)
        assert [turn.interrupted for turn in it.turns] == ([False] if soft else [True, False])
        assert model.asked[-1].endswith(OBJECTION)
        if not soft:
            assert 0 < len(it.turns[0].reply.split()) < len(LONG.split())

    conversation()


@pytest.mark.parametrize("again", ["in_the_first_sentence", "in_a_later_sentence"])
@pytest.mark.parametrize("when", WHEN)
def test_a_caller_may_speak_twice_in_a_row(when: str, again: str, settings: TurnSettings) -> None:
    @virtual
    async def conversation() -> None:
        model, voice = FakeModel(LONG), FakeVoice()
        async with line(model=model, voice=voice, settings=settings) as it:
            it.ear.say(QUESTION)
            await WHEN[when](it)
            voice.seconds, model.first_token = 0.02, 0.03
            it.ear.say(OBJECTION)
            if when not in SOFT:
                await it.wait_for(BargedIn)
            await WHEN[again](it)
            it.ear.say("and now something else please")
            await asyncio.sleep(14)
        assert_the_history_is_true(it, QUESTION, OBJECTION, "and now something else please")
        assert len(it.of(BargedIn)) == (1 if when in SOFT else 2)
        assert it.turns[-1].reply == LONG

    conversation()


@pytest.mark.parametrize("end", ["hung up", "goodbye", "cancelled"])
@pytest.mark.parametrize("when", [*WHEN, "listening", "before_anything"])
def test_a_call_may_end_at_any_stage(when: str, end: str, settings: TurnSettings) -> None:
    @virtual
    async def conversation() -> None:
        model, voice = FakeModel(LONG), FakeVoice()
        async with line(model=model, voice=voice, settings=settings) as it:
            await it.wait_for(CallStarted)
            if when == "listening":
                it.ear.say(QUESTION)
                await it.wait_for(TurnFinished)
            elif when != "before_anything":
                it.ear.say(QUESTION)
                await WHEN[when](it)
            voice.seconds = 0.02
            if end == "hung up":
                it.ear.hang_up()
            elif end == "goodbye":
                await it.call.farewell()
            else:
                it.running.cancel()
            ended = await it.wait_for(CallEnded, within=3.0)
            assert it.running.done()
            await asyncio.sleep(0.1)
            assert it.heard_between(ended.at + 0.05, ended.at + 5.0) == 0
        was_taken = when not in ("hearing", "in_a_pause", "before_anything")
        assert_the_history_is_true(it, *[QUESTION] * was_taken)
        if end == "goodbye":
            assert it.heard.endswith("Goodbye!")
        assert len(it.of(CallEnded)) == 1
        assert all(event.at <= ended.at for event in it.of(HistoryChanged))

    conversation()
