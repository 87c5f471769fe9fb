"""The page's pure parts, asked in the browser that runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.page.conftest import OpenPage
from tests.page.fake_server import FakeServer

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def page(fake: FakeServer, open_page: OpenPage) -> Page:
    return await open_page()


async def ask(page: Page, module: str, name: str, *arguments: Any) -> Any:
    """What the function `name` of a module answers."""
    return await page.evaluate(
        "async ([module, name, values]) => (await import(`/static/${module}.js`))[name](...values)",
        [module, name, list(arguments)],
    )


async def test_words_are_paced_over_the_sentence(page: Page) -> None:
    words = await ask(page, "pace", "pace", "A large latte, please.", 2.0)
    assert [word["word"] for word in words] == ["A ", "large ", "latte, ", "please."]
    at = [word["at"] for word in words]
    assert at[0] == 0 and at == sorted(at) and at[-1] < 2.0
    assert at[3] - at[2] > at[2] - at[1], "a comma is a pause"


async def test_a_sentence_of_no_words_has_no_pace(page: Page) -> None:
    assert await ask(page, "pace", "pace", "  ", 1.0) == []


async def test_steps_follow_one_another_after_the_endpoint(page: Page) -> None:
    timeline = {
        "endpoint": 0.4,
        "transcript": 0.6,
        "first_token": 0.9,
        "first_sound": 1.0,
        "audible": 1.1,
    }
    assert await ask(page, "timeline", "steps", timeline) == [
        {"name": "wait", "from": 0, "to": 0.4},
        {"name": "transcript", "from": 0.4, "to": 0.6},
        {"name": "first_token", "from": 0.6, "to": 0.9},
        {"name": "first_sound", "from": 0.9, "to": 1.0},
        {"name": "audible", "from": 1.0, "to": 1.1},
    ]


async def test_steps_of_a_prepared_reply_lie_inside_the_pause(page: Page) -> None:
    timeline = {
        "endpoint": 0.4,
        "transcript": 0.2,
        "first_token": 0.25,
        "first_sound": 0.3,
        "audible": 0.42,
    }
    assert await ask(page, "timeline", "steps", timeline) == [
        {"name": "wait", "from": 0, "to": 0.4},
        {"name": "transcript", "from": 0, "to": 0.2},
        {"name": "first_token", "from": 0.2, "to": 0.25},
        {"name": "first_sound", "from": 0.25, "to": 0.3},
        {"name": "audible", "from": 0.4, "to": 0.42},
    ]


async def test_what_did_not_happen_has_no_step(page: Page) -> None:
    timeline = {"endpoint": 0.4, "transcript": 0.5, "first_token": None, "audible": None}
    steps = await ask(page, "timeline", "steps", timeline)
    assert [step["name"] for step in steps] == ["wait", "transcript"]
    assert await ask(page, "timeline", "steps", {}) == []


@pytest.mark.parametrize(("seconds", "square"), [(0.3, 0.05), (1.23, 0.1), (4.0, 0.5), (40, 5)])
async def test_squares_are_few_enough_to_count(page: Page, seconds: float, square: float) -> None:
    assert await ask(page, "timeline", "square", seconds) == square


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 1),
        ("9999", 120),
        (None, 5),
        ("soon", 5),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
    ],
)
async def test_retry_after_is_read_with_care(page: Page, header: str | None, seconds: int) -> None:
    assert await ask(page, "realtime", "wait", header) == seconds


async def facts(page: Page, *events: dict[str, Any]) -> Any:
    """What the page makes of some events."""
    return await page.evaluate(
        "async (events) => { const facts = new (await import('/static/facts.js')).Facts();"
        " return events.flatMap((event) => facts.read(event)); }",
        list(events),
    )


CREATED = {"type": "session.created", "session": {"chuimsae": {"events": True}}}


@pytest.mark.parametrize("kind", ["", "constructor", "chuimsae.weather", "rate_limits.updated"])
async def test_what_the_page_has_no_use_for_is_no_fact(page: Page, kind: str) -> None:
    assert await facts(page, CREATED, {"type": kind}) == []
    assert await facts(page, {"type": kind}) == []


async def test_an_event_of_our_own_becomes_a_fact(page: Page) -> None:
    event = {"type": "chuimsae.barge_in", "at": 3.2, "turn": 2, "heard": "That will"}
    assert await facts(page, CREATED, event) == [
        {"name": "cut-in", "turn": 2, "heard": "That will"}
    ]


async def test_what_our_own_events_tell_is_not_told_twice(page: Page) -> None:
    error = {"type": "error", "error": {"code": "stage_failed", "message": "it broke"}}
    late = {"type": "error", "error": {"code": "x", "message": "too late", "event_id": "quiet"}}
    assert await facts(page, CREATED, error, late) == []
    assert [fact["name"] for fact in await facts(page, error, late)] == ["fault"]


async def test_another_makes_server_is_understood_by_the_protocol_alone(page: Page) -> None:
    ids = {"response_id": "r", "item_id": "b", "output_index": 0, "content_index": 0}
    transcription = {"item_id": "a", "content_index": 0}
    words = "conversation.item.input_audio_transcription"
    told = await facts(
        page,
        {"type": "session.created", "session": {}},
        {"type": "input_audio_buffer.speech_started", "item_id": "a"},
        {"type": "input_audio_buffer.speech_stopped", "item_id": "a"},
        {"type": f"{words}.delta", **transcription, "delta": "Hel"},
        {"type": f"{words}.completed", **transcription, "transcript": "Hello?"},
        {"type": "response.created", "response": {"id": "r"}},
        {"type": "response.output_audio_transcript.delta", **ids, "delta": "Hello"},
        {"type": "output_audio_buffer.started", "response_id": "r"},
        {"type": "response.output_audio_transcript.delta", **ids, "delta": " there. How"},
        {"type": "response.output_audio_transcript.done", **ids, "transcript": "Hello there. How"},
        {"type": "response.done", "response": {"id": "r", "status": "cancelled"}},
        {"type": "output_audio_buffer.cleared", "response_id": "r"},
    )
    assert [fact.get("text") or fact.get("phase") or fact["name"] for fact in told] == [
        *("hearing", "thinking", "Hel", "Hello?", "speaking", "Hello there.", "How", "cut-in"),
        "listening",
    ]
    assert {fact["turn"] for fact in told if "turn" in fact} == {1}


@pytest.mark.parametrize(
    ("told", "korean"),
    [
        (
            "whisper-small (ko): not in /models; tiny.en (en): not in /models",
            "whisper-small (ko): /models 폴더에 없어요; tiny.en (en): /models 폴더에 없어요",
        ),
        (
            "its voices are there; espeak-ng speaks ko",
            "목소리가 있어요; ko 쪽은 espeak-ng가 말해요",
        ),
        ("the best known one for 2 CPU cores", "CPU 코어 2개에 가장 맞는 모델이에요"),
        ("qwen: the hub said: no", "qwen: the hub said: no"),
    ],
)
async def test_the_servers_sentences_are_korean_on_the_korean_page(
    page: Page, told: str, korean: str
) -> None:
    assert await ask(page, "words/sentences", "inKorean", told) == korean


async def test_every_choice_has_its_reason_in_korean(page: Page) -> None:
    text = (ROOT / "server/plan.py").read_text("utf-8")
    reasons = re.findall(r'\bwhy ?= ?"([A-Za-z -]+)"', text)
    assert len(reasons) > 5
    for reason in reasons:
        if reason == "no voice is known":
            continue  # It stops the start: no page is there to say it.
        assert await ask(page, "words/sentences", "inKorean", reason) != reason, reason


async def test_both_languages_have_the_same_words(page: Page) -> None:
    words = await page.evaluate(
        "async () => (await import('/static/i18n.js')).DICTIONARIES",
    )
    assert words["en"].keys() == words["ko"].keys()
    for key, text in words["en"].items():
        for name in (
            "seconds",
            "message",
            "reason",
            "engine",
            "missing",
            "text",
            "number",
            "why",
            "origin",
        ):
            assert (f"{{{name}}}" in text) == (f"{{{name}}}" in words["ko"][key]), key


async def test_every_word_that_the_page_names_is_there(page: Page) -> None:
    named = await page.evaluate(
        "() => [...document.querySelectorAll('[data-words], [data-words-label]')]"
        ".flatMap((e) => [e.dataset.words, e.dataset.wordsLabel]).filter(Boolean)"
    )
    words = await page.evaluate("async () => (await import('/static/i18n.js')).DICTIONARIES.en")
    assert set(named) <= words.keys()


async def test_loudness_runs_from_silence_to_speech(page: Page) -> None:
    assert await ask(page, "meters", "loudness", [0.0] * 64) == 0
    assert await ask(page, "meters", "loudness", [0.9, -0.9] * 32) == 1
    assert 0.4 < await ask(page, "meters", "loudness", [0.02, -0.02] * 32) < 0.7
