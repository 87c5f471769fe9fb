"""The page calls another server than its own, by address and key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect

from server.app import CALLS
from tests.page.conftest import OpenPage
from tests.page.fake_server import SECRET, FakeServer
from tests.page.steps import LOUDNESS, call, in_phase, in_state, notice, until
from tests.signaling.realtime.test_websocket import home

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Picture = Callable[[Page, str], Awaitable[None]]

KEY = "a-key-of-the-operators-that-is-long-enough"
STORED = "() => [localStorage['chuimsae.address'] ?? '', localStorage['chuimsae.key'] ?? '']"


async def name(page: Page, *, address: str = "", key: str = "") -> None:
    """Fill in the dialog."""
    await page.locator('#connection [name="address"]').fill(address)
    await page.locator('#connection [name="key"]').fill(key)
    await page.locator('#connection [value="use"]').click()


async def test_another_server_is_called_by_address_and_key(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    access = {"required": True, "keys": {"me": KEY}, "origins": [fake.url.rstrip("/")]}
    async with home("hello there", access=access) as (url, app):
        page = await open_page()
        await page.locator("#server").click()
        await picture(page, "connection")
        await name(page, address=url, key="not-the-key-of-the-operators")
        await notice(page, "key-refused")
        await picture(page, "connection-refused")
        await page.get_by_role("button", name="Enter the key").click()
        await name(page, address=url, key=KEY)
        await expect(page.locator(".notice")).to_have_count(0)
        await expect(page.locator("#server")).to_have_text(url.removeprefix("http://"))
        await expect(page.locator(".engine.stt")).to_contain_text("hearsay")
        address, secret = await page.evaluate(STORED)
        assert address == url and secret.startswith("ek_"), "the key itself is not kept"
        await call(page)
        greeting = page.locator('[data-turn="0"] .agent .said')
        await expect(greeting).to_contain_text("Hello", timeout=15_000)
        assert await page.evaluate(LOUDNESS) > 0.01
        assert len(app[CALLS]) == 1
        await page.keyboard.press("Escape")
        await until(lambda: len(app[CALLS]) == 0)
    assert fake.offers == []


async def test_a_server_that_lets_no_foreign_page_call_says_what_to_do(
    fake: FakeServer, open_page: OpenPage
) -> None:
    async with home("x") as (url, _):
        page = await open_page(allow_complaints=True)
        await page.locator("#server").click()
        await name(page, address=url)
        await notice(page, "unreachable")
        await expect(page.locator(".notice")).to_contain_text("access.origins must name http://")


async def test_the_key_is_asked_for_once(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    fake.key = KEY
    page = await open_page()
    await notice(page, "locked")
    await expect(page.get_by_role("alert")).to_contain_text("This server asks for a key")
    await picture(page, "connection-locked")
    await page.locator("#call").click()
    await notice(page, "locked")
    await in_state(page, "idle")
    await page.get_by_role("button", name="Enter the key").click()
    await name(page, key=KEY)
    await expect(page.locator(".notice")).to_have_count(0)
    await page.reload()
    await expect(page.locator(".engine")).to_have_count(3)
    await call(page)
    assert await page.evaluate(STORED) == ["", SECRET]


async def test_a_key_may_come_with_the_address(fake: FakeServer, open_page: OpenPage) -> None:
    fake.key = KEY
    page = await open_page(f"{fake.url}#key={KEY}")
    await expect(page.locator(".engine")).to_have_count(3)
    assert page.url == fake.url
    assert await page.evaluate(STORED) == ["", SECRET]


async def test_a_server_of_another_make_is_captioned_too(
    fake: FakeServer, open_page: OpenPage
) -> None:
    fake.is_ours = False
    page = await open_page()
    await call(page)
    ids = {"response_id": "r", "item_id": "b", "output_index": 0, "content_index": 0}
    words = "conversation.item.input_audio_transcription.completed"
    await fake.send(
        {"type": "input_audio_buffer.speech_started", "item_id": "a"},
        {"type": words, "item_id": "a", "content_index": 0, "transcript": "Hello?"},
        {"type": "response.output_audio_transcript.delta", **ids, "delta": "Hello to you."},
        {"type": "output_audio_buffer.started", "response_id": "r"},
    )
    await in_phase(page, "speaking")
    await expect(page.locator('[data-turn="1"] .you .said')).to_have_text("Hello?")
    await expect(page.locator('[data-turn="1"] .agent .said')).to_contain_text("Hello to you.")
