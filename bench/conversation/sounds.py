"""Sounds that are no speech, made here because no recording of them is at hand. 16 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from media.audio import CALLER_RATE, AudioChunk

Wave = npt.NDArray[np.float64]


def breath(seconds: float) -> AudioChunk:
    """Breathing into a microphone: noise like that of air, a second in, a second out."""
    at = _times(seconds)
    rng = np.random.default_rng(1)
    air = np.convolve(rng.standard_normal(len(at)), np.hanning(24), mode="same")
    return _chunk(air * np.clip(np.sin(2 * np.pi * at / 2.2), 0, 1) ** 1.5)


def music(seconds: float) -> AudioChunk:
    """Chords with a tune above them, with overtones and struck notes: music on hold."""
    at = _times(seconds)
    chords = ((220.0, 277.2, 329.6), (196.0, 246.9, 293.7), (174.6, 220.0, 261.6))
    tune = (659.3, 587.3, 523.3, 587.3, 659.3, 784.0)
    wave = np.zeros_like(at)
    for number in range(int(seconds * 2) + 1):
        begin = number / 2
        note = np.where(at >= begin, np.exp(-3 * np.clip(at - begin, 0, None)), 0.0)
        for tone in (*chords[number // 4 % 3], tune[number % 6]):
            for overtone in (1, 2, 3, 4):
                wave += note * np.sin(2 * np.pi * tone * overtone * at) / overtone**1.5
    return _chunk(wave)


def siren(seconds: float) -> AudioChunk:
    """Up and down between 600 and 1500 Hz in four seconds."""
    at = _times(seconds)
    pitch = 1050 + 450 * np.sin(2 * np.pi * at / 4)
    phase = 2 * np.pi * np.cumsum(pitch) / CALLER_RATE
    return _chunk(np.sin(phase) + 0.3 * np.sin(3 * phase))


def steady(seconds: float) -> AudioChunk:
    """A mains hum with a fan over it."""
    at = _times(seconds)
    hum = sum(np.sin(2 * np.pi * 50 * n * at) / n for n in (1, 2, 3, 4, 6))
    return _chunk(hum + 0.2 * np.random.default_rng(2).standard_normal(len(at)))


def _times(seconds: float) -> Wave:
    return np.arange(round(seconds * CALLER_RATE)) / CALLER_RATE


def _chunk(wave: Wave) -> AudioChunk:
    return AudioChunk((wave / np.max(np.abs(wave)) * 20_000).astype(np.int16))
