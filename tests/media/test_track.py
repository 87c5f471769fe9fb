from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest
from aiortc.mediastreams import MediaStreamError

from media.track import Packet, SpeakerTrack, Ticks
from tests.media.clocks import stopwatch
from tests.virtual_time import virtual


def test_ticks_come_every_20_ms_from_their_start() -> None:
    ticks = Ticks(10.0)
    assert ticks.wait(10.0) == 0.0
    assert ticks.take(10.0) == 0
    assert ticks.wait(10.0) == pytest.approx(0.02)


def test_a_late_tick_is_made_up_for_and_no_drift_builds_up() -> None:
    ticks = Ticks(0.0)
    now, taken = 0.0, []
    for _ in range(1000):
        now += max(ticks.wait(now), 0.0) + 0.003  # each one is woken 3 ms late
        taken.append(ticks.take(now))
    assert taken == list(range(1000))
    assert now == pytest.approx(999 * 0.02 + 0.003)


def test_after_a_stop_of_the_process_the_lost_ticks_are_skipped() -> None:
    ticks = Ticks(0.0)
    ticks.take(0.0)
    late = ticks.take(5.0)
    assert late == pytest.approx(250, abs=1)
    assert ticks.wait(5.0) == pytest.approx(0.02, abs=0.021)


def test_a_stall_of_half_a_second_is_made_up_for_and_a_longer_one_is_not() -> None:
    for stall, missed in ((0.49, 0), (0.53, 26)):
        ticks = Ticks(0.0)
        ticks.take(0.0)
        assert ticks.take(0.02 + stall) == 1 + missed


def test_a_timer_that_fires_a_moment_early_is_not_waited_for_again() -> None:
    ticks = Ticks(10.0)
    assert ticks.wait(10.0 - 0.0004) == 0.0
    assert ticks.wait(10.0 - 0.0006) == pytest.approx(0.0006)


def test_the_steps_that_have_come_may_be_left_out_and_none_comes_again() -> None:
    ticks = Ticks(10.0)
    ticks.skip(10.05)
    assert (ticks.due, ticks.take(10.06)) == (pytest.approx(10.06), 3)
    ticks.skip(10.0)
    assert ticks.take(10.08) == 4


@virtual
async def test_a_packet_leaves_with_the_time_of_its_tick_through_silence_too() -> None:
    script: list[Packet | None] = [Packet(b"a", True), None, None, Packet(b"b", True)]
    track = SpeakerTrack(lambda: script.pop(0))
    clock = stopwatch()
    first, second = await track.recv(), await track.recv()
    assert (bytes(first), first.pts) == (b"a", 0)
    assert (bytes(second), second.pts) == (b"b", 3 * 960)
    assert first.time_base == second.time_base == Fraction(1, 48_000)
    assert clock() == pytest.approx(0.06)


@virtual
async def test_a_slow_sender_gets_what_is_due_at_once() -> None:
    track = SpeakerTrack(lambda: Packet(b"a", False))
    clock = stopwatch()
    await track.recv()
    await asyncio.sleep(0.1)
    times = []
    for _ in range(6):
        await track.recv()
        times.append(clock())
    assert times == pytest.approx([0.1] * 5 + [0.12])


@virtual
async def test_a_stopped_track_ends_its_sender() -> None:
    track = SpeakerTrack(lambda: None)
    sending = asyncio.create_task(track.recv())
    await asyncio.sleep(1)
    track.stop()
    with pytest.raises(MediaStreamError):
        await sending
