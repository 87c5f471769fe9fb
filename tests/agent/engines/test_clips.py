"""A voice's raw clip made ready to be played."""

from __future__ import annotations

import numpy as np
import pytest

from agent.engines.clips import Wave, edged, sounding, to_int16

RATE = 1000


def clip(before: int, loud: int, after: int) -> Wave:
    return np.concatenate(
        [np.full(before, 0.001), np.full(loud, 0.5), np.full(after, 0.001)]
    ).astype(np.float32)


def test_the_sounding_part_is_found_to_five_milliseconds() -> None:
    start, end = sounding(clip(100, 200, 50), RATE, below_peak_db=40)
    assert (start, end) == (100, 300)


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros(77, np.float32)])
def test_silence_sounds_whole(wave: Wave) -> None:
    assert sounding(wave, RATE, below_peak_db=40) == (0, len(wave))


def test_sound_up_to_the_end_is_kept_whole() -> None:
    assert sounding(clip(10, 93, 0), RATE, below_peak_db=40)[1] == 103


@pytest.mark.parametrize(("after", "trail"), [(50, 0.02), (50, 0.05), (50, 0.3), (0, 0.1)])
def test_the_silence_behind_is_as_long_as_wanted(after: int, trail: float) -> None:
    wave = edged(clip(100, 200, after), RATE, 100, 300, lead=0.02, trail=trail)
    assert len(wave) == 20 + 200 + round(trail * RATE)


def test_the_silence_in_front_is_never_made_longer() -> None:
    assert len(edged(clip(5, 200, 0), RATE, 5, 205, lead=0.02, trail=0)) == 205


def test_edges_do_not_click() -> None:
    wave = edged(clip(0, 200, 0), RATE, 0, 200, lead=0, trail=0)
    assert abs(wave[0]) == 0
    assert abs(wave[-1]) == 0
    assert wave[100] == pytest.approx(0.5)


def test_the_gain_is_fixed_and_clips_at_full_scale() -> None:
    samples = to_int16(np.array([0.25, -0.25, 0.9, -0.9], np.float32), 2.0)
    assert samples.dtype == np.int16
    assert samples.tolist() == [16384, -16384, 32767, -32767]
