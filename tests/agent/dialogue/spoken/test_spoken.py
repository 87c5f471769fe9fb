"""What holds for every spoken form, and the way back to the written words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialogue.spoken import SpokenText, to_speech
from agent.engines.protocols import Word

TRICKY = st.text(
    alphabet="0123456789 .,:;/-~%$₩€°#*_`'\"()[]<>&@+=\n!?abkmxDrStAPM가나월일시개만원²½٣①…—",
    max_size=40,
)
TEXTS = st.one_of(TRICKY, st.text(max_size=30))
LANGUAGES = st.sampled_from(["en", "ko", "de"])


@settings(max_examples=250, deadline=None)
@given(TEXTS, LANGUAGES)
def test_no_digit_is_left_to_the_voice(text: str, language: str) -> None:
    assert not any(char.isdigit() for char in to_speech(text, language).text)


@settings(max_examples=250, deadline=None)
@given(TEXTS, LANGUAGES)
def test_a_spoken_form_is_its_own_spoken_form(text: str, language: str) -> None:
    spoken = to_speech(text, language).text
    assert to_speech(spoken, language).text == spoken


@settings(max_examples=250, deadline=None)
@given(TEXTS, LANGUAGES)
def test_who_heard_all_words_heard_all_that_was_written(text: str, language: str) -> None:
    spoken = to_speech(text, language)
    words = spoken.text.split()
    assert spoken.heard(len(words)).split() == (text.split() if words else [])


@settings(max_examples=250, deadline=None)
@given(TEXTS, LANGUAGES)
def test_what_was_heard_only_grows(text: str, language: str) -> None:
    spoken = to_speech(text, language)
    heard = [spoken.heard(count) for count in range(len(spoken.text.split()) + 1)]
    assert all(later.startswith(earlier) for earlier, later in zip(heard, heard[1:], strict=False))


def timed(spoken: SpokenText) -> list[Word]:
    return [Word(word, at, at + 1) for at, word in enumerate(spoken.text.split())]


def test_a_number_is_heard_when_its_last_word_is() -> None:
    spoken = to_speech("It is $12,500 today.", "en")
    assert spoken.text == "It is twelve thousand five hundred dollars today."
    assert spoken.heard(6) == "It is"
    assert spoken.heard(7) == "It is $12,500"
    assert spoken.written(timed(spoken)) == [
        ("It", 0, 1),
        ("is", 1, 2),
        ("$12,500", 2, 7),
        ("today.", 7, 8),
    ]


def test_words_joined_in_writing_are_heard_together() -> None:
    spoken = to_speech("회의는 3시에 해요.", "ko")
    assert spoken.text == "회의는 세 시에 해요."
    assert [spoken.heard(count) for count in range(5)] == [
        "",
        "회의는",
        "회의는",
        "회의는 3시에",
        "회의는 3시에 해요.",
    ]


def test_unspoken_words_come_with_the_one_before() -> None:
    spoken = to_speech("Great 😀 news", "en")
    assert [text for text, _, _ in spoken.written(timed(spoken))] == ["Great 😀", "news"]


def test_a_number_spoken_over_two_pieces_is_one_written_word() -> None:
    spoken = to_speech("It is 12,500.", "en")
    first, second = timed(spoken)[:4], timed(spoken)[4:]
    assert spoken.written(first) == [("It", 0, 1), ("is", 1, 2)]
    assert [text for text, _, _ in spoken.written(second)] == ["12,500."]


@pytest.mark.parametrize(
    ("text", "language", "spoken"),
    [
        ("Ask Chuimsae about SQL.", "en", "Ask choo-im-seh about sequel."),
        ("Chuimsaes are not it.", "en", "Chuimsaes are not it."),
        ("A sql file", "en", "A sql file"),
        ("GPT-4o가 좋아요", "ko", "지피티 포 오가 좋아요"),
        ("추임새는 좋아요", "ko", "추 임 새는 좋아요"),
    ],
)
def test_the_dictionary_decides_before_the_rules(text: str, language: str, spoken: str) -> None:
    entries = {
        "chuimsae": "choo-im-seh",
        "SQL": "sequel",
        "GPT-4o": "지피티 포 오",
        "추임새": "추 임 새",
    }
    assert to_speech(text, language, entries).text == spoken


def test_an_unknown_language_is_spelled_in_english() -> None:
    assert to_speech("5 km", "xx").text == "five kilometers"
