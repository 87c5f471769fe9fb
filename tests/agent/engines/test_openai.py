"""A chat endpoint on loopback that answers well, badly, and not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web

from agent.engines.openai import OpenAI, OpenAISettings
from agent.errors import EngineFailed, EngineMissing
from agent.messages import Message, Tool, Toolbox, ToolCall, Usage
from tests.agent.engines.chat import REQUEST, Endpoint, event, fixed, serving, stream


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with serving() as endpoint:
        yield endpoint


@pytest.fixture
async def model(endpoint: Endpoint) -> AsyncIterator[OpenAI]:
    model = OpenAI(OpenAISettings(base_url=endpoint.url, model="m", api_key="key"))
    yield model
    await model.aclose()


async def said(model: OpenAI) -> list[str]:
    return [piece async for piece in model.reply(REQUEST)]


async def test_the_reply_comes_in_pieces(model: OpenAI, endpoint: Endpoint) -> None:
    assert await said(model) == ["Hello", " there."]
    assert endpoint.keys == ["Bearer key"]
    assert endpoint.bodies[0] == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "안녕?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "max_tokens": 40,
    }


async def test_more_fields_are_sent_as_configured(endpoint: Endpoint) -> None:
    settings = OpenAISettings(
        base_url=endpoint.url + "/",
        limit_field="max_completion_tokens",
        extra={"reasoning_effort": "none"},
    )
    model = OpenAI(settings)

    await said(model)
    await model.aclose()

    assert endpoint.bodies[0]["max_completion_tokens"] == 40
    assert endpoint.bodies[0]["reasoning_effort"] == "none"
    assert endpoint.keys == [None]


async def test_a_reply_tells_what_it_cost(model: OpenAI, endpoint: Endpoint) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 52}
    cached = {"prompt_tokens_details": {"cached_tokens": 8}}
    last = json.dumps({"choices": [], "usage": {**usage, **cached}})
    nothing = json.dumps({"choices": [], "usage": {"prompt_tokens": "many"}})
    end = event(None, "stop") + f"data: {nothing}\n\ndata: {last}\n\ndata: [DONE]\n\n"
    endpoint.answer = stream(["Hello."], end=end)
    counted: list[Usage] = []

    assert [piece async for piece in model.reply(replace(REQUEST, count=counted.append))]

    assert counted == [Usage(prompt=12, cached=8, generated=40, is_cut=True)]


async def test_an_endpoint_that_does_not_count_is_not_asked_to(endpoint: Endpoint) -> None:
    model = OpenAI(OpenAISettings(base_url=endpoint.url, usage=False))
    await said(model)
    await model.aclose()
    assert "stream_options" not in endpoint.bodies[0]


@pytest.mark.parametrize("chunk", [1, 2, 5])
async def test_a_syllable_cut_on_its_way_comes_out_whole(
    model: OpenAI, endpoint: Endpoint, chunk: int
) -> None:
    endpoint.answer = stream(["안녕하", "세요."], chunk=chunk)

    assert await said(model) == ["안녕하", "세요."]


async def test_white_space_before_the_reply_is_left_out(model: OpenAI, endpoint: Endpoint) -> None:
    endpoint.answer = stream(["\n", " Sure", ", "])

    assert await said(model) == ["Sure", ", "]


async def test_events_without_choices_or_text_are_passed_over(
    model: OpenAI, endpoint: Endpoint
) -> None:
    usage = 'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
    endpoint.answer = stream(["Yes"], end=event(None, "stop") + usage + "data: [DONE]\n\n")

    assert await said(model) == ["Yes"]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "llm.openai.api_key"),
        (404, "llm.openai.model"),
        (429, "Retry-After: 7"),
        (500, "failed"),
    ],
)
async def test_a_refusal_names_the_status_and_what_to_do(
    model: OpenAI, endpoint: Endpoint, status: int, advice: str
) -> None:
    body = json.dumps({"error": {"message": "the machine said no"}})
    endpoint.answer = fixed(status, body, Retry_After="7")

    with pytest.raises(EngineFailed) as failed:
        await said(model)

    assert str(status) in str(failed.value)
    assert advice in str(failed.value)
    assert "the machine said no" in str(failed.value)


async def test_an_error_page_that_is_no_json_is_quoted_shortly(
    model: OpenAI, endpoint: Endpoint
) -> None:
    endpoint.answer = fixed(502, "<html>" + "x" * 5000)

    with pytest.raises(EngineFailed, match="502") as failed:
        await said(model)

    assert len(str(failed.value)) < 400


async def test_an_answer_that_is_no_stream_says_what_to_check(
    model: OpenAI, endpoint: Endpoint
) -> None:
    endpoint.answer = fixed(200, '{"choices": [{"message": {"content": "Hi"}}]}')

    with pytest.raises(EngineFailed, match=r"application/json.*base_url"):
        await said(model)


async def test_an_error_in_the_stream_comes_after_what_was_said(
    model: OpenAI, endpoint: Endpoint
) -> None:
    endpoint.answer = stream(["Hel"], end='data: {"error": {"message": "out of memory"}}\n\n')
    pieces = []

    with pytest.raises(EngineFailed, match="out of memory"):
        async for piece in model.reply(REQUEST):
            pieces.append(piece)

    assert pieces == ["Hel"]


@pytest.mark.parametrize("end", ["", 'data: {"choices": [{"del', "data: not json\n\n"])
async def test_a_stream_that_ends_in_the_middle_is_a_failure(
    model: OpenAI, endpoint: Endpoint, end: str
) -> None:
    endpoint.answer = stream(["Hel"], end=end)

    with pytest.raises(EngineFailed):
        await said(model)


async def test_a_connection_cut_in_the_middle_is_a_failure(
    model: OpenAI, endpoint: Endpoint
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event("Hel").encode())
        assert request.transport is not None
        request.transport.close()
        return response

    endpoint.answer = answer

    with pytest.raises(EngineFailed, match="broke off"):
        await said(model)


async def test_a_reply_that_is_closed_frees_the_endpoint(model: OpenAI, endpoint: Endpoint) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event("Hel").encode())
        await asyncio.sleep(3600)
        return response

    endpoint.answer = answer

    async with aclosing(model.reply(REQUEST)) as pieces:
        assert await anext(pieces) == "Hel"

    async with asyncio.timeout(5):
        await endpoint.cut.wait()


async def test_an_endpoint_that_hangs_can_be_given_up(model: OpenAI, endpoint: Endpoint) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    endpoint.answer = answer

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await said(model)

    async with asyncio.timeout(5):
        await endpoint.cut.wait()


async def test_replies_one_after_the_other_use_one_connection(
    model: OpenAI, endpoint: Endpoint
) -> None:
    await model.start()
    for _ in range(3):
        await said(model)

    assert len(endpoint.connections) == 4
    assert len(set(endpoint.connections)) == 1


async def test_an_endpoint_that_never_ends_its_response_does_not_hold_the_reply(
    model: OpenAI, endpoint: Endpoint
) -> None:
    plain = stream(["Yes."])

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await plain(request)
        await asyncio.sleep(3600)
        return response

    endpoint.answer = answer

    async with asyncio.timeout(5):
        assert await said(model) == ["Yes."]


async def test_prefill_opens_a_connection_only_when_none_is_ready(
    model: OpenAI, endpoint: Endpoint
) -> None:
    await model.prefill(REQUEST)
    await model.prefill(REQUEST)
    await said(model)

    assert len(endpoint.connections) == 2
    assert len(set(endpoint.connections)) == 1


async def test_prefill_never_fails_for_an_endpoint_that_is_away() -> None:
    model = OpenAI(OpenAISettings(base_url="http://127.0.0.1:9/v1"))

    await model.prefill(REQUEST)
    await model.aclose()


async def test_the_start_says_when_nobody_answers() -> None:
    model = OpenAI(OpenAISettings(base_url="http://127.0.0.1:9/v1"))

    with pytest.raises(EngineMissing, match=r"127\.0\.0\.1:9.*llm\.openai\.base_url"):
        await model.start()
    with pytest.raises(EngineFailed, match="could not be asked"):
        await said(model)
    await model.aclose()


async def test_the_start_says_when_the_key_is_refused(endpoint: Endpoint) -> None:
    model = OpenAI(OpenAISettings(base_url=endpoint.url, api_key="wrong"))

    with pytest.raises(EngineMissing, match=r"401.*llm\.openai\.api_key"):
        await model.start()
    await model.aclose()


async def test_the_key_is_never_printed() -> None:
    assert "secret" not in repr(OpenAISettings(api_key="secret"))


def call_event(*pieces: dict[str, object]) -> str:
    choice = {"index": 0, "delta": {"tool_calls": list(pieces)}, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n"


async def test_calls_of_tools_are_put_together_from_their_pieces(
    model: OpenAI, endpoint: Endpoint
) -> None:
    pieces = (
        call_event({"index": 0, "id": "a", "function": {"name": "order", "arguments": ""}})
        + call_event({"index": 0, "function": {"arguments": '{"drink": '}})
        + call_event({"index": 1, "id": "b", "function": {"name": "pay", "arguments": "{}"}})
        + call_event({"index": 0, "function": {"arguments": '"차"}'}})
    )
    end = pieces + event(None, "tool_calls") + "data: [DONE]\n\n"
    endpoint.answer = stream(["One moment."], end=end, chunk=7)
    told: list[ToolCall] = []
    before = ToolCall("x", "order", '{"drink": "tea"}')
    asked = replace(
        REQUEST,
        messages=(
            *REQUEST.messages,
            Message("assistant", "", calls=(before,)),
            Message("tool", "done", call_id="x"),
        ),
        tools=Toolbox(tools=(Tool("order"), Tool("pay")), choice="required", named="pay"),
        call=told.append,
    )

    said = [piece async for piece in model.reply(asked)]

    assert said == ["One moment."]
    assert told == [ToolCall("a", "order", '{"drink": "차"}'), ToolCall("b", "pay", "{}")]
    body = endpoint.bodies[-1]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "pay"}}
    assert body["messages"][-1] == {"role": "tool", "content": "done", "tool_call_id": "x"}  # type: ignore[index]
