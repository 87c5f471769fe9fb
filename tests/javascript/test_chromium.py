"""`@openai/agents-realtime` in Chromium, unmodified, over WebRTC: a whole conversation.

The microphone is fed from a file, over and over: the person speaks over the agent's story first,
and into the silence after the answer then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from playwright.async_api import Browser, Page, Route

from media.audio import Resampler
from server.recordings import read
from tests.conftest import TestData
from tests.javascript.conftest import Judge
from tests.page.conftest import microphone_flags, write_wav
from tests.page.steps import poll
from tests.real.test_call import words

pytestmark = [
    pytest.mark.browser,
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="session"),
]

RATE = 48_000
BUNDLE = "node_modules/@openai/agents-realtime/dist/bundle/openai-realtime-agents.umd.js"


def repeated(recording: Path, to: Path) -> Path:
    """A microphone's file: 4 s of silence, the recording, and 8 s of silence."""
    audio = read(recording)
    resampler = Resampler(audio.rate, RATE)
    speech = np.concatenate([resampler.feed(audio.samples), resampler.flush()]) / 32768
    return write_wav(to, np.concatenate([np.zeros(4 * RATE), speech, np.zeros(8 * RATE)]), RATE)


async def open_client(browser: Browser, clients: Path, url: str, query: str = "") -> Page:
    """The client's page, of the server's own origin."""
    page = await browser.new_page()

    async def page_itself(route: Route) -> None:
        await route.fulfill(path=clients / "client.html")

    async def bundle(route: Route) -> None:
        await route.fulfill(path=clients / BUNDLE)

    await page.route(f"{url}/client.html{query}", page_itself)
    await page.route("**/openai-realtime-agents.umd.js", bundle)
    await page.goto(f"{url}/client.html{query}")
    await page.wait_for_function("window.connected", timeout=20_000)
    return page


async def events_of(page: Page, kind: str) -> list[dict[str, Any]]:
    return await page.evaluate("(kind) => events.filter((e) => e.type === kind)", kind)


async def test_a_conversation_with_an_interruption_and_an_error(
    server: str,
    clients: Path,
    generic: Judge,
    testdata: TestData,
    tmp_path: Path,
    launch: Callable[..., Awaitable[Browser]],
) -> None:
    recording = testdata.recording("whatstheweatherlike")
    microphone = repeated(recording.path, tmp_path / "microphone.wav")
    page = await open_client(await launch(*microphone_flags(microphone)), clients, server)
    await page.evaluate("session.transport.requestResponse()")

    async def responses(count: int) -> list[dict[str, Any]]:
        done = await events_of(page, "response.done")
        return done if len(done) >= count else []

    await poll(lambda: responses(3), 60)
    await page.evaluate(
        "session.transport.sendEvent({ type: 'response.cancel', event_id: 'late' })"
    )
    (error,) = await poll(lambda: page.evaluate("errors"))
    assert error["error"]["event_id"] == "late"

    cut, first, second = (event["response"] for event in await responses(3))
    assert cut["status"] == "cancelled"
    assert cut["status_details"]["reason"] == "turn_detected"
    assert first["status"] == second["status"] == "completed"
    completed = "conversation.item.input_audio_transcription.completed"
    for event in await events_of(page, completed):
        assert jiwer.wer(words(recording.text or ""), words(event["transcript"])) <= 0.4
    assert len(await events_of(page, "output_audio_buffer.cleared")) == 1
    assert len(await events_of(page, "output_audio_buffer.stopped")) == 2
    assert generic(await page.evaluate("events")) == []
    await page.context.close()
