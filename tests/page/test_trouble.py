"""Whatever keeps a call from working is told in plain words, with what can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Browser, Page, expect

from tests.page.conftest import OpenPage
from tests.page.fake_server import POOR_STAGES, FakeServer, refusal
from tests.page.steps import call, in_state, notice, turn_finished, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Launch = Callable[..., Awaitable[Browser]]
Picture = Callable[[Page, str], Awaitable[None]]

HELD_MICROPHONE = """
navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("held by another", "NotReadableError");
};
"""

SILENT_UNTIL_PRESSED = """
const play = HTMLMediaElement.prototype.play;
let isPressed = false;
HTMLMediaElement.prototype.play = function () {
  if (isPressed) return play.call(this);
  isPressed = true;
  return Promise.reject(new DOMException("press first", "NotAllowedError"));
};
"""


async def test_a_refused_microphone_is_told_and_can_be_tried_again(
    fake: FakeServer, open_page: OpenPage, launch: Launch, picture: Picture
) -> None:
    browser = await launch("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    page = await open_page(into=browser)
    await page.locator("#call").click()
    await notice(page, "refused")
    await expect(page.get_by_role("alert")).to_contain_text("closed to this page")
    await in_state(page, "idle")
    assert fake.offers == []
    await picture(page, "trouble-refused")
    await page.context.grant_permissions(["microphone"])
    await page.get_by_role("button", name="Try again").click()
    await in_state(page, "call")


async def test_a_computer_without_microphone_is_told(
    fake: FakeServer, open_page: OpenPage, launch: Launch, picture: Picture
) -> None:
    page = await open_page(into=await launch(), permissions=["microphone"])
    await page.locator("#call").click()
    await notice(page, "none")
    await picture(page, "trouble-none")


async def test_a_microphone_held_by_another_program_is_told(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page()
    await page.add_init_script(HELD_MICROPHONE)
    await page.reload()
    await page.locator("#call").click()
    await notice(page, "taken")
    await picture(page, "trouble-taken")


async def test_a_page_that_is_not_secure_says_why_it_cannot_call(
    fake: FakeServer, open_page: OpenPage, launch: Launch, picture: Picture
) -> None:
    browser = await launch("--host-resolver-rules=MAP chuimsae.test 127.0.0.1")
    page = await open_page(fake.url.replace("localhost", "chuimsae.test"), into=browser)
    await notice(page, "insecure")
    await picture(page, "trouble-insecure")
    await page.locator("#call").click()
    await notice(page, "insecure")


async def test_a_busy_server_is_called_again_by_itself(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    fake.refusal = refusal(503, "busy", "all 4 lines are busy", **{"Retry-After": "2"})
    page = await open_page()
    await page.locator("#call").click()
    await notice(page, "busy")
    await in_state(page, "waiting")
    await expect(page.locator("#phase")).to_have_text("Waiting for a free line")
    await expect(page.locator(".notice p:not(.unseen)")).to_contain_text("in 2 s")
    await picture(page, "trouble-busy")
    await expect(page.locator(".notice p:not(.unseen)")).to_contain_text("in 1 s")
    fake.refusal = None
    await in_state(page, "call")
    await expect(page.locator(".notice")).to_have_count(0)
    assert len(fake.offers) == 2


async def test_waiting_for_a_busy_server_can_be_cancelled(
    fake: FakeServer, open_page: OpenPage
) -> None:
    fake.refusal = refusal(503, "busy", "all 4 lines are busy", **{"Retry-After": "1"})
    page = await open_page()
    await page.locator("#call").click()
    await notice(page, "busy")
    await page.keyboard.press("Escape")
    await in_state(page, "idle")
    await asyncio.sleep(1.3)
    assert len(fake.offers) == 1


async def test_a_server_that_declines_is_quoted(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    fake.refusal = refusal(400, "bad_language", "no persona speaks 'xx'")
    page = await open_page()
    await page.locator("#call").click()
    await notice(page, "declined")
    await expect(page.locator(".notice")).to_contain_text("no persona speaks 'xx'")
    await in_state(page, "idle")
    await picture(page, "trouble-declined")


async def test_a_server_that_does_not_answer_is_told(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page()
    await fake.stop()
    try:
        await page.locator("#call").click()
        await notice(page, "unreachable")
        await picture(page, "trouble-unreachable")
    finally:
        await fake.start()
    await page.get_by_role("button", name="Try again").click()
    await in_state(page, "call")


async def test_a_lost_connection_is_told_and_called_again(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    await fake.drop_calls()
    await notice(page, "lost")
    await in_state(page, "idle")
    await picture(page, "trouble-lost")
    await page.get_by_role("button", name="Call again").click()
    await in_state(page, "call")


async def test_missing_models_are_told_with_the_command_that_mends_it(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    fake.info["stages"] = POOR_STAGES
    page = await open_page()
    stt = page.locator(".engine.stt")
    await expect(stt).to_contain_text("Missing: whisper model small")
    await expect(stt).to_contain_text("Until then pocketsphinx does what it can.")
    await expect(stt.locator("code")).to_have_text("python run.py models pull whisper-small")
    await expect(page.locator(".engine.tts .missing")).to_have_count(0)
    await expect(page.locator(".engine.tts .why")).to_have_text("Because: its voices are there.")
    await picture(page, "trouble-missing")
    await call(page)
    await fake.start_call(stages=POOR_STAGES[:1])
    await expect(page.locator(".engine")).to_have_count(1)


async def test_a_fault_of_a_stage_is_told_until_a_turn_goes_well(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    fault = {"type": "error", "code": "llm_failed", "message": "llama did not answer within 4 s"}
    await fake.tell({**fault, "recovered": False, "fatal": False})
    await notice(page, "fault")
    await expect(page.locator(".notice")).to_contain_text("llama did not answer within 4 s")
    await picture(page, "trouble-fault")
    await fake.tell({**fault, "recovered": True, "fatal": False})
    await notice(page, "spare")
    await fake.tell(turn_finished(1))
    await expect(page.locator(".notice")).to_have_count(0)
    await in_state(page, "call")


async def test_a_strained_server_is_told_of_while_it_is_and_covers_no_other_notice(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await call(page)
    load = {"type": "load", "at": 4.0, "cause": "stt"}
    await fake.tell({**load, "rung": 1, "name": "sparing"})
    await fake.tell({**load, "rung": 2, "name": "brief"})
    await notice(page, "strained")
    await fake.tell({**load, "rung": 1, "name": "sparing"})
    await expect(page.locator(".notice")).to_have_count(0)
    fault = {"type": "error", "at": 5.0, "turn": 1, "code": "llm_failed", "message": "no"}
    await fake.tell({**fault, "recovered": False, "fatal": False})
    await notice(page, "fault")
    await fake.tell({**load, "rung": 4, "name": "closed"})
    await notice(page, "fault")


async def test_a_browser_that_holds_the_sound_back_is_asked_to_play(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page()
    await page.add_init_script(SILENT_UNTIL_PRESSED)
    await page.reload()
    await call(page)
    await notice(page, "blocked")
    await picture(page, "trouble-blocked")
    await page.get_by_role("button", name="Let me hear it").click()
    await expect(page.locator(".notice")).to_have_count(0)
    assert await page.locator("#voice").evaluate("(voice) => !voice.paused")


async def test_a_notice_can_be_closed(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await call(page)
    await page.locator("#hang-up").click()
    await notice(page, "ended")
    await page.get_by_role("button", name="Close").click()
    await expect(page.locator(".notice")).to_have_count(0)


async def test_hanging_up_while_connecting_leaves_no_call_behind(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.locator("#call").click()
    await page.keyboard.press("Escape")
    await in_state(page, "idle")
    await asyncio.sleep(1.5)
    await until(lambda: not fake.calls)
    await in_state(page, "idle")


async def test_a_microphone_that_goes_away_does_not_end_the_call(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.add_init_script(
        "const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async (wish) =>"
        " (window.stream = await open(wish));"
    )
    await page.reload()
    await call(page)
    await page.evaluate("window.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    await notice(page, "microphone-gone")
    await in_state(page, "call")
