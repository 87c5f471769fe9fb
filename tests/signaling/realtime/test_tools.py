"""Tools of the client's own: asked for by the model, answered by the client. Public clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import function_tool

from agent.messages import NO_RESULT, Message
from tests.server.house import spoken
from tests.signaling.realtime.agents import runner
from tests.signaling.realtime.asking import Asking
from tests.signaling.realtime.speaking import Talker, talker
from tests.signaling.realtime.test_agents import at_24_khz
from tests.signaling.realtime.test_events import typed
from tests.signaling.realtime.test_websocket import home

SEOUL = ("weather", '{"city": "Seoul"}')
BUSAN = ("weather", '{"city": "Busan"}')
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@asynccontextmanager
async def call(model: Asking, *lines: str, **session: Any) -> AsyncGenerator[Talker, None]:
    """A connected client that offers the weather."""
    async with home(*lines or ("x",), model=model) as (url, _), talker(url) as it:
        await it.wait_for("session.created")
        wanted: Any = {"type": "realtime", "tools": [WEATHER], **session}
        await it.connection.session.update(session=wanted)
        told = (await it.wait_for("session.updated"))["session"]
        assert told["tools"] == wanted["tools"]
        yield it
        it.referee.close()


async def bring(it: Talker, call_id: str, output: str, **event: str) -> None:
    """The client has a result."""
    result: Any = {"type": "function_call_output", "call_id": call_id, "output": output}
    await it.connection.conversation.item.create(item=result, **event)  # type: ignore[arg-type]


def calls(response: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in response["output"] if item["type"] == "function_call"]


@pytest.mark.parametrize("words", ["", "Let me see what the weather is like."])
async def test_a_spoken_turn_with_a_tool(words: str) -> None:
    model = Asking(SEOUL, words=words)
    async with call(model, "is it warm in Seoul") as it:
        it.say(await spoken("Is it warm in Seoul?"))
        done = (await it.wait_for("response.done"))["response"]
        assert done["status"] == "completed"
        asked = calls(done)[0]
        assert (asked["name"], json.loads(asked["arguments"])) == ("weather", {"city": "Seoul"})
        messages = [item for item in done["output"] if item["type"] == "message"]
        assert "".join(item["content"][0]["transcript"] for item in messages) == words
        if words:
            assert done["output"][0]["type"] == "message"
        await bring(it, asked["call_id"], "warm")
        await it.connection.response.create()
        done = (await it.wait_for("response.done"))["response"]
        said = done["output"][0]
        assert said["content"][0]["transcript"] == "It is warm."
        assert it.heard(said["id"]).seconds > 0.3
    order = [event["type"] for event in it.referee.events]
    places = iter(order)
    assert all(
        kind in places
        for kind in (
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.done",
        )
    ), order
    assert [m.role for m in model.requests[-1].messages] == ["system", "user", "assistant", "tool"]
    assert model.requests[-1].messages[2].text == words


async def test_several_calls_in_one_response() -> None:
    model = Asking(SEOUL, BUSAN)
    async with call(model, output_modalities=["text"]) as it:
        await typed(it, "Where is it warmer?")
        await it.connection.response.create()
        first, second = calls((await it.wait_for("response.done"))["response"])
        await bring(it, second["call_id"], "cold")
        await bring(it, first["call_id"], "warm")
        await it.connection.response.create()
        done = (await it.wait_for("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "It is warm and cold."


async def test_an_answer_that_is_asked_for_early_waits_for_the_words_before_it() -> None:
    model = Asking(SEOUL, words="Let me see what the weather is like over there just now.")
    async with call(model) as it:
        await typed(it, "Is it warm?")
        await it.connection.response.create()
        asked = await it.wait_for("response.function_call_arguments.done")
        await bring(it, asked["call_id"], "warm")
        await it.connection.response.create()
        await it.connection.response.create()
        first = (await it.wait_for("response.done"))["response"]
        second = (await it.wait_for("response.done"))["response"]
        assert first["output"][0]["content"][0]["transcript"] == model.words
        assert second["output"][0]["content"][0]["transcript"] == "It is warm."
    assert not it.of("error") and len(it.of("response.created")) == 2


async def test_a_result_that_never_comes_holds_nobody_up() -> None:
    model = Asking(SEOUL)
    async with call(model, output_modalities=["text"]) as it:
        await typed(it, "Is it warm?")
        await it.connection.response.create()
        asked = calls((await it.wait_for("response.done"))["response"])[0]
        await typed(it, "Never mind.")
        await it.connection.response.create(response={"tool_choice": "none"})
        done = (await it.wait_for("response.done"))["response"]
        assert done["output"][0]["content"][0]["text"] == "I do not know."
        tool = Message("tool", NO_RESULT, call_id=asked["call_id"])
        assert model.requests[-1].messages[-2:] == (tool, Message("user", "Never mind."))
        await bring(it, asked["call_id"], "warm")
        await typed(it, "Well?")
        await it.connection.response.create()
        await it.wait_for("response.done")
    assert [m.text for m in model.requests[-1].messages if m.role == "tool"] == ["warm"]


async def test_what_no_call_waits_for_is_refused() -> None:
    async with call(Asking(SEOUL), output_modalities=["text"]) as it:
        await bring(it, "nobody", "warm", event_id="lost")
        error = (await it.wait_for("error"))["error"]
        assert (error["code"], error["param"]) == ("call_not_found", "item.call_id")
        assert error["event_id"] == "lost"
        await typed(it, "Is it warm?")
        await it.connection.response.create()
        asked = calls((await it.wait_for("response.done"))["response"])[0]
        await bring(it, asked["call_id"], "warm")
        await bring(it, asked["call_id"], "cold")
        assert (await it.wait_for("error"))["error"]["code"] == "duplicate_call_output"
        await it.connection.conversation.item.delete(item_id=asked["id"])
        await it.wait_for("conversation.item.deleted")
        await it.connection.conversation.item.retrieve(item_id=asked["id"])
        assert (await it.wait_for("error"))["error"]["code"] == "item_not_found"


async def test_a_call_of_an_earlier_conversation_is_put_in() -> None:
    model = Asking()
    async with call(model, output_modalities=["text"]) as it:
        await typed(it, "Is it warm?")
        before: Any = {"type": "function_call", "call_id": "c9", "name": "weather"}
        await it.connection.conversation.item.create(item={**before, "arguments": SEOUL[1]})
        item = (await it.wait_for("conversation.item.done"))["item"]
        await it.connection.conversation.item.retrieve(item_id=item["id"])
        assert (await it.wait_for("conversation.item.retrieved"))["item"]["call_id"] == "c9"
        await bring(it, "c9", "warm")
        await it.connection.response.create()
        done = (await it.wait_for("response.done"))["response"]
    assert done["output"][0]["content"][0]["text"] == "It is warm."
    assert model.requests[-1].messages[-2].calls[0].name == "weather"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        (
            {"tools": [{**WEATHER, "parameters": {"type": "nonsense"}}]},
            "session.tools.0.parameters",
        ),
        ({"tools": [{**WEATHER, "parameters": {"type": "array"}}]}, "session.tools.0.parameters"),
        ({"tools": [{**WEATHER, "name": "two words"}]}, "session.tools.0.name"),
        ({"tools": [WEATHER, WEATHER]}, "session.tools.1.name"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools.0.type"),
        ({"tool_choice": "sometimes"}, "session.tool_choice"),
        ({"tool_choice": {"type": "function", "name": "nobody"}}, "session.tool_choice.name"),
    ],
)
async def test_what_is_wrong_with_a_tool_is_named(changes: dict[str, Any], param: str) -> None:
    async with call(Asking(SEOUL)) as it:
        await it.connection.session.update(session={"type": "realtime", **changes})  # type: ignore[typeddict-item]
        assert (await it.wait_for("error"))["error"]["param"].startswith(param)
        response: Any = changes
        await it.connection.response.create(response=response)
        where = param.replace("session", "response", 1)
        assert (await it.wait_for("error"))["error"]["param"].startswith(where)


async def test_a_response_has_tools_and_a_choice_of_its_own() -> None:
    model = Asking(("time", "{}"))
    own: Any = {
        "tools": [{"type": "function", "name": "time"}],
        "tool_choice": {"type": "function", "name": "time"},
    }
    async with call(model, output_modalities=["text"], parallel_tool_calls=False) as it:
        await typed(it, "What time is it?")
        await it.connection.response.create(response=own)
        done = (await it.wait_for("response.done"))["response"]
        assert calls(done)[0]["name"] == "time"
    box = model.requests[-1].tools
    assert (box.choice, box.named, box.parallel) == ("required", "time", False)


@pytest.mark.parametrize("modality", ["text", "audio"])
async def test_a_response_out_of_band_asks_for_the_tools_that_it_brings(modality: str) -> None:
    model = Asking(("time", "{}"), SEOUL)
    own = {"tools": [{"type": "function", "name": "time"}]}
    apart: Any = {"conversation": "none", "output_modalities": [modality]}
    question = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "What time is it?"}],
    }
    async with call(model) as it:
        await it.connection.response.create(response={**apart, **own, "input": [question]})
        done = (await it.wait_for("response.done"))["response"]
        (asked,) = calls(done)
        assert (done["conversation_id"], asked["name"]) == (None, "time")
        assert not it.of("conversation.item.added"), "it is no part of the conversation"
        result = {"type": "function_call_output", "call_id": asked["call_id"], "output": "noon"}
        given: Any = {**apart, "input": [question, asked, result]}
        await it.connection.response.create(response=given)
        done = (await it.wait_for("response.done"))["response"]
        part = done["output"][0]["content"][0]
        assert part.get("text" if modality == "text" else "transcript") == "It is noon."
        await it.connection.response.create(response={**apart, "input": [question]})
        done = (await it.wait_for("response.done"))["response"]
        assert not calls(done), "the session's tools are the conversation's"


async def test_the_agents_library_uses_a_tool_by_voice() -> None:
    asked: list[str] = []

    @function_tool
    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "warm"

    model = Asking(SEOUL, words="Let me see.")
    async with home("is it warm in Seoul", model=model) as (url, _):
        async with runner(url, tools=[weather]) as it, asyncio.timeout(40):
            await it.say(at_24_khz(await spoken("Is it warm in Seoul?")))
            await it.until("tool_end")
            await it.until("agent_end", times=2)
    assert not it.errors
    assert asked == ["Seoul"]
    assert "It is warm." in it.said_by("assistant")
