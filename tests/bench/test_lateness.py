"""A packet's lateness is told by the sender's clock, against the earliest that came."""

from __future__ import annotations

import pytest

from bench.lateness import Lateness, SenderClock
from media.packets import RtpPacket


def came(
    lateness: Lateness, script: list[tuple[int, float]], *, start: int = 0, marked: int = -1
) -> list[float]:
    """The lateness of packets: number of its 20 ms step, and seconds on its way."""
    return [
        lateness.feed(
            RtpPacket(96, step == marked, step, start + step * 960 & 0xFFFFFFFF, 1, b""),
            step * 0.02 + way,
        )
        for step, way in script
    ]


def test_the_earliest_packet_is_not_late_and_the_others_are_by_as_much_more() -> None:
    late = came(Lateness(), [(0, 0.01), (1, 0.013), (2, 0.01), (3, 0.06)])
    assert late == pytest.approx([0.0, 0.003, 0.0, 0.05])


def test_before_the_first_talk_spurt_a_packet_is_judged_by_those_before_it() -> None:
    """Its time of arrival is no lateness: the sender's clock began at any number."""
    late = came(Lateness(), [(20, 0.01), (40, 0.012)], start=3_000_000_000)
    assert late == pytest.approx([0.0, 0.002])


def test_a_first_packet_that_was_late_does_not_hide_the_lateness_of_all_others() -> None:
    late = came(Lateness(), [(0, 0.08), (1, 0.01), (2, 0.015)])
    assert late == pytest.approx([0.0, 0.0, 0.005])


def test_each_talk_spurt_is_judged_by_its_own_earliest() -> None:
    late = came(Lateness(), [(0, 0.01), (50, 0.03), (51, 0.034)], marked=50)
    assert late == pytest.approx([0.0, 0.0, 0.004])


def test_what_was_not_sent_is_no_lateness() -> None:
    late = came(Lateness(), [(0, 0.01), (500, 0.01), (501, 0.01)])
    assert late == pytest.approx([0.0, 0.0, 0.0])


def test_a_wrap_of_the_timestamps_is_no_lateness() -> None:
    late = came(Lateness(), [(0, 0.01), (1, 0.012), (2, 0.01)], start=(1 << 32) - 960)
    assert late == pytest.approx([0.0, 0.002, 0.0])


def test_a_packet_that_was_overtaken_is_late_by_its_own_step() -> None:
    late = came(Lateness(), [(0, 0.01), (2, 0.01), (1, 0.035)])
    assert late == pytest.approx([0.0, 0.0, 0.025])


def test_the_senders_clock_begins_with_its_first_packet() -> None:
    clock = SenderClock()
    assert [clock.seconds(stamp) for stamp in (48_000, 48_960, 96_000)] == [0.0, 0.02, 1.0]
