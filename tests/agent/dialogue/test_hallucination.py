"""Transcripts of what nobody said, and of what somebody did."""

from __future__ import annotations

import pytest

from agent.dialogue.hallucination import is_hallucination


@pytest.mark.parametrize(
    ("language", "text", "confidence", "voiced", "is_one"),
    [
        # In silence, a breath, a door
        ("en", "Thank you.", 0.6, 0.1, True),
        ("en", "Thank you.", 0.3, 0.5, True),
        ("en", "Thanks for watching!", 0.7, 0.3, True),
        ("en", "Thank you for watching.", 0.8, 0.4, True),
        ("en", "Please subscribe to my channel.", 0.7, 0.5, True),
        ("en", "Subtitles by the Amara.org community", 0.7, 0.6, True),
        ("en", "you", 0.5, 0.1, True),
        ("en", "Bye.", 0.5, 0.1, True),
        ("en", "the", 0.1, 0.22, True),
        ("en", "the the", 0.2, 0.28, True),
        ("ko", "시청해주셔서 감사합니다.", 0.7, 0.4, True),
        ("ko", "시청해 주셔서 감사합니다", 0.7, 0.4, True),
        ("ko", "감사합니다.", 0.6, 0.2, True),
        ("ko", "구독과 좋아요 부탁드립니다.", 0.7, 0.5, True),
        ("ko", "MBC 뉴스 이덕영입니다.", 0.8, 0.6, True),
        ("ko", "다음 영상에서 만나요", 0.7, 0.4, True),
        ("ko", "네", 0.6, 0.05, True),
        # In a babble of voices
        ("en", "Thank you.", 0.3, 1.44, True),
        ("en", "Thank you.", 0.3, 1.98, True),
        ("en", "Thank you.", 0.3, 0.7, False),
        ("en", "Thank you.", 0.8, 1.44, False),
        ("ko", "감사합니다.", 0.3, 2.6, True),
        # Rubbish
        ("en", "", 1.0, 2.0, True),
        ("en", "...", 1.0, 2.0, True),
        ("en", "♪", 1.0, 2.0, True),
        ("en", "b", 0.9, 0.06, True),
        ("en", "the the the the the the the the", 0.9, 0.8, True),
        ("en", "I'm going to I'm going to I'm going to I'm going to", 0.9, 0.9, True),
        ("ko", "아니 아니 아니 아니 아니 아니 아니 아니", 0.9, 0.6, True),
        ("en", "He was not an ill disposed young man", 0.9, 0.2, True),
        # Said
        ("en", "Thank you.", 0.8, 0.35, False),
        ("en", "Thank you very much.", 0.8, 1.0, False),
        ("en", "Thank you for watching.", 0.8, 1.4, False),
        ("en", "Bye.", 0.8, 0.2, False),
        ("en", "yes", 0.8, 0.3, False),
        ("en", "the", 0.8, 0.2, False),
        ("en", "the one", 0.1, 0.3, False),
        ("en", "stop", 0.8, 0.3, False),
        ("en", "no", 0.5, 0.2, False),
        ("en", "b", 0.9, 0.3, False),
        ("en", "six", 0.7, 0.17, False),
        ("en", "no no no no", 0.9, 1.2, False),
        ("en", "five five five five", 0.9, 1.2, False),
        ("en", "one one one one one one", 0.9, 1.5, False),
        ("en", "He was not an ill disposed young man", 0.9, 2.4, False),
        ("en", "What's the weather like?", 0.9, 1.1, False),
        ("ko", "감사합니다.", 0.8, 0.6, False),
        ("ko", "감사합니다.", 0.3, 1.4, False),
        ("ko", "네", 0.8, 0.25, False),
        ("ko", "네 네 네 네", 0.8, 1.2, False),
        ("ko", "오늘 날씨 어때요?", 0.8, 1.2, False),
        ("ko", "그는 이리저리 피하면서 길 한 옆으로 걸어갔다.", 0.9, 3.0, False),
    ],
)
def test_a_hallucination_is_known_by_the_voice_that_is_missing(
    language: str, text: str, confidence: float, voiced: float, is_one: bool
) -> None:
    assert is_hallucination(text, language, confidence, voiced) is is_one


def test_a_few_doubtful_words_of_a_long_murmur_were_not_said() -> None:
    assert is_hallucination("what what", "en", confidence=0.04, speech_seconds=3.9)
    assert is_hallucination("to i've had what", "en", confidence=0.3, speech_seconds=3.6)


@pytest.mark.parametrize(
    ("confidence", "voiced", "certainty", "is_one"),
    [
        (0.09, 1.44, 0.68, True),  # a babble
        (0.09, 1.74, 0.83, True),
        (0.09, 1.44, 0.92, False),  # a caller whom the recogniser does not follow
        (0.6, 1.44, 0.68, False),  # a faint caller who is understood
        (0.2, 0.28, 0.71, False),  # too short to be sure of
        (0.09, 0.28, 0.71, True),
    ],
)
def test_doubtful_words_of_a_voice_that_never_was_certain_were_not_said(
    confidence: float, voiced: float, certainty: float, is_one: bool
) -> None:
    assert is_hallucination("i hope", "en", confidence, voiced, certainty) is is_one


def test_slow_words_that_are_understood_well_or_fill_their_voice_were_said() -> None:
    assert not is_hallucination("what what", "en", confidence=0.9, speech_seconds=3.9)
    assert not is_hallucination("stop", "en", confidence=0.2, speech_seconds=0.32)
    assert not is_hallucination("the archive see", "en", confidence=0.1, speech_seconds=1.5)
