"""Tools within a turn: used, covered, cancelled, failed; and the history afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from agent.dialogue.endpointer import EndpointSettings
from agent.engines.protocols import ReplyRequest
from agent.engines.tools import failed
from agent.events import FillerSpoken, SpeculationEnded, TurnFinished
from agent.messages import Message, Tool, ToolCall
from agent.settings import TurnSettings
from tests.agent.conversation import line
from tests.fakes import FakeModel

WEATHER = Tool("weather", "The weather.")
CALL = ToolCall("abcdefghi", "weather", '{"city": "Seoul"}')


class ToolModel(FakeModel):
    """Asks for the weather each time until it has been told, then says its script."""

    def __init__(self, *replies: str, calls: int = 1, asks_again: bool = False) -> None:
        super().__init__(*replies)
        self.calls = calls
        self.asks_again = asks_again

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        told = any(message.role == "tool" for message in request.messages)
        if request.tools.offered and (self.asks_again or not told):
            self.requests.append(request)
            await asyncio.sleep(self.first_token)
            for number in range(self.calls):
                request.call(ToolCall(f"call{number}", CALL.name, CALL.arguments))
            return
        async for piece in super().reply(request):
            yield piece


class FakeTools:
    def __init__(self, result: str = '{"celsius": 21}', *, seconds: float = 0.1) -> None:
        self.offered = (WEATHER,)
        self.result = result
        self.seconds = seconds
        self.safe = False
        self.begun: list[float] = []
        self.cancelled = 0

    def is_safe(self, name: str) -> bool:
        return self.safe

    async def use(self, call: ToolCall) -> str:
        self.begun.append(asyncio.get_running_loop().time())
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.result

    async def aclose(self) -> None: ...


async def test_a_tool_is_used_and_its_result_is_what_the_answer_is_made_from() -> None:
    model, tools = ToolModel("It is warm."), FakeTools()
    async with line(model=model, tools=tools) as call:
        await call.say("is it warm")
        turn = await call.wait_for(TurnFinished)

    assert turn.reply == "It is warm."
    last = model.requests[-1].messages
    assert last[-2].calls[0].name == "weather" and last[-2].calls[0].arguments == CALL.arguments
    assert last[-1] == Message("tool", '{"celsius": 21}', call_id="call0")
    assert [role for role, _ in call.history] == ["user", "assistant", "tool", "assistant"]


async def test_several_calls_run_side_by_side() -> None:
    model, tools = ToolModel("Done.", calls=3), FakeTools(seconds=0.5)
    async with line(model=model, tools=tools) as call:
        await call.say("is it warm")
        await call.wait_for(TurnFinished)

    assert len(tools.begun) == 3 and max(tools.begun) - min(tools.begun) < 0.01
    assert [role for role, _ in call.history].count("tool") == 3


@pytest.mark.parametrize("safe", [False, True])
async def test_only_a_safe_tool_is_used_before_the_turn_is_surely_over(safe: bool) -> None:
    model, tools = ToolModel("It is warm."), FakeTools(seconds=0.01)
    tools.safe = safe
    patient = TurnSettings(endpoint=EndpointSettings(preset="patient"))
    async with line(model=model, tools=tools, settings=patient) as call:
        await call.say("is it warm")
        ended = await call.wait_for(SpeculationEnded)
        await call.wait_for(TurnFinished)

    assert (tools.begun[0] < ended.at) is safe
    assert len(tools.begun) == 1


async def test_a_slow_tool_is_covered_by_a_filler_of_its_own() -> None:
    async with line(model=ToolModel("It is warm."), tools=FakeTools(seconds=2.5)) as call:
        await call.say("is it warm")
        filler = await call.wait_for(FillerSpoken)
        await call.wait_for(TurnFinished)

    assert "look that up" in filler.text


async def test_a_barge_in_cancels_the_tool_and_the_history_says_so() -> None:
    tools = FakeTools(seconds=30.0)
    async with line(model=ToolModel("It is warm."), tools=tools) as call:
        await call.say("is it warm", then=1.5)
        await call.call.interrupt()
        history = call.history

    assert tools.cancelled == 1
    assert history[2][0] == "tool" and "cancelled" in history[2][1]


async def test_a_tool_that_fails_is_told_to_the_model() -> None:
    model = ToolModel("I could not reach it.")
    async with line(model=model, tools=FakeTools(failed("it is down"))) as call:
        await call.say("is it warm")
        turn = await call.wait_for(TurnFinished)

    assert json.loads(model.requests[-1].messages[-1].text) == {"error": "it is down"}
    assert turn.reply == "I could not reach it."


async def test_a_model_that_never_stops_asking_must_answer_after_some_rounds() -> None:
    model, tools = ToolModel("Enough.", asks_again=True), FakeTools(seconds=0.01)
    async with line(model=model, tools=tools) as call:
        await call.say("is it warm")
        turn = await call.wait_for(TurnFinished)

    assert len(tools.begun) == 4
    assert model.requests[-1].tools.choice == "none"
    assert turn.reply == "Enough."
