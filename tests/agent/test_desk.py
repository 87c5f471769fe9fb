"""What a call is asked for by a client, beside being spoken to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.engines.protocols import ReplyRequest
from agent.events import (
    AnswerBegun,
    AsideCalled,
    AsideEnded,
    AsideWritten,
    BargedIn,
    CallStarted,
    ReplySpoken,
    ReplyTruncated,
    ReplyWritten,
    SpeculationEnded,
    TurnFinished,
)
from agent.manner import Manner
from agent.messages import Message, Tool, Toolbox, ToolCall
from agent.persona import Persona
from agent.settings import ReplySettings, TurnSettings
from tests.agent.conversation import Line, line
from tests.fakes import FakeModel
from tests.virtual_time import virtual


async def ask(it: Line, text: str) -> None:
    it.call.desk.remember("user", text)
    await it.call.desk.answer()


@virtual
async def test_what_is_typed_is_answered_by_voice() -> None:
    async with line(model=FakeModel("It is noon.")) as it:
        await it.wait_for(CallStarted)
        await ask(it, "What time is it?")
        turn = await it.wait_for(TurnFinished)
        assert (turn.transcript, turn.reply) == ("What time is it?", "It is noon.")
        assert it.history == [("user", "What time is it?"), ("assistant", "It is noon.")]
        assert it.of(AnswerBegun)[0].turn == turn.turn == 1
        assert it.phase == "listening"


@virtual
async def test_an_answer_that_is_asked_for_cuts_off_what_is_being_said() -> None:
    model = FakeModel("This is a very long story, and it goes on for quite a while.")
    async with line(model=model) as it:
        await it.wait_for(CallStarted)
        await ask(it, "Tell me a story.")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.5)
        await ask(it, "Stop, another one.")
        cut = await it.wait_for(BargedIn)
        assert cut.turn == 1 and len(cut.heard.split()) < 13
        turns = [await it.wait_for(TurnFinished) for _ in range(2)]
        assert [turn.interrupted for turn in turns] == [True, False]
        said = [role for role, _ in it.history]
        assert said == ["user", "assistant", "user", "assistant"], "in the order it was said"


@virtual
async def test_one_can_speak_after_typing() -> None:
    async with line(model=FakeModel("Yes, of course.")) as it:
        await it.wait_for(CallStarted)
        await ask(it, "May I ask something?")
        await it.wait_for(TurnFinished)
        await it.say("What time is it?", then=0.5)
        spoken = await it.wait_for(TurnFinished)
        assert (spoken.turn, spoken.transcript) == (2, "What time is it?")


@virtual
async def test_what_is_remembered_is_read_by_the_model() -> None:
    async with line(model=FakeModel("I see.")) as it:
        await it.wait_for(CallStarted)
        it.call.desk.remember("user", "My name is Lee.", "name")
        it.call.desk.remember("assistant", "Hello, Kim.")
        it.call.desk.amend("name", "My name is Kim.")
        it.call.desk.remember("assistant", "Welcome.", after=())
        await ask(it, "What is my name?")
        await it.wait_for(TurnFinished)
        assert it.history[:3] == [
            ("assistant", "Welcome."),
            ("user", "My name is Kim."),
            ("assistant", "Hello, Kim."),
        ]


@virtual
async def test_a_fixed_text_is_said_instead_of_another() -> None:
    async with line() as it:
        await it.wait_for(CallStarted)
        await it.call.desk.say("Good morning.")
        await it.call.desk.say("Good evening.")
        await it.wait_for(ReplySpoken)
        assert it.said == ["Good evening."]


@virtual
async def test_an_answer_can_be_text_alone() -> None:
    async with line(model=FakeModel("It is noon, my friend.")) as it:
        await it.wait_for(CallStarted)
        it.call.desk.remember("user", "What time is it?")
        await it.call.desk.answer(Manner(is_spoken=False, instructions="Be kind.", max_tokens=9))
        turn = await it.wait_for(TurnFinished)
        assert turn.reply == "It is noon, my friend."
        assert "".join(event.text for event in it.of(ReplyWritten)) == turn.reply
        assert it.voice.spoken == [] and not it.heard_between(0, 2000)
        request = it.model.requests[0]
        assert (request.messages[0].text, request.max_tokens) == ("Be kind.", 9)


@virtual
async def test_a_spoken_turn_can_be_answered_by_text() -> None:
    async with line(model=FakeModel("It is noon.")) as it:
        base = TurnSettings()
        text = base.reply.model_copy(update={"spoken": False})
        it.call.desk.adjust(base.model_copy(update={"reply": text}))
        await it.say("What time is it?")
        turn = await it.wait_for(TurnFinished)
        assert (turn.transcript, turn.reply) == ("What time is it?", "It is noon.")
        assert it.voice.spoken == []


@virtual
async def test_an_answer_from_other_words_leaves_no_trace() -> None:
    async with line(model=FakeModel("Bonjour.", "It is noon.")) as it:
        await it.wait_for(CallStarted)
        other = (Message("user", "Say hello in French."),)
        await it.call.desk.answer(Manner(messages=other, is_kept=False))
        await it.wait_for(TurnFinished)
        assert it.said == ["Bonjour."] and it.history == []
        assert it.model.requests[0].conversation != "c1"
        assert it.model.forgotten == [it.model.requests[0].conversation]


@virtual
async def test_asides_are_answered_beside_the_conversation() -> None:
    async with line(model=FakeModel("Yes.", per_token=0.1)) as it:
        await it.wait_for(CallStarted)
        for name in ("a", "b", "c"):
            it.call.desk.asides.ask(name, (Message("user", name),), 5)
        it.call.desk.asides.cancel("b")
        await asyncio.sleep(0.01)
        it.call.desk.asides.cancel("c")
        await it.wait_for(AsideEnded)
        await asyncio.sleep(1)
        ended = {event.aside: event.outcome for event in it.of(AsideEnded)}
        assert ended == {"a": "completed", "b": "cancelled", "c": "cancelled"}
        assert [event.text for event in it.of(AsideWritten)] == ["Yes."]
        assert it.history == [] and it.said == []


class Weatherman(FakeModel):
    """Asks for the weather where it may."""

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        yield "Well."
        for number, tool in enumerate(request.tools.offered):
            request.call(ToolCall(f"c{number}", tool.name, "{}"))


@virtual
async def test_an_aside_asks_the_client_for_what_it_was_offered() -> None:
    async with line(model=Weatherman()) as it:
        await it.wait_for(CallStarted)
        it.call.desk.offer(Toolbox(tools=(Tool("news"),)))
        question = (Message("user", "Is it warm?"),)
        it.call.desk.asides.ask("a", question, 5, Toolbox(tools=(Tool("weather"),)))
        assert (await it.wait_for(AsideEnded)).outcome == "completed"
        it.call.desk.asides.ask("b", question, 5)
        await it.wait_for(AsideEnded)
        assert [(each.aside, each.call.name) for each in it.of(AsideCalled)] == [("a", "weather")]
        tools = it.call._context.settings.tools
        assert it.model.requests[0].tools.max_tokens == tools.max_tokens
        assert it.history == []


@virtual
async def test_the_client_says_how_much_of_a_reply_was_heard() -> None:
    async with line(model=FakeModel("one two three four five six")) as it:
        await it.wait_for(CallStarted)
        await ask(it, "Count.")
        await it.wait_for(TurnFinished)
        await it.call.desk.truncate(1, 0.95)
        assert it.of(ReplyTruncated)[-1].heard == "one two three"
        await it.call.desk.truncate(7, 0.95)
        assert it.of(ReplyTruncated)[-1].heard is None
        await ask(it, "Go on.")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(1.5)
        await it.call.desk.truncate(2, 0.35)
        assert it.of(BargedIn) and it.of(ReplyTruncated)[-1].heard == "one"
        await it.call.desk.truncate(2, 0.95)
        assert it.of(ReplyTruncated)[-1].heard == "one", "less is heard, never more"
        await ask(it, "And then?")
        await it.wait_for(TurnFinished)
        await it.wait_for(TurnFinished)
        spoken = [text for role, text in it.history if role == "assistant"]
        assert spoken[:2] == ["one two three", "one"]


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


@pytest.mark.parametrize("changed", ["history", "reply", "tools"])
def test_a_reply_that_was_prepared_from_something_else_is_never_heard(changed: str) -> None:
    @virtual
    async def conversation() -> None:
        model = FakeModel("Stale words.", "Fresh words.")
        async with line(model=model) as it:
            await it.say("What time is it?", then=0.2)
            assert len(model.requests) == 1, "prepared in the pause"
            if changed == "history":
                it.call.desk.remember("user", "I am in Seoul.")
            elif changed == "reply":
                reply = ReplySettings(max_tokens=9)
                it.call.desk.adjust(TurnSettings(reply=reply))
            else:
                it.call.desk.offer(Toolbox(tools=(Tool("weather"),)))
            turn = await it.wait_for(TurnFinished)
        assert it.said == [turn.reply] == ["Fresh words."]
        assert [each.outcome for each in it.of(SpeculationEnded)] == ["discarded"]

    conversation()
