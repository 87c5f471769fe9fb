"""What a listener says to say "go on", and what only begins like it."""

from __future__ import annotations

import pytest

from agent.dialogue.backchannel import is_backchannel, may_become_backchannel

ENGLISH = """uh-huh|Uh huh.|yeah|Yeah.|yeah yeah|okay|Okay, okay.|right|Right.|mm-hmm|Mm-hm|mhm|hmm
|I see.|oh i see|oh really|really|yes|yep|sure|got it|I got it|that's right|of course|wow|oh wow|ah
|alright|all right|makes sense|oh okay|yeah i know|uhhhhh|okay got it|great|cool
|I see, I see.|Got it, got it!|Uh-huh, uh-huh, uh-huh.|Mm-hmm, mm-hmm.|Ohhh, I see.|Okaaay.|Yeahhh
|Ah, okay, I see.|Okay, that makes sense.|Yeah, yeah, yeah.|Right, right, right.|O.K.|Ah-ha|Haha
|Perfect.|That's great.|Oh my god!|okay then|Is that right?|of course, of course|I get it"""
ENGLISH_NOT = """no|wait|stop|yes please stop|yeah but|okay so|hold on|hello|what|excuse me|actually
|yeah no wait|right now|okay thanks bye|i see the problem|really i want something else|one moment
|no no no|nono|sorry|can you repeat that|no way|i know but|i see you|right right wait|oh my coffee
|yeah yeah yeah yeah yeah|coffee|okay stop|I know that already
|"""
KOREAN = """네|네.|네네|네 네|예|음|응|어|아|아 네|아, 그렇구나.|그렇구나|그렇군요|그래요|맞아요
|네 맞아요|오|와|진짜요?|정말요?|알겠습니다|네, 알겠습니다|좋아요|그쵸|음음|아하|으응
|네네네|네에|네에에~|예에|음음음|어어어|우와아|맞아맞아|그래그래|아 그래요?|아, 네네.
|그렇구나아|하하하|아 그렇습니까|그러게요|그럼요|이해했어요|아 알겠어요
|그렇군요, 네.|오 진짜요?|맞아요 맞아요"""
KOREAN_NOT = """아니|아니요|잠깐|잠깐만요|잠시만요|그만|그게 아니라|네 근데|네 그런데요|뭐라고요
|다시 말해 주세요|저기요|네 그만해 주세요|여보세요|왜요|알겠으니까 그만
|아니 그거 말고|커피 주세요|아니아니|아니 진짜|어디요|네 네 네 네 네|그래서요|그럼 이건요|"""


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


COMMANDS = """stop no nope wait hold hey sorry excuse listen hello what why who how but actually
cancel help pause enough quiet skip next back again repeat 아니 아니요 아뇨 잠깐 잠깐만
잠깐만요 잠시만요 그만 그만해 멈춰 스톱 됐어 됐어요 뭐 뭐라고 왜 여보세요 저기 저기요 안돼
취소 다시 조용 기다려 근데 내가"""


@pytest.mark.parametrize("word", COMMANDS.split())
def test_a_word_that_takes_the_floor_is_never_held_for_a_backchannel(word: str) -> None:
    language = "en" if word.isascii() else "ko"

    assert not is_backchannel(word, language)
    assert not may_become_backchannel(word, language)


def test_what_follows_a_backchannel_may_become_another() -> None:
    assert may_become_backchannel("oh okay I", "en")
    assert may_become_backchannel("i see i", "en")
    assert may_become_backchannel("아 네 그렇", "ko")
    assert not may_become_backchannel("okay stop", "en")
    assert not may_become_backchannel("네 그만", "ko")
