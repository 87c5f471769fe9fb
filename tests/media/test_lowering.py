"""The agent's voice at a telephone's rate: its whole band, nothing else, at once and to its end."""

from __future__ import annotations

import numpy as np
import pytest

from media.audio import Samples
from media.codecs import inbound, outbound
from media.lowering import Lowering
from media.opus import VOICE_FRAME, VOICE_RATE, OpusSettings

LATE = {8_000: 0.002, 16_000: 0.0025}
"""Seconds, by the rate."""


def lowered(samples: Samples, rate: int, piece: int = VOICE_FRAME) -> Samples:
    lowering = Lowering(rate)
    pieces = [lowering.feed(samples[at : at + piece]) for at in range(0, len(samples), piece)]
    return np.concatenate(pieces)


def tone(hertz: float, seconds: float = 0.5) -> Samples:
    turns = np.arange(round(seconds * VOICE_RATE)) * hertz / VOICE_RATE
    return (np.sin(2 * np.pi * turns) * 10_000).astype(np.int16)


def level(samples: Samples) -> float:
    """dB below that of `tone`, its beginning and end left out."""
    inside = samples[len(samples) // 8 : -len(samples) // 8].astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(inside**2)) / 7_071 + 1e-6))


@pytest.mark.parametrize(
    ("rate", "hertz"), [(8_000, 300), (8_000, 3_300), (16_000, 300), (16_000, 7_000)]
)
def test_the_whole_band_is_there(rate: int, hertz: float) -> None:
    low = lowered(tone(hertz), rate)
    assert level(low) == pytest.approx(0.0, abs=0.7)
    spectrum = np.abs(np.fft.rfft(low * np.hanning(len(low))))
    assert np.argmax(spectrum) * rate / len(low) == pytest.approx(hertz, abs=4)


@pytest.mark.parametrize(
    ("rate", "hertz"), [(8_000, 4_300), (8_000, 11_500), (16_000, 8_300), (16_000, 11_500)]
)
def test_what_there_is_no_room_for_is_not_heard_as_something_else(rate: int, hertz: float) -> None:
    assert level(lowered(tone(hertz), rate)) < -50


@pytest.mark.parametrize("rate", LATE)
def test_a_sound_comes_in_its_time_and_the_last_one_too(rate: int) -> None:
    samples = np.zeros(10 * VOICE_FRAME, np.int16)
    clicks = np.array([600, len(samples) - 90])
    samples[clicks] = 30_000
    loud = np.abs(lowered(samples, rate).astype(int))
    half = len(loud) // 2
    found = np.array([np.argmax(loud[:half]), half + np.argmax(loud[half:])]) / rate
    assert list(found) == pytest.approx(list(clicks / VOICE_RATE + LATE[rate]), abs=0.51 / rate)


@pytest.mark.parametrize("rate", LATE)
def test_however_it_is_cut_the_same_comes_out(rate: int) -> None:
    noise = np.random.default_rng(1).integers(-32_768, 32_767, 4_800).astype(np.int16)
    whole = lowered(noise, rate, len(noise))
    assert len(whole) == len(noise) * rate // VOICE_RATE
    for piece in (3, 480, 960):
        assert np.array_equal(lowered(noise, rate, piece), whole)


@pytest.mark.parametrize("rate", LATE)
def test_who_is_put_back_goes_on_as_if_nothing_had_been_between(rate: int) -> None:
    sound = tone(440)
    lowering = Lowering(rate)
    lowering.feed(sound[:4_800])
    stood = lowering.past
    expected = lowering.feed(sound[4_800:])
    lowering.feed(sound[:3_000])
    lowering.past = stood
    assert np.array_equal(lowering.feed(sound[4_800:]), expected)
    lowering.reset()
    assert np.array_equal(lowering.feed(sound), Lowering(rate).feed(sound))


def test_a_wide_telephone_hears_the_last_word() -> None:
    codec, other = outbound("G722", OpusSettings()), inbound("G722")
    assert codec is not None and other is not None
    said = np.concatenate([np.zeros(4_800, np.int16), tone(440, 0.1)])
    heard = np.concatenate([other.decode(codec.encode(f)) for f in said.reshape(-1, VOICE_FRAME)])
    loud = np.flatnonzero(np.abs(heard) > 3_000) / 16_000
    assert loud[0] == pytest.approx(0.2, abs=0.006)
    assert loud[-1] > 0.29


@pytest.mark.parametrize("length", [1, 2, 5, 959, 960, 2_400])
def test_of_a_clients_plain_samples_less_than_three_are_kept_back(length: int) -> None:
    said = tone(440, 0.2)
    codec, sent = inbound("pcm24"), said.astype("<i2").tobytes()
    assert codec is not None
    heard = np.zeros(0, np.int16)
    for at in range(0, len(sent), length):
        heard = np.concatenate([heard, codec.decode(sent[at : at + length])])
        assert len(heard) == min(at + length, len(sent)) // 6 * 2
    assert np.array_equal(heard, lowered(said, 16_000))
