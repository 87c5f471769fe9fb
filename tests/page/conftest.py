"""A real Chromium with a recording as its microphone, and the fake server.

The browser is kept for all tests of the folder: a page costs tens of milliseconds, a browser
seconds. Screenshots go to `build/page/`, to be looked at.
"""

from __future__ import annotations

import shutil
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Playwright, async_playwright

from tests.page.fake_server import FakeServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "page"

PLAIN = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
]

KEEP_PEERS = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...options) {
    super(...options);
    window.peers.push(this);
  }
};
"""

OpenPage = Callable[..., Awaitable[Page]]


def microphone_flags(recording: Path) -> list[str]:
    """The flags that make `recording` (48 kHz WAV, played over and over) the microphone."""
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
    ]


def write_wav(path: Path, samples: np.ndarray, rate: int = 48000) -> Path:
    """Writes mono samples in -1..1."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("the page is not tested: no Chromium is installed")
    async with async_playwright() as driver:
        yield driver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def launch(playwright: Playwright) -> AsyncIterator[Callable[..., Awaitable[Browser]]]:
    """Starts a Chromium with more flags."""
    browsers: list[Browser] = []

    async def start(*flags: str) -> Browser:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*PLAIN, *flags], headless=True
        )
        browsers.append(browser)
        return browser

    yield start
    for browser in browsers:
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(
    launch: Callable[..., Awaitable[Browser]], tmp_path_factory: pytest.TempPathFactory
) -> Browser:
    """One whose microphone hears a voice-like buzz, on and off."""
    at = np.arange(48000 * 3) / 48000
    buzz = 0.3 * np.sign(np.sin(2 * np.pi * 140 * at)) * (at % 1.5 < 0.9)
    recording = write_wav(tmp_path_factory.mktemp("microphone") / "buzz.wav", buzz)
    return await launch(*microphone_flags(recording))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_fake() -> AsyncIterator[FakeServer]:
    server = FakeServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def fake(running_fake: FakeServer) -> FakeServer:
    await running_fake.reset()
    return running_fake


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, fake: FakeServer) -> AsyncIterator[OpenPage]:
    """Opens the page in a window of its own. The test fails on any error in its console."""
    contexts: list[Any] = []
    complaints: list[str] = []

    async def open_it(
        url: str | None = None,
        *,
        width: int = 1280,
        height: int = 800,
        scheme: Literal["light", "dark"] = "light",
        locale: str = "en-US",
        into: Browser | None = None,
        keep_peers: bool = False,
        allow_complaints: bool = False,
        **options: Any,
    ) -> Page:
        context = await (into or browser).new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale=locale,
            **options,
        )
        contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        if not allow_complaints:
            page.on("console", lambda told: complaints.append(told.text) if _is_bad(told) else None)
        if keep_peers:
            await page.add_init_script(KEEP_PEERS)
        await page.goto(url or fake.url)
        return page

    yield open_it
    for context in contexts:
        await context.close()
    assert not complaints


def _is_bad(message: Any) -> bool:
    # A request that the server refuses is the subject of some tests, and the browser logs it.
    return message.type == "error" and "Failed to load resource" not in message.text


@pytest.fixture
def picture() -> Callable[[Page, str], Awaitable[None]]:
    """Keeps a screenshot, to be looked at."""

    async def take(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return take
