"""What a listener says to say "go on", and what only begins like it."""

from __future__ import annotations

import pytest

from agent.dialogue.backchannel import is_backchannel, may_become_backchannel

ENGLISH = """uh-huh|Uh huh.|yeah|Yeah.|yeah yeah|okay|Okay, okay.|right|Right.|mm-hmm|Mm-hm|mhm|hmm
|I see.|oh i see|oh really|really|yes|yep|sure|got it|I got it|that's right|of course|wow|oh wow|ah
|alright|all right|makes sense|oh okay|yeah i know|uhhhhh|okay got it|great|cool"""
ENGLISH_NOT = """no|wait|stop|yes please stop|yeah but|okay so|hold on|hello|what|excuse me|actually
|yeah no wait|right now|okay thanks bye|i see the problem|really i want something else|one moment
|no no no|sorry|can you repeat that|yeah yeah yeah yeah yeah|coffee|okay stop|I know that already
|"""
KOREAN = """네|네.|네네|네 네|예|음|응|어|아|아 네|아, 그렇구나.|그렇구나|그렇군요|그래요|맞아요
|네 맞아요|오|와|진짜요?|정말요?|알겠습니다|네, 알겠습니다|좋아요|그쵸|음음|아하|으응"""
KOREAN_NOT = """아니|아니요|잠깐|잠깐만요|잠시만요|그만|그게 아니라|네 근데|네 그런데요|뭐라고요
|다시 말해 주세요|저기요|네 그만해 주세요|여보세요|왜요|알겠으니까 그만
|아니 그거 말고|커피 주세요|"""


def _phrases(table: str) -> list[str]:
    return [phrase.strip() for phrase in table.replace("\n", "").split("|")]


@pytest.mark.parametrize(
    ("language", "text", "is_one"),
    [
        (language, text, is_one)
        for language, table, is_one in (
            ("en", ENGLISH, True),
            ("en", ENGLISH_NOT, False),
            ("ko", KOREAN, True),
            ("ko", KOREAN_NOT, False),
        )
        for text in _phrases(table)
    ],
)
def test_a_backchannel_is_known_from_a_turn(language: str, text: str, is_one: bool) -> None:
    assert is_backchannel(text, language) is is_one


@pytest.mark.parametrize(
    ("language", "text", "may"),
    [
        ("en", "I", True),
        ("en", "of", True),
        ("en", "oh that's", True),
        ("en", "real", True),
        ("en", "no", False),
        ("en", "stop", False),
        ("en", "wait", False),
        ("en", "I want", False),
        ("en", "i see", False),
        ("en", "", False),
        ("ko", "그렇", True),
        ("ko", "아 그", True),
        ("ko", "아니", False),
        ("ko", "잠깐", False),
    ],
)
def test_a_beginning_is_known_from_a_turn(language: str, text: str, may: bool) -> None:
    assert may_become_backchannel(text, language) is may
