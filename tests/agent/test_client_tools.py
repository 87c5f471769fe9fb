"""Tools of the caller's client within a conversation: told, covered, cancelled, answered late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from agent.dialogue.endpointer import EndpointSettings
from agent.engines.protocols import ReplyRequest
from agent.events import (
    CallStarted,
    FillerSpoken,
    FunctionCalled,
    ReplySpoken,
    SpeechStopped,
    TurnFinished,
)
from agent.messages import NO_RESULT, Message, Tool, Toolbox, ToolCall
from agent.settings import TurnSettings
from tests.agent.conversation import Line, line
from tests.agent.test_using import FakeTools
from tests.fakes import FakeModel

ORDER = Tool("order", "Orders something.")
OFFER = Toolbox(tools=(ORDER,))


class Ordering(FakeModel):
    """Says `words`, calls the tools `names` once a turn, and then says its script."""

    def __init__(self, *names: str, words: str = "", first_token: float = 0.03) -> None:
        super().__init__("It is done.", first_token=first_token)
        self.names = names
        self.words = words

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        if request.messages[-1].role == "tool" or not request.tools.offered:
            async for piece in super().reply(request):
                yield piece
            return
        self.requests.append(request)
        await asyncio.sleep(self.first_token)
        if self.words:
            yield self.words
        for name in self.names:
            request.call(ToolCall(f"{name}{len(self.requests)}", name, "{}"))


async def begun(it: Line) -> None:
    await it.wait_for(CallStarted)
    it.call.desk.offer(OFFER)


async def test_a_call_ends_the_turn_and_its_result_makes_the_next_answer() -> None:
    model = Ordering("order")
    async with line(model=model) as it:
        await begun(it)
        await it.say("order a pizza")
        called = await it.wait_for(FunctionCalled)
        finished = await it.wait_for(TurnFinished)
        assert (called.call.name, finished.reply, finished.interrupted) == ("order", "", False)
        it.call.desk.resolve(called.call.id, "ordered")
        await it.call.desk.answer()
        assert (await it.wait_for(TurnFinished)).reply == "It is done."
    assert model.requests[-1].messages[-1] == Message("tool", "ordered", call_id="order1")


async def test_words_before_a_call_are_one_message_with_it() -> None:
    model = Ordering("order", words="Let me order that.")
    async with line(model=model) as it:
        await begun(it)
        await it.say("order a pizza")
        called = await it.wait_for(FunctionCalled)
        assert called.after_words
        # The client may be quick: the words are still being said.
        it.call.desk.resolve(called.call.id, "ordered")
        finished = await it.wait_for(TurnFinished)
        assert finished.reply == "Let me order that." and finished.at - called.at > 0.5
        await it.call.desk.answer()
        await it.wait_for(TurnFinished)
    roles = [message.role for message in model.requests[-1].messages]
    assert roles == ["system", "user", "assistant", "tool"]
    asked = model.requests[-1].messages[-2]
    assert (asked.text, [call.name for call in asked.calls]) == ("Let me order that.", ["order"])
    assert model.requests[-1].messages[-1].text == "ordered"


async def test_a_slow_call_is_covered_by_a_filler_of_its_own() -> None:
    async with line(model=Ordering("order", first_token=0.5)) as it:
        await begun(it)
        it.call._context.forecast.observe("first_token", 1.2)
        await it.say("order a pizza")
        called = await it.wait_for(FunctionCalled)
        filler = await it.wait_for(FillerSpoken)
        finished = await it.wait_for(TurnFinished)
    assert "look that up" in filler.text
    assert called.at < finished.at and finished.reply == ""


async def test_a_call_is_not_told_before_the_turn_is_over() -> None:
    patient = TurnSettings(endpoint=EndpointSettings(preset="patient"))
    async with line(model=Ordering("order"), settings=patient) as it:
        await begun(it)
        await it.say("order a pizza")
        called = await it.wait_for(FunctionCalled)
        stopped = it.of(SpeechStopped)[0]
        await it.wait_for(TurnFinished)
    assert called.at >= stopped.at


async def test_a_caller_who_goes_on_is_asked_for_nothing() -> None:
    model = Ordering("order")
    patient = TurnSettings(endpoint=EndpointSettings(preset="patient"))
    async with line(model=model, settings=patient) as it:
        await begun(it)
        await it.say("order a pizza", then=0.3)
        assert model.requests, "nothing was prepared in the pause"
        await it.say("or rather a soup")
        await it.wait_for(TurnFinished)
    assert len(it.of(FunctionCalled)) == 1
    assert [m.text for m in model.requests[-1].messages if m.role == "user"] == [
        "order a pizza or rather a soup"
    ]


async def test_an_interruption_while_the_call_is_written_cancels_it() -> None:
    async with line(model=Ordering("order", first_token=3.0)) as it:
        await begun(it)
        await it.say("order a pizza", then=1.5)
        await it.call.interrupt()
        await asyncio.sleep(4.0)
    assert not it.of(FunctionCalled)
    assert [role for role, _ in it.history] == ["user"]


async def test_an_interruption_after_the_call_keeps_it() -> None:
    async with line(model=Ordering("order", words="Let me order that for you now.")) as it:
        await begun(it)
        await it.say("order a pizza")
        await it.wait_for(ReplySpoken)
        await asyncio.sleep(0.5)
        await it.call.interrupt()
        assert (await it.wait_for(TurnFinished)).interrupted
        history = it.call._context.history.messages()
    assert history[-1] == Message("tool", NO_RESULT, call_id="order1")
    assert history[-2].calls and "Let me order that for you now.".startswith(history[-2].text)


async def test_who_hears_nothing_of_a_result_goes_on_talking() -> None:
    model = Ordering("order")
    async with line(model=model) as it:
        await begun(it)
        await it.say("order a pizza")
        await it.wait_for(TurnFinished)
        it.call.desk.offer(Toolbox())
        await it.say("never mind")
        assert (await it.wait_for(TurnFinished)).reply == "It is done."
    told = [(m.role, m.text) for m in model.requests[-1].messages][-2:]
    assert told == [("tool", NO_RESULT), ("user", "never mind")]


@pytest.mark.parametrize("names", [("weather", "order"), ("order", "weather")])
async def test_the_servers_tools_and_the_clients_are_asked_at_once(names: tuple[str, str]) -> None:
    model, tools = Ordering(*names), FakeTools('{"celsius": 21}')
    async with line(model=model, tools=tools) as it:
        await begun(it)
        await it.say("order what suits the weather")
        called = await it.wait_for(FunctionCalled)
        await it.wait_for(TurnFinished)
        it.call.desk.resolve(called.call.id, "ordered")
        await it.call.desk.answer()
        await it.wait_for(TurnFinished)
    results = {m.call_id: m.text for m in model.requests[-1].messages if m.role == "tool"}
    assert results == {"weather1": '{"celsius": 21}', "order1": "ordered"}
    assert len(tools.begun) == 1 and len(it.of(FunctionCalled)) == 1


async def test_a_tool_that_nobody_has_is_a_result_that_says_so() -> None:
    model = Ordering("nonsense")
    async with line(model=model) as it:
        await begun(it)
        await it.say("order a pizza")
        assert (await it.wait_for(TurnFinished)).reply == "It is done."
    assert not it.of(FunctionCalled)
    assert "there is no tool" in model.requests[-1].messages[-1].text
