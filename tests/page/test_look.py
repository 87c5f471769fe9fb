"""The page's looks: no sideways scroll, accessible, in both schemes, widths and languages.

Leaves a screenshot of each state in `build/page/`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.async_api import Page, expect

from tests.page.conftest import OpenPage
from tests.page.fake_server import POOR_STAGES, FakeServer
from tests.page.steps import (
    FILLED,
    call,
    heard,
    in_phase,
    in_state,
    spoken,
    turn_finished,
    understood,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Picture = Callable[[Page, str], Awaitable[None]]

LOOKS = [
    pytest.param(1280, 800, "light", "en-US", id="desk-light-en"),
    pytest.param(1280, 800, "dark", "ko-KR", id="desk-dark-ko"),
    pytest.param(360, 740, "light", "ko-KR", id="phone-light-ko"),
    pytest.param(360, 740, "dark", "en-US", id="phone-dark-en"),
]

SAID = {
    "en": (
        "Hello, this is Sori. What can I do for you?",
        "Can you help me order a coffee?",
        "Hmm, let me see.",
        "Sure, what would you like? We have an americano, a latte and a flat white today.",
        "A large latte, no, wait.",
        "A large latte it is.",
        "That will be four dollars and fifty cents, and it takes about five minutes.",
        "A large latte it is. That will be four dollars",
        "And do you have any oat",
        "And do you have any oat milk or some",
    ),
    "ko": (
        "안녕하세요, 소리예요. 무엇을 도와드릴까요?",
        "커피 주문하는 것 좀 도와줄 수 있어요?",
        "음, 잠시만요.",
        "그럼요, 무엇으로 드릴까요? 오늘은 아메리카노와 라떼, 플랫화이트가 있어요.",
        "라떼 큰 걸로요, 아, 잠깐만요.",
        "라떼 큰 걸로 드릴게요.",
        "사천오백 원이고 오 분쯤 걸려요.",
        "라떼 큰 걸로 드릴게요. 사천오백 원이고",
        "그리고 혹시 귀리",
        "그리고 혹시 귀리 우유도",
    ),
}


async def converse(fake: FakeServer, language: str) -> None:
    """A greeting, a turn with a filler, an interrupted one, and a third being heard."""
    (hello, order, filler, offer, latte, first, second, cut, stable, partial) = SAID[language]
    await fake.start_call(language=language)
    await fake.tell(
        spoken(0, hello, 0.1),
        heard(1, order, language=language),
        {"type": "filler.spoken", "turn": 1, "text": filler},
        spoken(1, offer, 0.1),
        turn_finished(1, timeline=FILLED),
        heard(2, latte, language=language),
        spoken(2, first, 0.1),
        spoken(2, second, 4.0),
        {"type": "barge_in", "turn": 2, "heard": cut},
        turn_finished(2, interrupted=True, speculated=True),
        {"type": "phase", "phase": "hearing"},
        understood(3, partial, stable),
    )
    await asyncio.sleep(0.5)  # Words and levels come into sight.


async def complaints(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its own best practices."""
    found = await Axe().run(page)
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:120]} {node.get('failureSummary', '')[:300]}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


async def assert_no_sideways_scroll(page: Page) -> None:
    excess = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert excess <= 0, f"the page is {excess} px wider than its window"


@pytest.mark.parametrize(("width", "height", "scheme", "locale"), LOOKS)
async def test_every_state_fits_and_is_accessible(
    fake: FakeServer,
    open_page: OpenPage,
    picture: Picture,
    request: pytest.FixtureRequest,
    width: int,
    height: int,
    scheme: str,
    locale: str,
) -> None:
    look = request.node.callspec.id
    language = locale[:2]
    fake.info["stages"] = POOR_STAGES if language == "ko" else fake.info["stages"]
    page = await open_page(width=width, height=height, scheme=scheme, locale=locale)
    await expect(page.locator(".engine")).to_have_count(3)
    await expect(page.locator("html")).to_have_attribute("lang", language)

    async def check(state: str) -> None:
        await picture(page, f"{look}-{state}")
        await assert_no_sideways_scroll(page)
        assert await complaints(page) == []

    await check("1-ready")
    await call(page)
    await converse(fake, language)
    await check("2-hearing")
    await fake.tell({"type": "phase", "phase": "thinking"})
    await in_phase(page, "thinking")
    await picture(page, f"{look}-3-thinking")
    await fake.tell({"type": "phase", "phase": "speaking"})
    await in_phase(page, "speaking")
    await page.locator("#mute").click()
    await page.locator(".waterfall summary").last.click()
    await check("4-speaking-muted")
    await fake.tell({"type": "call.ended", "reason": "shutdown"})
    await in_state(page, "idle")
    await check("5-over")


@pytest.mark.parametrize("width", [320, 360, 412, 600, 768, 895, 1024, 1440])
async def test_no_width_scrolls_sideways(
    fake: FakeServer, open_page: OpenPage, picture: Picture, width: int
) -> None:
    page = await open_page(width=width, height=700)
    await assert_no_sideways_scroll(page)
    await call(page)
    await converse(fake, "en")
    await assert_no_sideways_scroll(page)
    await picture(page, f"width-{width:04}")


async def test_enlarged_text_still_fits(
    fake: FakeServer, open_page: OpenPage, picture: Picture
) -> None:
    page = await open_page(width=360, height=740)
    await page.locator("html").evaluate("(root) => (root.style.fontSize = '200%')")
    await assert_no_sideways_scroll(page)
    await picture(page, "enlarged")


async def test_nothing_moves_for_those_who_asked_for_that(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page(reduced_motion="reduce")
    await call(page)
    await fake.start_call()
    await fake.tell({"type": "phase", "phase": "thinking"})
    await in_phase(page, "thinking")
    assert await page.evaluate("document.getAnimations().length") == 0
    await fake.tell({"type": "phase", "phase": "speaking"})
    await in_phase(page, "speaking")
    moved = "getComputedStyle(document.querySelector('.taegeuk')).transform"
    assert await page.evaluate(moved) == "none"


async def test_the_drum_turns_while_the_agent_thinks(fake: FakeServer, open_page: OpenPage) -> None:
    page = await open_page()
    await call(page)
    await fake.start_call()
    await fake.tell({"type": "phase", "phase": "thinking"})
    await in_phase(page, "thinking")
    turning = "document.getAnimations().filter((a) => a.animationName === 'turn').length"
    assert await page.evaluate(turning) == 1


async def test_the_focus_goes_through_the_page_in_reading_order(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await open_page()
    await expect(page.locator("#language option")).to_have_count(2)
    order = []
    for _ in range(7):
        await page.keyboard.press("Tab")
        order.append(
            await page.evaluate("document.activeElement.id || document.activeElement.lang")
        )
    assert order == ["en", "ko", "call", "microphone", "language", "server", "scroll"]
