"""Which questions anybody might ask."""

from __future__ import annotations

import pytest

from agent.engines.caches.general import asked, is_general

GENERAL = """
When do you open?
What can you do?
Can I pay by card?
How do I get to the station?
Tell me about your coffee.
Do you have oat milk?
Could you tell me what you sell?
What's the capital of France?
몇 층까지 있어요?
영업시간이 어떻게 되나요?
카드로 계산할 수 있나요?
주차장이 있어요?
제주도 가는 배가 있나요?
나무는 어떻게 자라요?
전기는 어디서 와요?
"""

NOT_GENERAL = """
When does my order arrive?
I'm Anna, can you help me?
I lost our luggage.
What time is it?
What's on today?
Is there anything else like that?
My number is 555 0199.
Where is order 4711-22?
Write to anna@example.org
내 주문 언제 와요?
제 이름은 민수예요.
저는 알레르기가 있어요.
우리 집에 배달되나요?
지금 열려 있어요?
오늘 메뉴가 뭐예요?
아까 말한 거 다시 해 주세요.
예약 번호는 1234예요.
"""


def lines(table: str) -> list[str]:
    return table.strip().splitlines()


@pytest.mark.parametrize("question", lines(GENERAL))
def test_what_anybody_might_ask(question: str) -> None:
    assert is_general(question)


@pytest.mark.parametrize("question", [*lines(NOT_GENERAL), "", "  "])
def test_what_belongs_to_one_caller_or_one_moment(question: str) -> None:
    assert not is_general(question)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("When do you open?", "when do you  open"),
        ("What’s that?", "what's that"),
        ("영업시간이 어떻게 되나요?", "영업시간이 어떻게 되나요"),
        ("Café, please!", "cafe\u0301 please"),
    ],
)
def test_the_same_question_in_another_hand(one: str, other: str) -> None:
    assert asked(one) == asked(other)


@pytest.mark.parametrize(
    ("one", "other"), [("do you open", "don't you open"), ("one latte", "two lattes")]
)
def test_other_words_are_another_question(one: str, other: str) -> None:
    assert asked(one) != asked(other)
