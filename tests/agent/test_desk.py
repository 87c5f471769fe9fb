"""A call that is typed to, beside being spoken to."""

from __future__ import annotations

import asyncio

import pytest

from agent.events import BargedIn, CallStarted, FinalTranscript, ReplySpoken, TurnFinished
from agent.persona import Persona
from agent.settings import TurnSettings
from tests.agent.conversation import line
from tests.fakes import FakeModel
from tests.virtual_time import virtual


@virtual
async def test_what_is_typed_is_answered_by_voice() -> None:
    async with line(model=FakeModel("It is noon.")) as it:
        await it.wait_for(CallStarted)
        await it.call.desk.ask("What time is it?")
        turn = await it.wait_for(TurnFinished)
        assert (turn.transcript, turn.reply) == ("What time is it?", "It is noon.")
        assert it.history == [("user", "What time is it?"), ("assistant", "It is noon.")]
        assert it.of(FinalTranscript)[0].turn == turn.turn == 1
        assert it.phase == "listening"


@virtual
async def test_a_typed_turn_cuts_off_what_is_being_said() -> None:
    model = FakeModel("This is a very long story, and it goes on for quite a while.")
    async with line(model=model) as it:
        await it.wait_for(CallStarted)
        await it.call.desk.ask("Tell me a story.")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.5)
        await it.call.desk.ask("Stop, another one.")
        cut = await it.wait_for(BargedIn)
        assert cut.turn == 1 and len(cut.heard.split()) < 13
        turns = [await it.wait_for(TurnFinished) for _ in range(2)]
        assert [turn.interrupted for turn in turns] == [True, False]


@virtual
async def test_one_can_speak_after_typing() -> None:
    async with line(model=FakeModel("Yes, of course.")) as it:
        await it.wait_for(CallStarted)
        await it.call.desk.ask("May I ask something?")
        await it.wait_for(TurnFinished)
        await it.say("What time is it?", then=0.5)
        spoken = await it.wait_for(TurnFinished)
        assert (spoken.turn, spoken.transcript) == (2, "What time is it?")


@virtual
async def test_what_is_remembered_is_read_by_the_model() -> None:
    async with line(model=FakeModel("I see.")) as it:
        await it.wait_for(CallStarted)
        it.call.desk.remember("user", "My name is Kim.")
        it.call.desk.remember("assistant", "Hello, Kim.")
        await it.call.desk.ask("What is my name?")
        await it.wait_for(TurnFinished)
        assert it.history[:2] == [("user", "My name is Kim."), ("assistant", "Hello, Kim.")]


@virtual
async def test_a_fixed_text_is_said_unless_something_else_is() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        assert it.call.desk.say("Good morning.")
        assert not it.call.desk.say("Good evening.")
        await it.wait_for(ReplySpoken)
        assert it.said == ["Good morning."]


@pytest.mark.parametrize(("silence", "sooner"), [(0.4, True), (2.5, False)])
def test_other_settings_are_in_effect_at_once(silence: float, sooner: bool) -> None:
    @virtual
    async def conversation() -> None:
        async with line() as it:
            kinds = ("complete", "unsure", "unfinished", "spelling", "unread")
            base = TurnSettings()
            endpoint = base.endpoint.model_copy(update=dict.fromkeys(kinds, silence))
            it.call.desk.adjust(base.model_copy(update={"endpoint": endpoint}))
            it.call.speak_language(Persona(instructions="Be brief."))
            await it.say("What time is it?")
            turn = await it.wait_for(TurnFinished)
            waited = (turn.timeline.endpoint or 0.0) - turn.timeline.speech_end
            assert (waited < 1.5) is sooner

    conversation()


@virtual
async def test_a_silent_caller_is_left_alone_when_that_is_wanted() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        base = TurnSettings()
        quiet = base.silence.model_copy(update={"enabled": False})
        it.call.desk.adjust(base.model_copy(update={"silence": quiet}))
        await asyncio.sleep(60)
        assert it.said == [] and it.phase == "listening"
