"""The network changes in the middle of a call: the page says so, and goes on in the same call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from agent.events import CallerAway, CallerBack, FinalTranscript, PhaseChanged
from server.settings import ServerSettings
from tests.page.conftest import OpenPage
from tests.page.steps import LOUDNESS, call, in_phase, in_state, notice, until
from tests.signaling.cutting import cut_connection
from tests.signaling.phone import ICE, Phone, phone

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Picture = Callable[[Page, str], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def parrots() -> AsyncIterator[Phone]:
    watchful = ICE.model_copy(update={"silent_timeout": 0.6})
    async with phone(server=ServerSettings(max_calls=1), ice=watchful) as running:
        yield running


def cut(parrots: Phone) -> None:
    """No packet comes through any more, and nobody says so."""
    (live,) = parrots.calls._live.values()
    cut_connection(live.attendance.peer._pc)  # type: ignore[attr-defined]  # a Peer, for sure


async def back(parrots: Phone) -> None:
    await until(lambda: any(isinstance(event, CallerBack) for _, event in parrots.events), 20)


async def offline(page: Page) -> None:
    """The page reaches nothing by HTTP."""
    await page.route("**/resume*", lambda route: route.abort())


async def test_a_call_whose_network_dies_goes_on_when_there_is_one_again(
    parrots: Phone, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page(parrots.url)
    await call(page)
    now = asyncio.get_running_loop().time
    emit = parrots.conversations[0].seat.emit
    emit(FinalTranscript(at=now(), turn=1, text="before", language="en", confidence=1.0))
    await expect(page.locator("#turns")).to_contain_text("before")
    await offline(page)
    cut(parrots)
    await until(lambda: any(isinstance(event, CallerAway) for _, event in parrots.events))
    emit(FinalTranscript(at=now(), turn=2, text="meanwhile", language="en", confidence=1.0))
    emit(PhaseChanged(at=now(), phase="thinking"))
    await expect(page.locator('.notice[data-kind="reconnecting"]')).to_be_visible(timeout=20_000)
    await expect(page.get_by_role("alert")).to_contain_text("Reconnecting")
    await expect(page.locator("#phase")).to_have_text("Reconnecting")
    await in_state(page, "call")
    await picture(page, "resuming")
    await page.locator('[data-tongue="ko"]').click()
    await expect(page.get_by_role("alert")).to_contain_text("다시 연결하고 있어요")
    await picture(page, "resuming-ko")
    await page.unroute("**/resume*")
    await back(parrots)
    await expect(page.locator(".notice")).to_have_count(0)
    await expect(page.locator("#turns")).to_contain_text("meanwhile")
    await expect(page.locator("#turns").get_by_text("before")).to_have_count(1)
    await in_phase(page, "thinking")
    await expect(page.locator("#phase")).to_have_text("생각하는 중")
    async with asyncio.timeout(15):  # A parrot first says what it heard before.
        while await page.evaluate(LOUDNESS) < 0.02:
            pass
    assert len(parrots.calls) == len(parrots.conversations) == 1
    await picture(page, "resumed")


async def test_a_new_network_is_taken_before_the_old_connection_is_given_up(
    parrots: Phone, open_page: OpenPage
) -> None:
    page = await open_page(parrots.url, keep_peers=True)
    await call(page)
    cut(parrots)
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await back(parrots)
    await expect(page.locator(".notice")).to_have_count(0)
    states = await page.evaluate("window.peers.map((peer) => peer.connectionState)")
    assert states == ["closed", "connected"]
    await page.locator("#hang-up").click()
    await until(lambda: len(parrots.calls) == 0)
    assert parrots.reasons() == ["hangup"]


async def test_a_call_that_the_server_no_longer_keeps_is_lost(
    parrots: Phone, open_page: OpenPage
) -> None:
    page = await open_page(parrots.url)
    await call(page)
    await offline(page)
    cut(parrots)
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await notice(page, "reconnecting")
    (live,) = parrots.calls._live.values()
    live.end("failed")
    await until(lambda: len(parrots.calls) == 0)
    await page.unroute("**/resume*")
    await notice(page, "lost")
    await in_state(page, "idle")


async def test_hanging_up_while_reconnecting_ends_the_call(
    parrots: Phone, open_page: OpenPage
) -> None:
    page = await open_page(parrots.url)
    await call(page)
    await offline(page)
    cut(parrots)
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await notice(page, "reconnecting")
    await page.locator("#hang-up").click()
    await until(lambda: len(parrots.calls) == 0)
    assert parrots.reasons() == ["hangup"]
    await in_state(page, "idle")
