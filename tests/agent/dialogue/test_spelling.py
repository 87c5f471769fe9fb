"""Numbers, letters and e-mail addresses read out: is there more to come?"""

from __future__ import annotations

import pytest

from agent.dialogue.completeness import Completeness, classify

ENGLISH_COMPLETE = """
    my email is john at gmail dot com
    it's j smith at example dot org
    my email is wrong
    call me at ten thirty
    november ninth sixty five
    march the third nineteen eighty two
    the fifth of may nineteen eighty two
    my birthday is may fifth two thousand and one
    june first twenty twenty five
    July 4th, 1976
"""

ENGLISH_UNFINISHED = """
    my email is
"""

ENGLISH_UNSURE = """
    ten twenty
    may twenty
    november ninth
    november ninth sixty
    october twenty four nineteen seventy
    june first two thousand
    six eight three three oh seven five
    my number is six eight three three oh seven five
"""

ENGLISH_SPELLING = """
    my email is j o h n
    my email is john at
    my email is john at gmail
    my email is john dot
    my email is john dot smith at gmail dot
    my name is smith s m i
    enter five
    enter eight
    enter nine two
    dial nine
    enter one seventy
    my order number is four five
    my order number is a b three
    flight number b a two
    room two one
    account number one two three four
    my card number is four one one one
    r h n g a fifty four eighty
    erase e d z e fifty six
    october twenty four nineteen
    may seven eight nine
    six eight three three oh seven
    one eight three three oh seven five
    oh two oh seven one two three
    four one two two six eight four one
"""

KOREAN_COMPLETE = """
    공일공 일이삼사 오육칠팔이요
    공일공 일이삼사 오육칠팔입니다
    제 번호는 공일공 일이삼사 오육칠팔이에요
    인증번호는 일 이 삼 사 오 육
    영일영 일이삼사 오육칠팔
    제 번호는 공일공에 일이삼사에 오육칠팔이에요
    우편번호는 공육이삼육
    제 이메일은 케이 아이 엠 골뱅이 네이버 점 컴
    공일공 일이삼사 오육칠팔인데요
    김민수 씨 부탁해요
    구십이년 오월 삼일
    생일은 천구백구십이년 유월 십오일
    1992년 5월 3일
"""

KOREAN_UNSURE = """
    티 하나
    구십이년 오월
    오월 삼일
    이사
    공 하나
"""

KOREAN_SPELLING = """
    공일공에
    공일공 삼사
    공일공 구공
    공일공에 구구
    제 번호가요 공일공
    번호는 공일공이고요
    공이에
    공이 오오오
    영일영
    인증번호 일이삼
    인증번호는 일 이 삼
    카드번호 일이삼사
    계좌번호는 일일공
    주민번호는 팔팔공일
    에이 비 씨
    제 이메일은 케이 아이 엠 골뱅이
    제 이메일은 케이 아이 엠 골뱅이 네이버
    이메일 주소는 민수 점
    제이 케이 엘
    번호는 공일공이요
    공일공 일이삼사요
"""


def cases() -> list[tuple[str, Completeness, str]]:
    tables = (
        ("en", Completeness.COMPLETE, ENGLISH_COMPLETE),
        ("en", Completeness.UNFINISHED, ENGLISH_UNFINISHED),
        ("en", Completeness.UNSURE, ENGLISH_UNSURE),
        ("en", Completeness.SPELLING, ENGLISH_SPELLING),
        ("ko", Completeness.COMPLETE, KOREAN_COMPLETE),
        ("ko", Completeness.UNSURE, KOREAN_UNSURE),
        ("ko", Completeness.SPELLING, KOREAN_SPELLING),
    )
    return [
        (language, kind, line.strip())
        for language, kind, table in tables
        for line in table.strip().splitlines()
    ]


@pytest.mark.parametrize(("language", "kind", "line"), cases())
def test_what_is_spelled_is_waited_for_until_it_is_whole(
    language: str, kind: Completeness, line: str
) -> None:
    reading = classify(line, language)

    assert reading.completeness is kind, reading.reason
