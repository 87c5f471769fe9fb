"""The recordings beside the checkout as material: cut at known places, joined, mixed with noise.

Everything is 16 kHz mono. `Spoken` keeps where the voice begins and ends, so that what a server
did can be held against when a person really spoke.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from media.audio import CALLER_RATE, AudioChunk, Samples, level_db

TESTDATA = Path(__file__).resolve().parents[2] / "shared" / "testdata"
FRAME = CALLER_RATE // 100
"""Samples of 10 ms, the grain in which voice is found by its energy."""


class NoRecordings(SystemExit):
    """The recordings are not there; a benchmark on real speech can't be run without."""

    def __init__(self) -> None:
        super().__init__(f"No recordings: this needs the folder {TESTDATA}")


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """An utterance of a person. `begin` and `end`: where its voice is, in seconds of `audio`."""

    name: str
    text: str
    audio: AudioChunk
    begin: float
    end: float

    @property
    def voice(self) -> AudioChunk:
        """The utterance alone, with 50 ms on both sides."""
        begin, end = (round(at * CALLER_RATE) for at in (self.begin - 0.05, self.end + 0.05))
        return AudioChunk(self.audio.samples[max(0, begin) : end])


def read(path: Path) -> AudioChunk:
    """A recording of any rate and number of channels, as 16 kHz mono."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, CALLER_RATE)
    return AudioChunk((np.clip(mono, -1, 1) * 32767).astype(np.int16))


@cache
def utterances() -> tuple[Spoken, ...]:
    """Every recording that has a text, in the index's order. Raises NoRecordings."""
    index = TESTDATA / "speech.jsonl"
    if not index.is_file():
        raise NoRecordings
    rows = [json.loads(line) for line in index.open()]
    return tuple(spoken(row["audio"], row["text"]) for row in rows if row["text"])


@cache
def orders() -> tuple[Spoken, ...]:
    """The coffee orders of many speakers, of which no text is known. Raises NoRecordings."""
    index = TESTDATA / "speech.jsonl"
    if not index.is_file():
        raise NoRecordings
    rows = [json.loads(line) for line in index.open()]
    return tuple(spoken(row["audio"], "") for row in rows if not row["text"])


def spoken(name: str, text: str) -> Spoken:
    """The recording `name` (a path below the recordings' folder)."""
    audio = read(TESTDATA / name)
    begin, end = voice_bounds(audio)
    return Spoken(name, text, audio, begin, end)


def named(part: str) -> Spoken:
    """The utterance whose path contains `part`."""
    return next(each for each in utterances() if part in each.name)


def voice_bounds(audio: AudioChunk) -> tuple[float, float]:
    """Where the voice begins and ends: frames louder than 30 dB under the loudest."""
    levels = frame_levels(audio)
    loud = np.flatnonzero(levels > levels.max() - 30)
    return float(loud[0]) / 100, float(loud[-1] + 1) / 100


def frame_levels(audio: AudioChunk) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """dBFS of each 10 ms."""
    count = len(audio) // FRAME
    frames = audio.samples[: count * FRAME].reshape(count, FRAME)
    return np.array([level_db(frame) for frame in frames])


def gaps(audio: AudioChunk, *, at_least: float = 0.05) -> list[float]:
    """The middles of the quiet stretches inside the voice: word gaps, in seconds."""
    begin, end = voice_bounds(audio)
    levels = frame_levels(audio)
    quiet = levels < levels.max() - 28
    found: list[float] = []
    run = 0
    for index in range(round(begin * 100), round(end * 100)):
        if quiet[index]:
            run += 1
            continue
        if run / 100 >= at_least:
            found.append((index - run / 2) / 100)
        run = 0
    return found


def with_pause(audio: AudioChunk, at: float, seconds: float) -> AudioChunk:
    """`audio` with `seconds` of its own quiet put in at `at` seconds."""
    cut = round(at * CALLER_RATE)
    room = room_tone(audio, seconds)
    return AudioChunk(np.concatenate([audio.samples[:cut], room, audio.samples[cut:]]))


def room_tone(audio: AudioChunk, seconds: float) -> Samples:
    """Noise as loud as the quietest tenth of `audio`: a pause is not digital silence."""
    level = float(np.quantile(frame_levels(audio), 0.1))
    rng = np.random.default_rng(len(audio))
    hiss = rng.standard_normal(round(seconds * CALLER_RATE)) * 32768 * 10 ** (level / 20)
    return np.clip(hiss, -2000, 2000).astype(np.int16)


def mixed(audio: AudioChunk, noise: AudioChunk, *, snr_db: float) -> AudioChunk:
    """`audio` with `noise` (repeated as needed) at `snr_db` under its voice."""
    begin, end = (round(at * CALLER_RATE) for at in voice_bounds(audio))
    wanted = level_db(audio.samples[begin:end]) - snr_db
    gain = 10 ** ((wanted - level_db(noise.samples)) / 20)
    under = np.resize(noise.samples, len(audio)).astype(np.float32) * gain
    return AudioChunk(np.clip(audio.samples + under, -32768, 32767).astype(np.int16))


def noises() -> dict[str, AudioChunk]:
    """The recordings of what is no speech to the agent, by name."""
    folder = TESTDATA / "noise"
    if not folder.is_dir():
        raise NoRecordings
    return {path.stem: read(path) for path in sorted(folder.iterdir())}


def joined(parts: Sequence[AudioChunk | float]) -> AudioChunk:
    """Audio and seconds of silence, in order."""
    pieces = [
        np.zeros(round(part * CALLER_RATE), np.int16) if isinstance(part, float) else part.samples
        for part in parts
    ]
    return AudioChunk(np.concatenate(pieces))
