"""A call seen from the page: begun, spoken in, muted, hung up."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.page.conftest import OpenPage
from tests.page.fake_server import FakeServer
from tests.page.steps import LOUDNESS, call, in_phase, in_state, poll, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LIVE_MICROPHONES = """() => window.opened.filter((track) => track.readyState === "live").length"""

KEEP_TRACKS = """
window.opened = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  window.wish = wish;
  const stream = await open(wish);
  window.opened.push(...stream.getTracks());
  return stream;
};
"""


async def test_the_agents_voice_is_received_and_is_not_silence(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await call(page)
    loudest = await page.evaluate(LOUDNESS)
    # The tone's amplitude is 0.3, so its root mean square is 0.21.
    assert 0.1 < loudest < 0.3


async def test_both_levels_are_metered_on_the_drum(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await call(page)

    async def level(side: str) -> int:
        return int(await page.locator(f"#level-{side}").get_attribute("aria-valuenow") or 0)

    assert await poll(lambda: _above(level("you"), 30))
    assert await poll(lambda: _above(level("agent"), 30))
    assert await poll(lambda: page.locator(".nails .agent.lit").count())


async def _above(reading: Any, bound: int) -> bool:
    return bool((await reading) > bound)


async def test_hanging_up_frees_the_call_and_the_microphone(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.add_init_script(KEEP_TRACKS)
    await page.reload()
    await call(page)
    assert await page.evaluate(LIVE_MICROPHONES) == 1
    await page.locator("#hang-up").click()
    await in_state(page, "idle")
    await until(lambda: fake.freed == ["1"])
    assert await page.evaluate(LIVE_MICROPHONES) == 0
    await expect(page.locator(".notice")).to_contain_text("You hung up.")


async def test_the_microphone_is_opened_with_the_browsers_echo_canceller(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.add_init_script(KEEP_TRACKS)
    await page.reload()
    await call(page)
    wish = await page.evaluate("window.wish.audio")
    assert wish == {"echoCancellation": True, "noiseSuppression": True, "autoGainControl": True}


async def test_leaving_the_page_frees_the_call(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await call(page)
    await page.goto("about:blank")
    await until(lambda: fake.freed == ["1"])


def spoken_in(language: str) -> dict[str, Any]:
    return {"input": {"transcription": {"language": language}}}


async def test_the_call_says_which_language_it_is_in(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await page.locator("#language").select_option("ko")
    await call(page)
    await fake.start_call(language="ko")
    assert fake.offers[0]["session"]["audio"] == spoken_in("ko")
    await page.locator("#language").select_option("en")
    session = {"type": "realtime", "audio": spoken_in("en")}
    await until(lambda: fake.received == [{"type": "session.update", "session": session}])
    assert fake.greeted == 1


async def test_an_offer_carries_its_candidates(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await call(page)
    assert "a=candidate:" in fake.offers[0]["sdp"]


async def test_a_relay_is_asked_for_with_fresh_credentials(
    fake: FakeServer, open_page: OpenPage
) -> None:
    relay = {"urls": "turn:127.0.0.1:9", "username": "1:me", "credential": "x"}
    fake.ice = [relay]
    try:
        page = await open_page(keep_peers=True)
        await call(page)
        (used,) = await page.evaluate("window.peers[0].getConfiguration().iceServers")
    finally:
        fake.ice = []
    assert used["username"] == "1:me" and used["urls"] in ([relay["urls"]], relay["urls"])


async def test_muting_silences_the_microphone_and_says_so(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.add_init_script(KEEP_TRACKS)
    await page.reload()
    await call(page)
    await page.locator("#mute").click()
    assert await page.evaluate("window.opened[0].enabled") is False
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#you")).to_have_text("Muted")
    await page.locator("#mute").click()
    assert await page.evaluate("window.opened[0].enabled") is True


async def test_another_microphone_is_taken_in_the_middle_of_a_call(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.add_init_script(KEEP_TRACKS)
    await page.reload()
    await call(page)
    choices = page.locator("#microphone option")
    await expect(choices).not_to_have_count(1)
    await page.locator("#microphone").select_option(index=1)
    await poll(lambda: page.evaluate("window.opened.length === 2"))
    await poll(lambda: page.evaluate("window.opened[0].readyState === 'ended'"))
    assert await page.evaluate(LIVE_MICROPHONES) == 1
    await in_state(page, "call")


async def test_the_page_shows_what_the_agent_is_doing(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    for phase, words in [
        ("listening", "Listening"),
        ("hearing", "Hearing you"),
        ("thinking", "Thinking"),
        ("speaking", "Speaking"),
    ]:
        await fake.tell({"type": "phase", "phase": phase})
        await in_phase(page, phase)
        await expect(page.get_by_role("status").filter(has_text=words)).to_be_visible()


async def test_the_reply_can_be_stopped_while_the_agent_speaks(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    await expect(page.locator("#interrupt")).to_be_disabled()
    await fake.tell({"type": "phase", "phase": "speaking"})
    await page.locator("#interrupt").click()
    await until(lambda: fake.received == [{"type": "output_audio_buffer.clear"}])
    fake.received.clear()
    await fake.send({"type": "response.created", "response": {"id": "r1", "output": []}})
    await fake.tell({"type": "phase", "phase": "speaking"})
    await page.locator("#interrupt").click()
    cancel = {"type": "response.cancel", "response_id": "r1"}
    await until(lambda: fake.received == [cancel, {"type": "output_audio_buffer.clear"}])


async def test_a_call_ended_by_the_server_gives_its_reason(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    await fake.tell({"type": "call.ended", "reason": "silence"})
    await in_state(page, "idle")
    await expect(page.locator(".notice")).to_contain_text("Nothing was said for a long while")


async def test_a_second_call_begins_on_an_empty_page(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    await fake.tell({"type": "reply.spoken", "turn": 0, "text": "Hello.", "seconds": 0.1})
    await expect(page.locator("#turns li")).to_have_count(1)
    await page.locator("#hang-up").click()
    await in_state(page, "idle")
    await expect(page.locator("#turns li")).to_have_count(1)
    await call(page)
    await expect(page.locator("#turns li")).to_have_count(0)
    assert len(fake.offers) == 2


async def test_enter_calls_space_mutes_and_escape_hangs_up(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.keyboard.press("Enter")
    await in_state(page, "call")
    await page.keyboard.press("Space")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("Space")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    await page.keyboard.press("Escape")
    await in_state(page, "idle")


async def test_the_focus_follows_the_button_that_takes_anothers_place(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.locator("#call").focus()
    await page.keyboard.press("Enter")
    await in_state(page, "call")
    await expect(page.locator("#mute")).to_be_focused()
    # Space is then the mute button's own key, and must act once.
    await page.keyboard.press("Space")
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    await page.locator("#hang-up").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#call")).to_be_focused()


async def test_the_drum_can_be_struck_to_call(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await page.locator("#drum").click()
    await in_state(page, "call")


async def test_messages_of_newer_servers_are_passed_over(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page: Page = await open_page()
    await call(page)
    await fake.start_call()
    await fake.tell({"type": "weather", "sky": "blue"}, {"type": "toString"})
    await fake.tell({"type": "phase", "phase": "thinking"})
    await in_phase(page, "thinking")
