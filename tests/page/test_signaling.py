"""The page against the real doors and the real media path, with scripted conversations behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from agent.events import FinalTranscript, PhaseChanged, ReplySpoken
from server.conversation import Seat
from server.settings import ServerSettings
from tests.page.conftest import OpenPage
from tests.page.steps import LOUDNESS, call, in_phase, in_state, notice, until
from tests.signaling.phone import Parrot, Phone, phone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def parrots() -> AsyncIterator[Phone]:
    async with phone(server=ServerSettings(max_calls=1, retry_after=1)) as running:
        yield running


async def test_the_caller_hears_the_agent_through_the_real_media_path(
    parrots: Phone, open_page: OpenPage
) -> None:
    page = await open_page(parrots.url)
    await call(page)
    # A parrot says back what the microphone hears: the buzz comes in over the whole way and back.
    assert await page.evaluate(LOUDNESS) > 0.02


async def test_what_chromium_plays_has_no_gaps(parrots: Phone, open_page: OpenPage) -> None:
    page = await open_page(parrots.url, keep_peers=True)
    await call(page)
    await asyncio.sleep(3)
    received = await page.evaluate(
        """async () => {
          const stats = [...(await window.peers[0].getStats()).values()];
          return stats.find((each) => each.type === "inbound-rtp");
        }"""
    )
    assert received["packetsReceived"] > 100
    assert received["packetsLost"] == 0
    concealed = received["concealedSamples"] - received["silentConcealedSamples"]
    assert concealed < 0.05 * received["totalSamplesReceived"]


async def test_hanging_up_frees_the_line(parrots: Phone, open_page: OpenPage) -> None:
    page = await open_page(parrots.url)
    await call(page)
    assert len(parrots.calls) == 1
    await page.locator("#hang-up").click()
    await until(lambda: len(parrots.calls) == 0)
    assert parrots.reasons() == ["hangup"]


async def test_closing_the_page_frees_the_line(parrots: Phone, open_page: OpenPage) -> None:
    page = await open_page(parrots.url)
    await call(page)
    await page.goto("about:blank")
    await until(lambda: len(parrots.calls) == 0)


async def test_a_second_caller_waits_until_the_line_is_free(
    parrots: Phone, open_page: OpenPage
) -> None:
    first = await open_page(parrots.url)
    await call(first)
    second = await open_page(parrots.url)
    await second.locator("#call").click()
    await notice(second, "busy")
    await first.locator("#hang-up").click()
    await in_state(second, "call")


def speak(seat: Seat) -> None:
    """Tell that the agent begins to speak."""
    at = asyncio.get_running_loop().time()
    seat.emit(PhaseChanged(at=at, phase="speaking"))
    seat.emit(ReplySpoken(at=at, turn=1, text="Well, it is a long story.", seconds=9.0))


async def test_wishes_reach_the_conversation(parrots: Phone, open_page: OpenPage) -> None:
    page = await open_page(parrots.url)
    await call(page)
    seat: Seat = parrots.conversations[0].seat
    speak(seat)
    await in_phase(page, "speaking")
    await page.locator("#interrupt").click()
    await until(lambda: "interrupt" in parrots.conversations[0].told)


async def test_events_become_captions(parrots: Phone, open_page: OpenPage) -> None:
    page = await open_page(parrots.url)
    await call(page)
    seat: Seat = parrots.conversations[0].seat
    at = asyncio.get_running_loop().time()
    seat.emit(FinalTranscript(at=at, turn=1, text="Hello?", language="en", confidence=0.9))
    seat.emit(ReplySpoken(at=at, turn=1, text="Hello to you.", seconds=0.2))
    await expect(page.locator("#turns .you .said")).to_have_text("Hello?")
    await expect(page.locator("#turns .agent .said")).to_contain_text("Hello to you.")


async def test_a_server_that_stops_says_goodbye_on_the_page(
    parrots: Phone, open_page: OpenPage
) -> None:
    page = await open_page(parrots.url)
    await call(page)
    await parrots.calls.drain()
    await notice(page, "ended")
    await expect(page.locator(".notice")).to_contain_text("The server is being stopped.")


async def test_a_conversation_that_breaks_is_told(open_page: OpenPage) -> None:
    class Broken(Parrot):
        async def interrupt(self) -> None:
            raise RuntimeError("a bug of the test's")

    async with phone(Broken) as running:
        page = await open_page(running.url)
        await call(page)
        speak(running.conversations[0].seat)
        await page.locator("#interrupt").click()
        await notice(page, "ended")
        await expect(page.locator(".notice")).to_contain_text("A fault on the server ended it.")
        await in_state(page, "idle")
