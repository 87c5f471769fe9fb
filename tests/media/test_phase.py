"""The beat of a lone call comes shortly after its packets."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.phase import ENOUGH, advance

FRAME = 0.02


@given(st.floats(0.006, 0.0199))
def test_packets_that_all_wait_for_long_are_read_soon_after_they_come(wait: float) -> None:
    left = wait - advance([wait] * 50)
    assert 0.0014 < left < 0.0021


@given(st.floats(0.0, 0.005))
def test_a_beat_that_is_good_enough_stays(wait: float) -> None:
    assert advance([wait] * 50) in (0.0, pytest.approx(wait + 0.0185, abs=0.001))


def test_a_packet_that_just_misses_its_beat_is_waited_for() -> None:
    waits = [0.0002, 0.0199] * 20  # some come right before the beat, some right after it
    sooner = advance(waits)
    later = FRAME - sooner  # the beat moves later by that
    assert 0.0 < later < 0.004


def test_too_few_packets_tell_nothing() -> None:
    assert advance([0.015] * (ENOUGH - 1)) == 0.0
    assert advance([]) == 0.0


def test_packets_that_come_at_any_time_move_nothing() -> None:
    luck = random.Random(1)
    assert advance([luck.random() * FRAME for _ in range(50)]) == 0.0


@given(st.lists(st.floats(0.0, 0.06), min_size=ENOUGH, max_size=50))
def test_what_is_gained_is_gained_whatever_the_network_does(waits: list[float]) -> None:
    sooner = advance(waits)
    assert 0.0 <= sooner < FRAME
    if sooner:
        before = sum(wait % FRAME for wait in waits)
        after = sum((wait - sooner) % FRAME for wait in waits)
        assert after < before + 0.0016 * len(waits)
