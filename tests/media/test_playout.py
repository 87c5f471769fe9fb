from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from media.audio import AudioChunk, Samples
from media.opus import VOICE_FRAME
from media.playout import Playout

LEVEL = 8_000


def level(seconds: float, rate: int = 24_000) -> AudioChunk:
    """A constant: any step in it would be a click."""
    return AudioChunk(np.full(round(seconds * rate), LEVEL, np.int16), rate)


def tone(seconds: float, rate: int) -> AudioChunk:
    turns = np.arange(round(seconds * rate)) * 440 * 2 * np.pi / rate
    return AudioChunk((np.sin(turns) * 10_000).astype(np.int16), rate)


def frames(playout: Playout, count: int) -> Samples:
    """`count` frames in a row, silence where nothing is to be said."""
    silent = np.zeros(VOICE_FRAME, np.int16)
    return np.concatenate(
        [silent if (frame := playout.next_frame()) is None else frame for _ in range(count)]
    )


def largest_step(samples: Samples) -> int:
    return int(np.abs(np.diff(samples.astype(int))).max())


def test_nothing_to_say_gives_no_frame_and_the_clock_stands() -> None:
    playout = Playout()
    assert [playout.next_frame() for _ in range(3)] == [None, None, None]
    assert (playout.played, playout.queued) == (0.0, 0.0)


def test_the_clock_counts_what_left() -> None:
    playout = Playout()
    assert playout.add(level(0.1)) == 0.0
    assert playout.queued == pytest.approx(0.1)
    frames(playout, 2)
    assert playout.played == pytest.approx(0.04)
    assert playout.queued == pytest.approx(0.06)
    assert playout.add(level(0.1)) == pytest.approx(0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 48_000])
def test_audio_of_any_rate_keeps_its_length_and_its_sound(rate: int) -> None:
    playout = Playout()
    whole = tone(1.0, rate)
    positions = [
        playout.add(AudioChunk(whole.samples[start : start + rate // 10], rate))
        for start in range(0, rate, rate // 10)
    ]
    heard = frames(playout, 50)
    assert positions == pytest.approx([tenth / 10 for tenth in range(10)], abs=1e-4)
    assert playout.played == pytest.approx(1.0, abs=1e-4)
    assert playout.queued == 0.0
    inside = slice(4_800, -4_800)
    assert np.abs(heard[inside].astype(int) - tone(1.0, 24_000).samples[inside]).max() < 200


def test_words_that_wait_are_kept_as_the_voice_made_them() -> None:
    playout = Playout()
    sentence = tone(10.0, 22_050)
    tracemalloc.start()
    try:
        playout.add(sentence)
        for _ in range(100):
            playout.next_frame()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert playout.played == pytest.approx(2.0)
    assert most < sentence.samples.nbytes / 5


def test_words_that_wait_at_another_rate_are_cleared_too() -> None:
    playout = Playout()
    playout.add(level(1.0, 22_050))
    frames(playout, 5)
    playout.clear()
    assert playout.queued == 0.0
    assert frames(playout, 3)[VOICE_FRAME:].max() == 0
    assert playout.add(level(0.1, 22_050)) == pytest.approx(0.1)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_words_in_crumbs_are_as_long_as_in_one_piece(rate: int) -> None:
    playout = Playout()
    said = tone(0.3, rate)
    for start in range(0, len(said), 7):
        playout.add(AudioChunk(said.samples[start : start + 7], rate))
    assert playout.queued == pytest.approx(0.3, abs=1e-4)
    heard = frames(playout, 20)
    assert playout.played == pytest.approx(0.3, abs=1e-4)
    assert (playout.queued, playout.next_frame()) == (0.0, None)
    inside = slice(2_400, 4_800)
    assert np.abs(heard[inside].astype(int) - tone(0.3, 24_000).samples[inside]).max() < 200


def test_two_voices_of_different_rates_follow_each_other() -> None:
    playout = Playout()
    playout.add(tone(0.05, 22_050))
    assert playout.add(tone(0.05, 16_000)) == pytest.approx(0.05, abs=1e-4)
    frames(playout, 5)
    assert playout.played == pytest.approx(0.1, abs=1e-4)


def test_a_starved_playout_goes_on_where_it_was() -> None:
    playout = Playout()
    playout.add(level(0.03))
    heard = frames(playout, 4)
    assert playout.played == pytest.approx(0.03)
    assert largest_step(heard[100:]) < LEVEL / 10
    assert playout.add(level(0.1)) == pytest.approx(0.03)


def test_a_duck_is_a_ramp_of_20_to_40_ms() -> None:
    playout = Playout(duck_db=15.0)
    playout.add(level(1.0))
    frames(playout, 2)
    playout.duck()
    quieter = frames(playout, 4)
    playout.unduck()
    louder = frames(playout, 4)
    assert quieter[-1] == pytest.approx(LEVEL * 10 ** (-15 / 20), abs=2)
    ramp = np.flatnonzero(np.diff(quieter.astype(int)))
    assert 0.02 <= (ramp[-1] - ramp[0]) / 24_000 <= 0.04
    assert louder[-1] == LEVEL
    assert largest_step(np.concatenate([quieter, louder])) < 20


def test_a_duck_before_anything_is_said_is_there_from_the_first_sound() -> None:
    playout = Playout(duck_db=20.0)
    playout.duck()
    playout.next_frame()
    playout.add(level(0.1))
    assert frames(playout, 1).max() <= LEVEL / 10 + 1


def test_a_pause_holds_the_clock_and_loses_no_sound() -> None:
    playout = Playout()
    playout.add(level(0.2))
    before = frames(playout, 3)
    playout.pause()
    held = frames(playout, 10)
    assert playout.played == pytest.approx(0.06)
    assert held[-VOICE_FRAME:].max() == 0
    playout.resume()
    after = frames(playout, 10)
    assert playout.played == pytest.approx(0.2)
    heard = np.concatenate([before, held, after])
    assert largest_step(heard) <= LEVEL / 45
    assert np.count_nonzero(after == LEVEL) >= 6 * VOICE_FRAME - 48 - 480


def test_a_pause_while_silent_stays_silent_until_it_is_over() -> None:
    playout = Playout()
    playout.pause()
    playout.add(level(0.1))
    assert frames(playout, 5).max() == 0
    assert playout.played == 0.0
    playout.resume()
    assert frames(playout, 1).max() == LEVEL


def test_a_clear_fades_out_in_one_frame_and_the_next_words_begin_where_it_stopped() -> None:
    playout = Playout()
    playout.add(level(1.0))
    before = frames(playout, 5)
    playout.clear()
    assert playout.queued == 0.0
    after = frames(playout, 3)
    assert largest_step(np.concatenate([before, after])) <= LEVEL / 450 + 1
    assert after[VOICE_FRAME:].max() == 0
    assert playout.played == pytest.approx(0.1)
    assert playout.add(level(0.1)) == pytest.approx(0.1)


def test_what_never_sounded_is_cleared_without_a_sound() -> None:
    playout = Playout()
    playout.add(level(1.0))
    playout.clear()
    assert frames(playout, 2).max() == 0


def test_a_clear_while_paused_is_silent() -> None:
    playout = Playout()
    playout.add(level(1.0))
    frames(playout, 2)
    playout.pause()
    frames(playout, 2)
    playout.clear()
    assert frames(playout, 2).max() == 0
    playout.resume()
    assert playout.next_frame() is None


def test_a_clear_while_ducked_does_not_become_louder() -> None:
    playout = Playout(duck_db=20.0)
    playout.add(level(1.0))
    frames(playout, 1)
    playout.duck()
    frames(playout, 5)
    playout.clear()
    assert frames(playout, 1).max() <= LEVEL / 10 + 1


def test_what_left_lately_is_known_with_the_silence_before_it() -> None:
    playout = Playout()
    playout.next_frame()
    playout.add(level(0.04))
    playout.next_frame()

    silence, frame = playout.recent
    assert not np.any(silence)
    assert len(silence) == len(frame) == VOICE_FRAME // 3, "at 8 kHz"
    assert np.all(frame[2:] == LEVEL)

    playout.forget_recent()
    playout.next_frame()
    assert not playout.recent
