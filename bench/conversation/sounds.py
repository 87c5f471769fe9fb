"""Sounds that are no speech, made here because no recording of them is at hand. 16 kHz."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from media.audio import CALLER_RATE, AudioChunk, level_db

Wave = npt.NDArray[np.float64]


def made(seconds: float) -> dict[str, AudioChunk]:
    """All of them, by name."""
    makers = {"breath": breath, "music": music, "door": door, "siren": siren, "hum": steady}
    return {name: make(seconds) for name, make in makers.items()}


def at_level(audio: AudioChunk, level: float, *, seconds: float = 10.0) -> AudioChunk:
    """`audio`, repeated or cut to `seconds`, so loud that its loudest second has `level` dBFS."""
    samples = np.resize(audio.samples, round(seconds * CALLER_RATE))
    loudest = max(
        level_db(samples[start : start + CALLER_RATE])
        for start in range(0, len(samples), CALLER_RATE)
    )
    scaled = samples.astype(np.float32) * 10 ** ((level - loudest) / 20)
    return AudioChunk(np.clip(scaled, -32768, 32767).astype(np.int16))


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


def door(seconds: float) -> AudioChunk:
    """A door that creaks open and slams shut, every four seconds: hinges that stick and slip, then
    a bang of air, wood that rings for a moment, and the latch."""
    at = _times(seconds) % 4.0
    rng = np.random.default_rng(3)
    pitch = 180 + 60 * np.sin(2 * np.pi * at / 1.5)
    slips = np.clip(np.sin(2 * np.pi * np.cumsum(pitch) / CALLER_RATE), 0, 1) ** 8
    creak = 0.15 * slips * np.where((at > 0.5) & (at < 1.6), np.sin(2 * np.pi * 900 * at), 0.0)
    after = np.clip(at - 2.0, 0, None)
    struck = np.where(at >= 2.0, np.exp(-after / 0.06), 0.0)
    bang = struck * (rng.standard_normal(len(at)) * 0.5 + np.sin(2 * np.pi * 90 * after))
    ring = 0.4 * np.where(at >= 2.0, np.exp(-after / 0.25), 0.0) * np.sin(2 * np.pi * 170 * after)
    latch = np.where((at > 2.12) & (at < 2.13), rng.standard_normal(len(at)), 0.0)
    return _chunk(creak + bang + ring + 0.5 * latch)


def steady(seconds: float) -> AudioChunk:
    """A mains hum with a fan over it."""
    at = _times(seconds)
    hum = sum(np.sin(2 * np.pi * 50 * n * at) / n for n in (1, 2, 3, 4, 6))
    return _chunk(hum + 0.2 * np.random.default_rng(2).standard_normal(len(at)))


def _times(seconds: float) -> Wave:
    return np.arange(round(seconds * CALLER_RATE)) / CALLER_RATE


def _chunk(wave: Wave) -> AudioChunk:
    return AudioChunk((wave / np.max(np.abs(wave)) * 20_000).astype(np.int16))
