from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.reorder import MOST_WAIT, Reorder


@dataclass(frozen=True)
class Numbered:
    sequence_number: int


def put(reorder: Reorder[Numbered], number: int, now: float) -> list[tuple[int, int]]:
    """Put one packet; what passes, as (number, lost before it)."""
    reorder.put(Numbered(number & 0xFFFF), now)
    return take(reorder, now)


def take(reorder: Reorder[Numbered], now: float) -> list[tuple[int, int]]:
    return [(each.packet.sequence_number, each.lost) for each in reorder.take(now)]


def test_packets_in_order_pass_at_once() -> None:
    reorder: Reorder[Numbered] = Reorder()
    assert [put(reorder, number, number * 0.02) for number in range(5)] == [
        [(number, 0)] for number in range(5)
    ]


def test_the_numbers_may_wrap() -> None:
    reorder: Reorder[Numbered] = Reorder()
    passed = [put(reorder, number, 0.0) for number in range(65_530, 65_545)]
    assert passed == [[(number & 0xFFFF, 0)] for number in range(65_530, 65_545)]
    assert reorder.lost == reorder.late == 0


def test_two_packets_in_the_wrong_order_are_put_right() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    assert put(reorder, 2, 0.02) == []
    assert put(reorder, 1, 0.025) == [(1, 0), (2, 0)]
    assert (reorder.lost, reorder.late) == (0, 0)


def test_a_missing_packet_is_given_up_after_the_wait() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    assert put(reorder, 3, 0.02) == []
    assert take(reorder, 0.03) == []
    assert take(reorder, 0.02 + reorder.wait) == [(3, 2)]
    assert reorder.lost == 2
    assert put(reorder, 4, 0.06) == [(4, 0)]


def test_the_wait_grows_with_the_lateness_that_is_seen_and_ends_at_60_ms() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    put(reorder, 2, 0.02)
    take(reorder, 0.05)
    put(reorder, 1, 0.06)  # 40 ms after it was missed
    assert reorder.late == 1
    assert reorder.wait == pytest.approx(0.05)
    put(reorder, 4, 0.07)
    assert take(reorder, 0.11) == []
    assert put(reorder, 3, 0.115) == [(3, 0), (4, 0)]
    put(reorder, 6, 0.2)
    take(reorder, 0.3)
    put(reorder, 5, 0.9)
    assert reorder.wait == MOST_WAIT == 0.06


@pytest.mark.parametrize("number", [1, 2])
def test_each_packet_that_was_given_up_shows_how_late_it_was(number: int) -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    put(reorder, 3, 0.02)
    assert take(reorder, 0.05) == [(3, 2)]
    put(reorder, number, 0.06)
    assert reorder.wait == pytest.approx(0.05)


def test_a_packet_in_the_nick_of_time_shows_how_long_it_was_missed() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    put(reorder, 2, 0.02)
    put(reorder, 3, 0.03)
    assert put(reorder, 1, 0.039) == [(1, 0), (2, 0), (3, 0)]
    assert reorder.wait == pytest.approx(1.25 * 0.019, rel=0.01)


def test_a_packet_that_is_less_late_does_not_shorten_the_wait() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    put(reorder, 2, 0.02)
    take(reorder, 0.05)
    put(reorder, 1, 0.06)
    put(reorder, 4, 0.08)
    assert put(reorder, 3, 0.081) == [(3, 0), (4, 0)]
    assert reorder.wait == pytest.approx(0.05, rel=0.02)


def test_seven_seconds_after_the_latest_packet_the_wait_has_halved() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    put(reorder, 2, 0.02)
    take(reorder, 0.05)
    put(reorder, 1, 0.9)  # as good as lost
    for number in range(3, 353):
        put(reorder, number, number * 0.02)
    assert reorder.wait == pytest.approx(0.0375, rel=0.02)  # 60 ms and the margin, halved


def test_on_a_network_that_loses_but_does_not_reorder_the_wait_shrinks_to_nothing() -> None:
    reorder: Reorder[Numbered] = Reorder()
    now = 0.0
    for number in range(3000):
        now = number * 0.02
        if number % 50:
            put(reorder, number, now)
    assert reorder.wait < 0.001
    assert reorder.lost == 59


def test_a_packet_that_comes_twice_passes_once() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    assert put(reorder, 0, 0.0) == []
    assert put(reorder, 2, 0.01) == put(reorder, 2, 0.01) == []
    assert put(reorder, 1, 0.011) == [(1, 0), (2, 0)]
    assert reorder.late == 2


def test_a_single_stray_number_changes_nothing() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    assert put(reorder, 30_000, 0.01) == []
    assert put(reorder, 1, 0.02) == [(1, 0)]
    assert put(reorder, 40_000, 0.03) == []
    assert put(reorder, 2, 0.04) == [(2, 0)]
    assert reorder.lost == 0


def test_two_strays_with_good_packets_between_are_no_new_beginning() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    for number, stray in enumerate((30_000, 30_001, 30_002), start=1):
        assert put(reorder, stray, 0.01) == []
        assert put(reorder, number, 0.02) == [(number, 0)]
    assert put(reorder, 30_003, 0.03) == []
    assert reorder.passes(Numbered(4))
    assert put(reorder, 30_004, 0.04) == []
    assert put(reorder, 5, 0.05) == [(5, 0)]


def test_packets_that_come_a_second_late_are_late_and_no_new_beginning() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    put(reorder, 3, 0.02)
    assert take(reorder, 0.05) == [(3, 2)]
    for number in range(4, 60):
        put(reorder, number, number * 0.02)
    assert put(reorder, 1, 1.21) == put(reorder, 2, 1.22) == []
    assert put(reorder, 60, 1.23) == [(60, 0)]
    assert (reorder.lost, reorder.late) == (2, 2)


@pytest.mark.parametrize("start", [5_000, 64_000])
def test_a_jump_that_is_confirmed_is_a_new_beginning(start: int) -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 1_000, 0.0)
    assert put(reorder, start, 0.02) == []
    reorder.put(Numbered(start + 1), 0.04)
    passed = list(reorder.take(0.04))
    assert [each.packet.sequence_number for each in passed] == [start, start + 1]
    assert [each.is_new_beginning for each in passed] == [True, False]
    assert [each.lost for each in passed] == [0, 0]


@given(
    st.lists(
        st.tuples(st.integers(-40, 60), st.floats(0.0, 0.1)),
        min_size=1,
        max_size=200,
    ),
    st.integers(0, 0xFFFF),
)
def test_whatever_comes_each_number_passes_once_and_in_order(
    moves: list[tuple[int, float]], start: int
) -> None:
    reorder: Reorder[Numbered] = Reorder()
    now, passed = 0.0, []
    for offset, (jitter, pause) in enumerate(moves):
        now += pause
        reorder.put(Numbered((start + offset + jitter) & 0xFFFF), now)
        beginnings = [each for each in reorder.take(now)]
        for each in beginnings:
            if each.is_new_beginning:
                passed.clear()
            passed.append(each.packet.sequence_number)
        assert len(reorder._waiting) <= 50
    distances = [(b - a) & 0xFFFF for a, b in zip(passed, passed[1:], strict=False)]
    assert all(0 < distance < 0x8000 for distance in distances)


def test_the_next_packet_passes_and_one_behind_a_gap_does_not() -> None:
    reorder: Reorder[Numbered] = Reorder()
    assert not reorder.passes(Numbered(0xFFFE))
    put(reorder, 0xFFFE, 0.0)
    assert [reorder.passes(Numbered(number)) for number in (0xFFFF, 0, 2)] == [True, True, False]
    assert put(reorder, 2, 0.01) == []
    assert not reorder.passes(Numbered(1))
    assert put(reorder, 1, 0.02) == [(1, 0), (2, 0)]


@given(st.lists(st.tuples(st.integers(-3, 60), st.floats(0.0, 0.1)), max_size=200))
def test_who_may_just_pass_changes_nothing_for_the_others(moves: list[tuple[int, float]]) -> None:
    short, whole = Reorder[Numbered](), Reorder[Numbered]()
    now = 0.0
    for offset, (jitter, pause) in enumerate(moves):
        now += pause
        packet = Numbered(offset + (jitter if jitter > 40 or jitter < 0 else 0) & 0xFFFF)
        whole.put(packet, now)
        arrived = list(whole.take(now))
        if short.passes(packet):
            assert [(each.packet, each.lost) for each in arrived] == [(packet, 0)]
            continue
        short.put(packet, now)
        assert list(short.take(now)) == arrived
    assert (short.wait, short.lost, short.late) == (whole.wait, whole.lost, whole.late)


def test_a_packet_that_was_given_up_long_ago_teaches_nothing() -> None:
    reorder: Reorder[Numbered] = Reorder()
    put(reorder, 0, 0.0)
    for number in range(2, 44, 2):  # every other one is lost
        put(reorder, number, number * 0.02)
        take(reorder, number * 0.02 + 0.019)
    assert reorder.lost == 20
    before = reorder.wait
    put(reorder, 1, 0.9)
    assert reorder.wait == before
    put(reorder, 37, 0.9)
    assert reorder.wait > before
