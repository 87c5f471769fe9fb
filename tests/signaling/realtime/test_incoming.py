"""A socket's audio, at the pace of speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio import AudioChunk, join, level_db
from media.codecs import outbound
from media.opus import OpusSettings
from signaling.realtime.config import Pcm, Pcma, Pcmu
from signaling.realtime.incoming import BEHIND, CODECS, HESITATION, Incoming
from signaling.realtime.refusal import Refused

SECOND = bytes(48_000)


def tone(seconds: float, rate: int) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (9000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)


@given(st.lists(st.integers(0, 5000), max_size=20))
def test_audio_cut_anywhere_is_the_same_audio(cuts: list[int]) -> None:
    sound = tone(0.5, 24_000).astype("<i2").tobytes()
    whole, pieces = Incoming(Pcm()), Incoming(Pcm())
    whole.take(sound)
    rest = sound
    for cut in cuts:
        pieces.take(rest[:cut])
        rest = rest[cut:]
    pieces.take(rest)
    heard = [drained(each) for each in (whole, pieces)]
    assert abs(len(heard[0]) - len(heard[1])) <= 320
    length = min(len(heard[0]), len(heard[1]))
    difference = heard[0].samples[:length].astype(int) - heard[1].samples[:length]
    assert np.abs(difference).max() <= 2


def drained(incoming: Incoming) -> AudioChunk:
    """All that waits."""
    chunks: list[AudioChunk] = []
    while len(step := incoming.step()):
        chunks += step
    return join(chunks)


@pytest.mark.parametrize("spoken", [Pcm(), Pcmu(type="audio/pcmu"), Pcma(type="audio/pcma")])
def test_every_format_sounds_as_it_was_sent(spoken: Pcm | Pcmu | Pcma) -> None:
    codec = outbound(CODECS[spoken.type], OpusSettings())
    assert codec is not None
    sent, incoming = tone(1.0, 48_000), Incoming(spoken)
    for start in range(0, len(sent), 960):
        incoming.take(codec.encode(sent[start : start + 960]))
    heard = drained(incoming)
    assert abs(heard.seconds - 1.0) < 0.05
    assert abs(level_db(heard.samples[3200:]) - level_db(sent)) < 1.0
    spectrum = np.abs(np.fft.rfft(heard.samples[3200:12_800]))
    assert round(spectrum.argmax() * 16_000 / 9600) in range(438, 443)


def test_a_burst_is_handed_out_little_by_little() -> None:
    incoming = Incoming(Pcm())
    incoming.take(SECOND)
    counts = [len(incoming.step()) for _ in range(35)]
    assert set(counts[:20]) == {2}
    assert sum(counts) in (49, 50)
    assert counts.count(1) >= BEHIND - 1


def test_a_line_on_which_nothing_comes_is_silent_after_a_while() -> None:
    incoming = Incoming(Pcm())
    incoming.take(tone(0.1, 24_000).tobytes())
    while incoming.step():
        pass
    hesitating = [incoming.step() for _ in range(HESITATION - 1)]
    assert not any(hesitating)
    silent = incoming.step()
    assert silent and not silent[0].samples.any()


def test_the_format_may_change_between_two_pieces() -> None:
    incoming = Incoming(Pcm())
    incoming.take(SECOND)
    incoming.speak(Pcmu(type="audio/pcmu"))
    incoming.take(bytes(8000))
    assert abs(drained(incoming).seconds - 2.0) < 0.1


def test_more_than_two_minutes_are_refused_and_nothing_is_lost() -> None:
    incoming = Incoming(Pcm())
    for _ in range(119):
        incoming.take(SECOND)
    with pytest.raises(Refused, match="120 seconds"):
        incoming.take(SECOND * 3)
    assert abs(drained(incoming).seconds - 119.0) < 0.1
