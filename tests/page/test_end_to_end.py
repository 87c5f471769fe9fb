"""The whole of it: a recording of a person as Chromium's microphone, the real server, real engines.

The recogniser and the models are small, so what is asserted is that words came out, not which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from media.audio import Resampler
from server.app import CALLS, create_app, listening
from server.calls import Calls
from server.config import load
from server.hardware import probe
from server.models import open_store
from server.stages import choose
from tests.conftest import TestData
from tests.page.conftest import OpenPage, microphone_flags, write_wav
from tests.page.steps import LOUDNESS, call, in_phase, in_state, until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.real,
    pytest.mark.asyncio(loop_scope="session"),
]

RATE = 48_000
BEFORE = 6.0
"""Seconds of silence before the caller speaks: the greeting is heard out."""
AFTER = 30.0


@dataclass
class Server:
    url: str
    calls: Calls


def settings_of(data: TestData, models: Path) -> list[str]:
    """`--set` of an English server whose models are the small ones of the test data."""
    return [
        "server.port=0",
        f"models.folder={models}",
        "models.download=false",
        f"llm.model={data.folder}/models/llm/tinytalk-3m-q4_0.gguf",
        "llm.llama.context=256",
        f'tts.voices={{en = "{data.folder}/models/piper/en_US-moonmicro-low.onnx"}}',
        "ice.bind=['127.0.0.1']",
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(
    testdata: TestData, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    overrides = settings_of(testdata, tmp_path_factory.mktemp("models"))
    settings = load(None, {}, overrides)
    stages = await choose(settings, open_store(settings.models), probe())
    app: web.Application = create_app(settings, stages)
    async with listening(app, settings.server) as url:
        yield Server(url, app[CALLS])
    await stages.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(
    launch: Callable[..., Awaitable[Browser]],
    testdata: TestData,
    tmp_path_factory: pytest.TempPathFactory,
) -> Browser:
    """A Chromium into whose microphone a person asks one question, once."""
    samples, rate = soundfile.read(testdata.recording("weather").path, dtype="int16")
    resampler = Resampler(rate, RATE)
    speech = np.concatenate([resampler.feed(samples), resampler.flush()]) / 32768
    whole = np.concatenate([np.zeros(int(BEFORE * RATE)), speech, np.zeros(int(AFTER * RATE))])
    recording = write_wav(tmp_path_factory.mktemp("person") / "question.wav", whole, RATE)
    return await launch(*microphone_flags(Path(f"{recording}%noloop")))


async def test_a_person_asks_and_is_answered_by_voice(
    server: Server,
    caller: Browser,
    open_page: OpenPage,
    picture: Callable[[Page, str], Awaitable[None]],
) -> None:
    page = await open_page(server.url, into=caller)
    await expect(page.locator(".engine")).to_have_count(3)
    await call(page)

    greeting = page.locator('[data-turn="0"] .agent .said')
    await expect(greeting).to_contain_text("Hello", timeout=15_000)
    assert await page.evaluate(LOUDNESS) > 0.01, "the greeting was not heard"

    turn = page.locator("#turns li").nth(1)
    await expect(turn.locator(".you .said")).not_to_be_empty(timeout=30_000)
    await expect(turn.locator(".agent .said")).not_to_be_empty(timeout=30_000)
    assert await page.evaluate(LOUDNESS) > 0.01, "the reply was not heard"
    await expect(turn.locator(".waterfall .reading")).to_contain_text("s after", timeout=30_000)
    await picture(page, "real-conversation")
    said = await turn.locator(".said").all_inner_texts()
    print(f"the caller and the agent: {said}; {await turn.locator('.reading').inner_text()}")

    await in_phase(page, "listening")
    await page.keyboard.press("Escape")
    await in_state(page, "idle")
    await until(lambda: len(server.calls) == 0)


async def test_the_language_of_a_running_call_is_switched(
    server: Server, browser: Browser, open_page: OpenPage
) -> None:
    page = await open_page(server.url)
    await expect(page.locator("#language option")).to_have_text(["English", "한국어"])
    await page.locator("#language").select_option("ko")
    await call(page)
    greeting = page.locator('[data-turn="0"] .agent .said')
    await expect(greeting).to_contain_text("안녕하세요", timeout=15_000)
    await expect(greeting).to_have_attribute("lang", "ko")
    await page.locator("#language").select_option("en")
    # A busy machine may be told of; trouble there is none.
    await expect(page.locator(".notice.trouble")).to_have_count(0)
    await page.keyboard.press("Escape")
    await until(lambda: len(server.calls) == 0)
