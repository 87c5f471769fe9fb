"""Audio as the modules hand it to each other: mono int16 samples and their rate.

Inside the server a caller's audio is always `CALLER_RATE`; a voice speaks at its own rate and the
speaker resamples once, on the way out. `Resampler` is the one way from a rate to another: it keeps
its state between pieces, so that a stream cut into pieces sounds like the stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.int16]

CALLER_RATE = 16_000
"""Hz; every chunk that a microphone yields."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AudioChunk:
    """A piece of mono audio: `samples` of shape (n,), int16, at `rate` Hz."""

    samples: Samples
    rate: int = CALLER_RATE

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def silence(seconds: float, rate: int = CALLER_RATE) -> AudioChunk:
    """A chunk of digital silence of about `seconds`."""
    return AudioChunk(np.zeros(round(seconds * rate), np.int16), rate)


def join(chunks: list[AudioChunk]) -> AudioChunk:
    """The chunks as one, in order. Raises ValueError when empty or when the rates differ."""
    rates = {chunk.rate for chunk in chunks}
    if len(rates) != 1:
        raise ValueError(f"join needs chunks of one rate, got {sorted(rates) or 'none'}")
    return AudioChunk(np.concatenate([chunk.samples for chunk in chunks]), rates.pop())


_FEEDS = 20
"""Pieces of a second that soxr is fed at once. It keeps buffers for the longest that it ever got:
half a megabyte in each call for a second, a quarter of that for 50 ms, which take no longer."""


class Resampler:
    """A stream of samples brought from one rate to another, piece by piece, without seams.

    What comes out lags a little behind what went in (`owed` samples) until `flush`. Equal rates
    cost nothing.
    """

    def __init__(self, source: int, target: int, *, prompt: bool = False) -> None:
        """`prompt`: hold back 6 ms instead of up to 35, for a little less treble (live audio)."""
        self.source = source
        self.target = target
        self._stream = None
        if source != target:
            quality = "LQ" if prompt else "HQ"
            self._stream = soxr.ResampleStream(source, target, 1, dtype="int16", quality=quality)
        self._taken = 0
        self._given = 0
        self.owed = 0
        """Samples at the target rate that were put in and did not come out yet."""

    def feed(self, samples: Samples) -> Samples:
        """Take samples of shape (n,) and give those that are ready."""
        if self._stream is None:
            return samples
        step = max(1, self.source // _FEEDS)
        pieces = [samples[at : at + step] for at in range(0, len(samples), step)] or [samples]
        given = [self._stream.resample_chunk(piece) for piece in pieces]
        return self._account(len(samples), given[0] if len(given) == 1 else np.concatenate(given))

    def will_owe(self, samples: int) -> int:
        """What would be owed if so many samples more were put in, and nothing came out."""
        total = round((self._taken + samples) * self.target / self.source)
        return max(0, total - self._given)

    def flush(self) -> Samples:
        """The rest of what was fed; the next `feed` begins a new stream."""
        if self._stream is None or not self.owed:
            return np.zeros(0, np.int16)
        owed = self.owed
        rest = self._stream.resample_chunk(np.zeros(0, np.int16), last=True)[:owed]
        self._stream.clear()
        self._taken = self._given = self.owed = 0
        return np.asarray(rest, np.int16)

    def _account(self, taken: int, given: Samples) -> Samples:
        self._taken += taken
        self._given += len(given)
        self.owed = self.will_owe(0)
        return np.asarray(given, np.int16)


def level_db(samples: Samples) -> float:
    """The level of `samples` in dBFS (root mean square; full scale is 0); -100 for silence."""
    if not len(samples):
        return -100.0
    scaled = samples.astype(np.float32)
    power = float(np.dot(scaled, scaled)) / len(samples) / 32768.0**2
    return max(-100.0, 10.0 * math.log10(power)) if power > 0 else -100.0
