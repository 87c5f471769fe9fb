"""Is the turn over, by the words alone? Tables of what people say, in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialogue.completeness import Completeness, classify

COMPLETE, UNSURE = Completeness.COMPLETE, Completeness.UNSURE
UNFINISHED, SPELLING = Completeness.UNFINISHED, Completeness.SPELLING

ENGLISH_COMPLETE = """
    What's the weather like?
    what's the weather like
    what is the weather like today
    where are you located
    how much does it cost
    how long will it take
    do you have any idea what time it is
    can you help me order a coffee
    can i get a large coffee please
    could you repeat that
    are you open on sunday
    is there a pharmacy near here
    would you like some tea
    who would you like to call
    I would like to book a table for two.
    He was not an ill disposed young man.
    No route exists to the dialed destination.
    The conference is now unmuted.
    Nobody here but us chickens!
    Oooh, that tickles!
    yes
    no
    okay
    yes please
    no thank you
    thank you
    thank you very much
    that's it
    that's all thanks
    stop
    hello
    goodbye
    yes i am
    no i don't
    yes it is
    i don't know
    i think so
    never mind
    call my mother please
    let's do it tomorrow
    see you at five o'clock
    i went to the store
    i need a taxi
    the internet isn't working
    she lives in new york
    please hang up and try again
    set a timer for ten minutes
    turn off the lights
    play some music for me
    okay and book the table for four
    it doesn't work at all
    they canceled my order and i was not told
    it's broken, isn't it
    Mr. Quilter is the apostle of the middle classes and we are glad to welcome his gospel.
"""

ENGLISH_UNFINISHED = """
    I would like to
    i want
    i'd like
    i want to order a
    I want to go to the.
    i would like to book a table for
    my name is
    the reason i'm calling is
    can you tell me
    can i get
    could you
    can you please
    i was wondering if
    what is the
    what's your
    how much is the
    where is my
    i went to the store and
    i like it but
    i can't come because
    and then
    so
    well
    i think
    i mean
    let me
    um
    i want um
    it costs uh
    hmm
    tell me about
    if you
    i'm
    it's
    because it's
    i have a question about the
    The current time is
    Your current account balance is
    The call you have made requires a...
    ... for ...
    Please enter the
    i live in
    i am going to
    is that because
    To redial, press the first,
    i don't think that he's
    we were talking with
    it was very
    do you know if
    are you
    i was looking for a
    the problem is that
    give me
    if this is correct
    when the train
    you can press
    he was not
    the conference cannot
    please enter
"""

ENGLISH_UNSURE = """
    coffee
    two coffees
    seven
    a large coffee
    greenwich mean time
    to reach an operator
    turn it on
    where are you from
    who is it for
    i have
    play music
    i paid it
    if you have one i'll take it
    the blue one
    press one
"""

ENGLISH_SPELLING = """
    b r e
    b r e n t
    x k i t b two six
    my name is b r e n t
    erase k m h n i six oh five
    one five five
    four one two two six eight
    my number is five five five
    my phone number is 555
    my phone number is 555 123
    call me at five five five one two
    a b
    m
    a seven
    two two
    two double four
    zip code is nine four one
    d a j n h ninety six
"""

ENGLISH_WHOLE_NUMBERS = """
    my number is five five five one two three four five six seven
    my phone number is 555 123 4567
    my phone number is 555-123-4567
    four one two two six eight four one four two
    the zip code is nine four one oh three
    my pin is one two three four
    one eight hundred five five five one two one two
"""

KOREAN_COMPLETE = """
    오늘 날씨가 어때요?
    오늘 날씨가 어때요
    예약하고 싶어요
    예약하고 싶습니다
    커피 한 잔 주세요
    아메리카노 한 잔 주세요.
    몇 시에 문을 여나요
    몇 시에 닫아요
    얼마예요
    얼마입니까
    어디에 있습니까
    내일 오전에 가능할까요
    그렇게 하죠
    네
    예
    아니요
    아니요 괜찮아요
    네 맞아요
    네 알겠습니다
    감사합니다
    안녕하세요
    여보세요
    좋네요
    그는 이리저리 피하면서 길 한 옆으로 걸어갔다.
    그는 이리저리 피하면서 길 한 옆으로 걸어갔다
    제 이름은 김민수입니다
    제 이름은 김민수예요
    내일 다시 전화할게요
    확인해 주시겠어요
    취소해 주십시오
    이거 뭐야
    배고파 밥 먹자고 했잖아
    비밀번호를 바꾸고 싶은데요?
    그거 어디 있는데?
    이따가 만나자고?
    전화번호는 010-1234-5678이에요
    벌써 다 했구나
    도와줘
"""

KOREAN_UNFINISHED = """
    제가 어제 예약을 했는데
    제가 어제 예약을 했는데.
    예약하고
    커피를 마시고
    서울에 가서
    비가 오면
    시간이 없으니까
    그러니까
    가고 싶지만
    전화를 했거든
    밥을 먹으면서
    학교에 가려고
    제가
    저는
    제 이름은
    예약을
    커피를
    친구와
    동생이랑
    서울에서
    회사에
    선생님께
    친구한테
    음
    어
    저기
    그게
    저는 음
    그 뭐랄까
    그리고
    그래서
    근데
    왜냐하면
    만약에
    내일 오후에
    서울로
    기차로
    병원으로
    친구하고
    어제보다
    예약 변경을 하려고 하는데
    제가 지금 밖에 있어서
    할인이 되는지 모르겠지만
    잠깐 나갔다가
    비행기 표를
    그게 그러니까
"""

KOREAN_UNSURE = """
    아메리카노
    커피 두 잔
    서울역
    고양이
    사과
    짜장면
    최고
    창고
    휴가
    화면
    회의
    내일
    예약을 했는데요
    저는요
    부산까지
    나도
    제주도
    했거든요
"""

KOREAN_SPELLING = """
    공일공
    공일공에 일이삼사
    공일공 일이삼사 오육
    제 번호는 010
    전화번호는 010 1234
    010-1234-56
    공 일 공 일 이 삼
    비밀번호는 일 이
    카드번호는 1234 5678
"""

KOREAN_WHOLE_NUMBERS = """
    공일공에 일이삼사에 오육칠팔
    010-1234-5678
    전화번호는 010 1234 5678
    비밀번호는 일 이 삼 사
    우편번호는 0 6 2 3 6
    15881234
    번호는 1588 1234
"""


def _lines(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


CASES = [
    (language, kind, line)
    for language, kind, table in (
        ("en", COMPLETE, ENGLISH_COMPLETE),
        ("en", UNFINISHED, ENGLISH_UNFINISHED),
        ("en", UNSURE, ENGLISH_UNSURE),
        ("en", SPELLING, ENGLISH_SPELLING),
        ("en", COMPLETE, ENGLISH_WHOLE_NUMBERS),
        ("ko", COMPLETE, KOREAN_COMPLETE),
        ("ko", UNFINISHED, KOREAN_UNFINISHED),
        ("ko", UNSURE, KOREAN_UNSURE),
        ("ko", SPELLING, KOREAN_SPELLING),
        ("ko", COMPLETE, KOREAN_WHOLE_NUMBERS),
    )
    for line in _lines(table)
]


@pytest.mark.parametrize(("language", "kind", "line"), CASES)
def test_words_are_read_for_their_completeness(
    language: str, kind: Completeness, line: str
) -> None:
    reading = classify(line, language)

    assert reading.completeness is kind, reading.reason
    assert reading.reason


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Wie ist das Wetter?", COMPLETE),
        ("Das Wetter ist schön.", COMPLETE),
        ("天気はどうですか。", COMPLETE),
        ("我想,", UNFINISHED),
        ("ich möchte …", UNFINISHED),
        ("ich möchte", UNSURE),
    ],
)
def test_a_language_without_a_room_is_judged_by_its_punctuation(
    text: str, kind: Completeness
) -> None:
    assert classify(text, "de").completeness is kind


@pytest.mark.parametrize("language", ["en", "ko", "de"])
@pytest.mark.parametrize("text", ["", "  ", "...", "?!"])
def test_no_words_say_nothing(text: str, language: str) -> None:
    assert classify(text, language).completeness is UNSURE


@given(st.text(max_size=60), st.sampled_from(["en", "ko", "ja"]))
def test_any_text_is_read(text: str, language: str) -> None:
    assert isinstance(classify(text, language).completeness, Completeness)


@given(st.sampled_from(CASES))
def test_case_and_room_around_the_words_do_not_matter(case: tuple[str, Completeness, str]) -> None:
    language, kind, line = case

    assert classify(f"  {line.upper()} \n", language).completeness is kind
