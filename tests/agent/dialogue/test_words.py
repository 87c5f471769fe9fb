"""Words as the dialogue's tables look at them."""

from __future__ import annotations

import unicodedata

import pytest

from agent.dialogue.words import final_consonant, is_hangul, squeezed, undrawn, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What's the WEATHER like?", ["what's", "the", "weather", "like"]),
        ("It’s five-thirty, isn’t it…", ["it's", "five", "thirty", "isn't", "it"]),
        ("네, 알겠습니다!", ["네", "알겠습니다"]),
        (unicodedata.normalize("NFD", "네 알겠어요"), ["네", "알겠어요"]),
        ("<emph> time </emph>", ["emph", "time", "emph"]),
        ("under_score", ["under", "score"]),
        ("  ...!?  ", []),
        ("", []),
    ],
)
def test_words_are_made_comparable(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("syllable", "consonant"),
    [("가", ""), ("각", "ㄱ"), ("합", "ㅂ"), ("값", "ㅄ"), ("힣", "ㅎ"), ("a", ""), ("ㄱ", "")],
)
def test_the_final_consonant_of_a_syllable_is_found(syllable: str, consonant: str) -> None:
    assert final_consonant(syllable) == consonant


def test_hangul_is_known() -> None:
    assert all(is_hangul(c) for c in "가힣네")
    assert not any(is_hangul(c) for c in "aㄱ1あ漢")


def test_drawn_out_words_are_squeezed() -> None:
    assert squeezed("uhhhhhh") == "uhh"
    assert squeezed("음음음음") == "음음"
    assert squeezed("coffee") == "coffee"


@pytest.mark.parametrize(
    ("word", "short"),
    [
        ("uhhh", "uh"),
        ("okaaay", "okay"),
        ("good", "god"),
        ("네에", "네"),
        ("네에에", "네"),
        ("예에", "예"),
        ("우와아", "우와"),
        ("그래요오", "그래요"),
        ("좋네요", "좋네요"),
        ("맞아", "맞아"),
        ("아이고", "아이고"),
        ("그냥", "그냥"),
        ("", ""),
    ],
)
def test_what_is_drawn_out_is_said_short(word: str, short: str) -> None:
    assert undrawn(word) == short
