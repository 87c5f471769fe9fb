"""What is said, in writing: provisional, as it is spoken, cut off, and how long it took."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.page.conftest import OpenPage
from tests.page.fake_server import FakeServer
from tests.page.steps import (
    FILLED,
    call,
    heard,
    poll,
    spoken,
    turn_finished,
    understood,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def in_call(fake: FakeServer, open_page: OpenPage) -> Page:
    page = await open_page()
    await call(page)
    await fake.start_call()
    return page


async def test_partial_words_are_set_apart_until_they_are_final(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    you = page.locator("#turns li .you .said")
    await fake.tell(understood(1, "what's the weather", "what's the"))
    await expect(you).to_have_text("what's the weather")
    await expect(page.locator(".provisional .unstable")).to_have_text("weather")
    await fake.tell(heard(1, "What's the weather like?"))
    await expect(you).to_have_text("What's the weather like?")
    await expect(page.locator(".provisional, .unstable")).to_have_count(0)


async def test_a_caller_who_goes_on_is_provisional_again(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(heard(1, "I would like"), understood(1, "I would like a coffee", "I would"))
    await expect(page.locator(".provisional .said").first).to_have_text("I would like a coffee")
    await expect(page.locator("#turns li")).to_have_count(1)


@pytest.mark.parametrize("has_partials", [True, False], ids=["by and by", "at once"])
async def test_a_reply_that_the_caller_took_back_is_not_read_twice(
    fake: FakeServer, open_page: OpenPage, has_partials: bool
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(heard(1, "I would like"), spoken(1, "What would you like?", 0.1))
    await expect(page.locator(".agent .said")).to_have_text("What would you like?")
    if has_partials:
        await fake.tell(understood(1, "I would like a", ""))
        await expect(page.locator(".agent .said")).to_have_text("")
    await fake.tell(heard(1, "I would like a coffee."), spoken(1, "One coffee.", 0.1))
    await expect(page.locator(".agent .said")).to_have_text("One coffee.")


async def test_the_agents_words_appear_as_they_are_spoken(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(spoken(0, "One two three four five six seven eight nine ten.", 1.5))
    shown = page.locator(".agent .said span:not(.coming)")
    counts: set[int] = set()

    async def all_shown() -> bool:
        counts.add(await shown.count())
        return max(counts) == 10

    await poll(all_shown)
    assert len(counts) >= 4, f"words came in steps of {sorted(counts)}"


async def test_an_interrupted_reply_keeps_only_what_was_heard(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(
        heard(1, "A latte."),
        spoken(1, "A latte it is.", 1.0),
        spoken(1, "That will be four dollars.", 5.0),
        {"type": "barge_in", "turn": 1, "heard": "A latte it is. That will"},
    )
    await expect(page.locator(".unheard")).to_have_text(["be", "four", "dollars."])
    await expect(page.locator(".agent .said")).to_contain_text("You cut in here.")


async def test_a_filler_is_written_apart_from_the_reply(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(
        heard(1, "Is it open?"),
        {"type": "filler.spoken", "turn": 1, "text": "Let me see."},
        spoken(1, "Yes, until nine.", 0.1),
    )
    await expect(page.locator(".chuimsae")).to_have_text("Let me see.")
    await expect(page.locator(".agent .said")).to_have_text("Let me see. Yes, until nine. ")


async def test_what_was_no_turn_is_explained(fake: FakeServer, open_page: OpenPage) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(
        understood(1, "the", ""), {"type": "turn.dropped", "turn": 1, "reason": "noise"}
    )
    await expect(page.locator(".dropped .aside")).to_have_text("That was taken for noise.")
    await fake.tell(heard(1, "Hello?"))
    await expect(page.locator(".dropped")).to_have_count(0)
    await expect(page.locator(".you .aside")).to_have_count(0)


async def test_each_turn_shows_where_its_time_went(fake: FakeServer, open_page: OpenPage) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(
        heard(1, "Is it open?"), spoken(1, "Yes.", 0.1), turn_finished(1, timeline=FILLED)
    )
    waterfall = page.locator(".waterfall")
    await expect(waterfall.locator(".reading")).to_have_text(
        "First sound 0.70 s after your last word, the reply at 1.23 s"
    )
    await expect(waterfall.locator(".bar")).to_have_count(5)
    await expect(waterfall.locator(".mark.filler")).to_have_count(1)
    await waterfall.locator("summary").click()
    rows = waterfall.locator("tbody tr")
    await expect(rows).to_have_count(6)
    await expect(rows.nth(2)).to_contain_text("Finding the first words")
    await expect(rows.nth(2)).to_contain_text("0.35 s")


async def test_a_prepared_reply_says_so(fake: FakeServer, open_page: OpenPage) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(heard(1, "Hi."), spoken(1, "Hello.", 0.1), turn_finished(1, speculated=True))
    await page.locator(".waterfall summary").click()
    await expect(page.locator(".figures")).to_contain_text("prepared while you paused")


async def test_screen_readers_are_told_each_sentence_once(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(
        understood(1, "is it", ""),
        understood(1, "is it open", "is it"),
        heard(1, "Is it open?"),
        spoken(1, "Yes, until nine.", 0.2),
        turn_finished(1, reply="Yes, until nine."),
    )
    lines = page.locator("#announcer p")
    await expect(lines).to_have_text(["You: Is it open?", "Agent: Yes, until nine."])
    await expect(page.locator("#turns")).not_to_have_attribute("aria-live", "polite")


async def test_the_newest_words_stay_in_sight(fake: FakeServer, open_page: OpenPage) -> None:
    page = await in_call(fake, open_page)
    for turn in range(1, 16):
        await fake.tell(
            heard(turn, f"Question {turn}"), spoken(turn, "An answer.", 0.01), turn_finished(turn)
        )
    await expect(page.locator("#turns li")).to_have_count(15)
    await expect(page.locator("#turns li").last).to_be_in_viewport()


async def test_a_reader_who_scrolled_back_is_left_there(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    for turn in range(1, 16):
        await fake.tell(heard(turn, f"Question {turn}"), turn_finished(turn))
    await expect(page.locator("#turns li")).to_have_count(15)
    await page.locator("#scroll").evaluate("(box) => (box.scrollTop = 0)")
    await page.wait_for_timeout(200)  # The observer looks once a frame.
    await fake.tell(heard(16, "One more"))
    await expect(page.locator("#turns li")).to_have_count(16)
    assert await page.locator("#scroll").evaluate("(box) => box.scrollTop") == 0


async def test_switching_the_interface_rewrites_a_running_conversation(
    fake: FakeServer, open_page: OpenPage
) -> None:
    page = await in_call(fake, open_page)
    await fake.tell(heard(1, "Hi."), spoken(1, "Hello.", 0.1), turn_finished(1))
    await page.get_by_role("button", name="한국어").click()
    await expect(page.locator("html")).to_have_attribute("lang", "ko")
    await expect(page.locator("#turns .you .who")).to_have_text("나")
    await expect(page.locator(".reading")).to_have_text("말을 마치고 0.33초 뒤에 대답이 들렸어요")
    await expect(page.locator("#turns .you .said")).to_have_attribute("lang", "en")
    await page.reload()
    await expect(page.locator("#call")).to_have_text("전화 걸기")
