"""Who takes the floor: push to talk, turns that nobody answers, an agent that goes on, silence."""

from __future__ import annotations

import asyncio
from typing import Any

from agent.events import (
    BargedIn,
    CallerIdle,
    CallStarted,
    FinalTranscript,
    ReplySpoken,
    SpeechStopped,
    TurnDropped,
    TurnFinished,
)
from agent.settings import TurnSettings
from media.microphone import Mark
from tests.agent.conversation import QUIET, Line, line
from tests.fakes import FakeModel
from tests.virtual_time import virtual


def hold(it: Line, **floor: Any) -> None:
    """Hold the call by other rules."""
    base = TurnSettings()
    silence = base.silence.model_copy(update={"enabled": False})
    rules = base.floor.model_copy(update=floor)
    it.call.desk.adjust(base.model_copy(update={"floor": rules, "silence": silence}))
    it.call.speak_language(QUIET)


async def commit(it: Line, kind: Any = "commit") -> None:
    mark = Mark(kind)
    it.ear.mark(mark)
    async with asyncio.timeout(5):
        await mark.passed.wait()


@virtual
async def test_a_turn_by_hand_lasts_as_long_as_it_is_held() -> None:
    async with line(model=FakeModel("Noon.")) as it:
        await it.wait_for(CallStarted)
        hold(it, by_hand=True)
        await it.say("I would like to know what time", then=4)
        await it.say("it is.", then=0.3)
        assert it.of(SpeechStopped) == [] and it.model.requests == []
        assert it.model.prefilled, "it is read along while it is held"
        await commit(it)
        final = await it.wait_for(FinalTranscript)
        said = "I would like to know what time it is."
        assert (final.text, final.answered) == (said, False)
        await asyncio.sleep(3)
        assert it.model.requests == [] and it.phase == "listening"
        await it.call.desk.answer()
        turn = await it.wait_for(TurnFinished)
        assert it.history == [("user", said), ("assistant", "Noon.")]
        assert turn.transcript == said


@virtual
async def test_an_answer_waits_for_the_transcript() -> None:
    async with line(model=FakeModel("Noon.")) as it:
        await it.wait_for(CallStarted)
        hold(it, by_hand=True)
        it.transcriber.seconds = 1.0
        await it.say("What time is it?")
        await commit(it)
        await it.call.desk.answer()
        await it.wait_for(TurnFinished)
        assert it.model.asked == ["What time is it?"]


@virtual
async def test_the_transcript_is_there_when_the_button_is_let_go_after_a_pause() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        hold(it, by_hand=True)
        it.transcriber.seconds = 0.5
        await it.say("What time is it?", then=1.0)
        made = len(it.transcriber.finals)
        await commit(it)
        await asyncio.sleep(0.001)
        assert it.of(FinalTranscript)[-1].text == "What time is it?"
        assert len(it.transcriber.finals) == made, "it was made in the pause"


@virtual
async def test_holding_does_not_stop_the_agent_and_what_is_said_comes_after_its_words() -> None:
    model = FakeModel("This is a long story that goes on and on.", "Right.")
    async with line(model=model) as it:
        await it.wait_for(CallStarted)
        hold(it, by_hand=True)
        await it.say("Tell me.")
        await commit(it)
        await it.call.desk.answer()
        await it.wait_for(ReplySpoken)
        await it.say("Wait a moment please")
        await commit(it)
        await it.wait_for(TurnFinished)
        assert it.of(BargedIn) == []
        await it.call.desk.answer()
        await it.wait_for(TurnFinished)
        assert [text for _, text in it.history] == [
            "Tell me.",
            "This is a long story that goes on and on.",
            "Wait a moment please",
            "Right.",
        ]


@virtual
async def test_what_is_cleared_was_never_said() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        hold(it, by_hand=True)
        await it.say("Forget this", then=0.3)
        await commit(it, "clear")
        assert it.of(TurnDropped)[-1].reason == "cleared"
        await it.say("Hello there", then=0.3)
        await commit(it)
        assert (await it.wait_for(FinalTranscript)).text == "Hello there"


@virtual
async def test_a_silence_that_is_committed_is_an_empty_turn() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        hold(it, by_hand=True)
        await asyncio.sleep(1)
        await commit(it)
        assert (await it.wait_for(FinalTranscript)).text == ""
        assert it.of(SpeechStopped)[0].by_hand
        await commit(it, "clear")
        assert it.of(TurnDropped) == []


@virtual
async def test_a_turn_can_end_by_hand_while_turns_are_detected() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        await it.say("I would like to")
        await commit(it)
        final = await it.wait_for(FinalTranscript)
        assert (final.text, final.answered) == ("I would like to", False)


@virtual
async def test_a_turn_that_is_not_answered_is_remembered() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        hold(it, answer=False)
        await it.say("My name is Kim.", then=3)
        assert it.of(SpeechStopped)[0].answered is False
        await it.say("What is my name?", then=3)
        assert it.model.requests == [] and it.phase == "listening"
        await it.call.desk.answer()
        await it.wait_for(TurnFinished)
        assert it.history[0] == ("user", "My name is Kim. What is my name?")


@virtual
async def test_an_agent_that_is_not_interrupted_ends_its_reply_and_hears_what_was_said() -> None:
    model = FakeModel("This is a long story that goes on and on until it ends.", "Yes.")
    async with line(model=model) as it:
        await it.wait_for(CallStarted)
        hold(it, interrupt=False)
        await it.say("Tell me a story.")
        await it.wait_for(ReplySpoken)
        await it.say("Stop, I have another question", then=0.2)
        turn = await it.wait_for(TurnFinished)
        assert not turn.interrupted and it.of(BargedIn) == []
        await it.say("Hello?", then=0.2)
        await it.wait_for(TurnFinished)
        assert ("user", "Stop, I have another question Hello?") in it.history


@virtual
async def test_the_agent_speaks_into_a_silence_after_its_own_words_alone() -> None:
    async with line(model=FakeModel("Noon.", "Still there?")) as it:
        await it.wait_for(CallStarted)
        hold(it, idle=5.0)
        await asyncio.sleep(20)
        assert it.of(CallerIdle) == []
        await it.say("What time is it?")
        await it.wait_for(TurnFinished)
        ended = it.events[-1].at
        idle = await it.wait_for(CallerIdle)
        assert 5.0 <= idle.at - ended < 5.1 and 5.0 <= idle.seconds < 5.1
        assert (await it.wait_for(TurnFinished)).reply == "Still there?"
