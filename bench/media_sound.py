"""What both sides of `bench.media` say: recorded speech where it is there, otherwise a babble of
tones that changes as fast; a room in which nobody talks; and bursts, to measure how long a sound is
on its way."""

from __future__ import annotations

from functools import cache

import numpy as np
import soundfile
import soxr

from bench.recordings import TESTDATA
from media.audio import Samples

SPEECH = "misc/whisper__jfk.flac"
WAIT = 0.2
"""Seconds of silence that end the caller's turn; the least of what the others wait."""


@cache
def speech(rate: int) -> Samples:
    """Eleven seconds of speech at `rate`, mono."""
    path = TESTDATA / "speech" / SPEECH
    if path.is_file():
        samples, recorded = soundfile.read(path, dtype="float32", always_2d=True)
        voice = soxr.resample(samples.mean(axis=1), recorded, rate)
    else:
        time = np.arange(11 * rate) / rate
        pitch = 140 + 60 * np.sin(2 * np.pi * 0.7 * time)
        glide = 2 * np.pi * np.cumsum(pitch) / rate
        voice = sum(np.sin(n * glide) / n for n in range(1, 20)) * (np.sin(9 * time) > -0.3) / 4
    return np.asarray(np.clip(voice, -1, 1) * 32767, np.int16)


def room(rate: int) -> Samples:
    """Three seconds of a microphone's noise, at -72 dBFS."""
    return np.asarray(np.random.default_rng(1).normal(0, 8, 3 * rate), np.int16)


def bursts(rate: int, seconds: int) -> Samples:
    """A tone of 0.4 s at the start of every second."""
    time = np.arange(seconds * rate) / rate
    tone = np.sin(2 * np.pi * 500 * time) * 16_000
    return np.asarray(tone * (time % 1.0 < 0.4), np.int16)
