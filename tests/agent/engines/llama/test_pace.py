"""How fast a model is, and what somebody who asks now would have to wait."""

from __future__ import annotations

import pytest

from agent.engines.llama.pace import Pace


def paced(*, steps: int = 200, seconds: float = 0.01, read: int = 0, replied: int = 0) -> Pace:
    pace = Pace(gap=0.2, beside=16)
    for _ in range(steps):
        pace.step(seconds, read, replied)
    return pace


def test_nothing_is_told_before_the_first_step() -> None:
    assert Pace(gap=0.2, beside=16).first_token(100, 3) == 0
    assert Pace(gap=0.2, beside=16).tokens_per_second == 0


def test_tokens_a_second_are_those_of_all_replies() -> None:
    assert paced(replied=4).tokens_per_second == pytest.approx(400)


def test_reading_alone_does_not_slow_the_replies_pace() -> None:
    pace = paced(replied=4)
    for _ in range(50):
        pace.step(1.0, 48, 0)

    assert pace.tokens_per_second == pytest.approx(400)


def test_a_wait_grows_with_what_is_unread_and_with_the_replies_beside() -> None:
    pace = paced(read=10)  # 1 ms a token

    alone, behind, beside = (
        pace.first_token(0, 0),
        pace.first_token(100, 0),
        pace.first_token(100, 4),
    )

    assert alone == pytest.approx(0.001)
    assert behind == pytest.approx(0.101)
    assert beside == pytest.approx(0.101 + 7 * 4 * 0.001)


def test_what_callers_usually_ask_is_counted_in() -> None:
    pace = paced(read=10)
    for _ in range(60):
        pace.asked(40)

    assert pace.first_token(0, 0) == pytest.approx(0.041, rel=0.01)


def test_an_old_pace_is_forgotten() -> None:
    pace = paced(replied=1, seconds=1.0)
    for _ in range(600):
        pace.step(0.01, 0, 1)

    assert pace.tokens_per_second == pytest.approx(100, rel=0.1)


def test_sixteen_tokens_are_read_beside_replies_before_anything_is_known() -> None:
    assert Pace(gap=0.2).beside == 16


@pytest.mark.parametrize(
    ("milliseconds", "tokens"), [(1, 192), (2, 96), (3.2, 48), (9, 16), (50, 16)]
)
def test_beside_replies_as_much_is_read_as_the_gap_between_their_tokens_allows(
    milliseconds: float, tokens: int
) -> None:
    pace = Pace(gap=0.2)
    for _ in range(3):
        pace.step(milliseconds / 1000 * 64, 60, 4)

    assert pace.beside == tokens


def test_a_machine_that_slows_down_soon_reads_less_beside_replies() -> None:
    pace = Pace(gap=0.2)
    pace.step(0.064, 64, 0)
    for _ in range(10):
        pace.step(0.64, 64, 0)

    assert pace.beside == 16


def test_what_replies_cost_alone_tells_nothing_of_reading() -> None:
    pace = Pace(gap=0.2)
    pace.step(0.064, 60, 4)
    for _ in range(50):
        pace.step(0.02, 1, 1)

    assert pace.beside == 192


def test_a_share_that_was_set_stays() -> None:
    pace = Pace(gap=0.2, beside=24)
    pace.step(0.064, 60, 4)

    assert pace.beside == 24
