"""A tool of `@openai/agents-realtime`, unmodified: asked for, run by the SDK, and its result said.

The speech is recorded; what is understood and the model are scripted, so that the model asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from tests.conftest import TestData
from tests.javascript.conftest import Judge
from tests.javascript.test_chromium import events_of, open_client, repeated
from tests.javascript.test_node import pcm, talk
from tests.page.conftest import microphone_flags
from tests.page.steps import poll
from tests.signaling.realtime.asking import Asking
from tests.signaling.realtime.test_websocket import home

pytestmark = pytest.mark.asyncio(loop_scope="session")

HEARD = "what is the weather like"
SEOUL = ("weather", '{"city": "Seoul"}')


def assert_round_trip(model: Asking, events: list[dict[str, Any]]) -> None:
    """The model asked, was told "warm", and the caller hears so."""
    asked, told = [e["response"] for e in events if e["type"] == "response.done"][:2]
    assert asked["status"] == told["status"] == "completed"
    assert [item["type"] for item in asked["output"]] == ["function_call"]
    assert told["output"][0]["content"][0]["transcript"] == "It is warm."
    roles = [message.role for message in model.requests[1].messages]
    assert roles == ["system", "user", "assistant", "tool"]
    assert model.requests[1].messages[1].text == HEARD


async def test_in_node_over_a_websocket(
    clients: Path, generic: Judge, testdata: TestData, tmp_path: Path
) -> None:
    speech = pcm(testdata.recording("whatstheweatherlike").path, tmp_path)
    model = Asking(SEOUL)
    async with home(HEARD, model=model) as (url, _):
        told = await talk(clients, url, speech, "weather.mjs")
    events = [line["event"] for line in told if "event" in line]
    assert generic(events) == []
    assert [line["asked"] for line in told if "asked" in line] == ["Seoul"]
    said = [line for line in told if "told" in line]
    assert [line["result"] for line in said if line["told"] == "result"] == ["warm"]
    assert "error" not in [line["told"] for line in said]
    types = [item["type"] for item in said[-1]["history"]]
    assert types == ["message", "function_call", "message"]
    assert_round_trip(model, events)


@pytest.mark.browser
async def test_in_chromium_over_webrtc(
    clients: Path,
    generic: Judge,
    testdata: TestData,
    tmp_path: Path,
    launch: Callable[..., Awaitable[Browser]],
) -> None:
    recording = testdata.recording("whatstheweatherlike")
    microphone = repeated(recording.path, tmp_path / "microphone.wav")
    model = Asking(SEOUL)
    async with home(HEARD, model=model) as (url, _):
        browser = await launch(*microphone_flags(microphone))
        page = await open_client(browser, clients, url, "?weather")
        await poll(lambda: events_of(page, "output_audio_buffer.stopped"), 40)
        assert await page.evaluate("asked") == ["Seoul"]
        assert await page.evaluate("errors") == []
        events = await page.evaluate("events")
        await page.context.close()
    assert generic(events) == []
    assert_round_trip(model, events)
