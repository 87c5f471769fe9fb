from __future__ import annotations

import numpy as np
import pytest

from media.audio import AudioChunk, Resampler, Samples, join, silence


def tone(rate: int, seconds: float = 1.0) -> Samples:
    turns = np.arange(round(rate * seconds)) * 440 * 2 * np.pi / rate
    return (np.sin(turns) * 10_000).astype(np.int16)


def resampled(samples: Samples, source: int, target: int, piece: int, prompt: bool) -> Samples:
    resampler = Resampler(source, target, prompt=prompt)
    parts = [resampler.feed(samples[i : i + piece]) for i in range(0, len(samples), piece)]
    return np.concatenate([*parts, resampler.flush()])


@pytest.mark.parametrize("prompt", [True, False])
@pytest.mark.parametrize(
    ("source", "target"), [(48_000, 16_000), (22_050, 48_000), (8_000, 16_000), (16_000, 16_000)]
)
def test_a_stream_in_pieces_sounds_like_the_stream(source: int, target: int, prompt: bool) -> None:
    heard = resampled(tone(source), source, target, source // 50, prompt)
    assert len(heard) == target
    inside = slice(target // 10, -target // 10)
    assert np.abs(heard[inside].astype(int) - tone(target)[inside]).max() < 150


def test_what_is_owed_comes_with_the_flush() -> None:
    resampler = Resampler(22_050, 48_000)
    given = len(resampler.feed(tone(22_050, 0.02)))
    owed = resampler.owed
    assert given + owed == 960
    assert len(resampler.flush()) == owed
    assert resampler.owed == 0
    assert len(resampler.flush()) == 0


def test_after_a_flush_a_new_stream_begins() -> None:
    resampler = Resampler(8_000, 16_000)
    first = [resampler.feed(tone(8_000)), resampler.flush()]
    second = [resampler.feed(tone(8_000)), resampler.flush()]
    difference = np.concatenate(first).astype(int) - np.concatenate(second)
    assert np.abs(difference).max() <= 2  # dither


def test_join_refuses_chunks_of_different_rates() -> None:
    with pytest.raises(ValueError, match="one rate"):
        join([silence(0.1), silence(0.1, 8_000)])
    with pytest.raises(ValueError, match="none"):
        join([])
    assert len(join([silence(0.1), AudioChunk(tone(16_000))])) == 17_600
