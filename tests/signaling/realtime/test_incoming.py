"""A socket's audio, at the pace of speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio import AudioChunk, join, level_db
from media.codecs import outbound
from media.microphone import Mark
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
    sent, incoming = tone(1.0, 24_000), Incoming(spoken)
    for start in range(0, len(sent), 480):
        incoming.take(codec.encode(sent[start : start + 480]))
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


def test_without_a_pace_audio_is_heard_as_fast_as_it_comes_and_silence_is_not_made() -> None:
    incoming = Incoming(Pcm())
    incoming.is_paced = False
    incoming.take(SECOND)
    mark = Mark("commit")
    incoming.mark(mark)
    incoming.take(SECOND)
    steps = [incoming.step() for _ in range(10)]
    heard = [each for step in steps for each in step]
    assert abs(heard.index(mark) - 50) <= 2 and abs(len(heard) - 101) <= 3
    assert len([step for step in steps if step]) <= 5, "25 chunks at a time"
    assert all(incoming.step() == [] for _ in range(2 * HESITATION))


def test_what_is_cleared_is_not_heard_and_what_was_committed_is() -> None:
    incoming = Incoming(Pcm())
    incoming.is_paced = False
    incoming.take(SECOND)
    incoming.mark(committed := Mark("commit"))
    incoming.take(SECOND)
    incoming.mark(cleared := Mark("clear"))
    heard = [each for _ in range(200) for each in incoming.step()]
    assert abs(heard.index(committed) - 50) <= 2
    assert heard[-2:] == [committed, cleared]


def test_moments_are_those_of_the_audio_that_was_sent() -> None:
    incoming = Incoming(Pcm())
    for _ in range(HESITATION + 50):
        incoming.step()  # a second of silence of our own
    incoming.take(SECOND)
    for _ in range(50 + HESITATION + 25):
        incoming.step()
    assert incoming.written(0.5) == 0.0
    assert incoming.written(1.5) == pytest.approx(0.5, abs=0.03)
    assert incoming.written(2.3) == pytest.approx(1.0, abs=0.05)
    for _ in range(100):  # many gaps: the places of the oldest are forgotten, not their length
        incoming.take(SECOND[: 48_000 // 50])
        for _ in range(HESITATION + 2):
            incoming.step()
    heard = incoming.heard
    assert incoming.written(heard) == pytest.approx(1.0 + 100 * 0.02, abs=0.05)
