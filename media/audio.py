"""Audio as the rooms hand it to each other: mono int16 samples and their rate.

Inside the server a caller's audio is always `CALLER_RATE`; a voice speaks at its own rate and the
speaker resamples once, on the way out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

CALLER_RATE = 16_000
"""Hz; every chunk that a microphone yields."""


@dataclass(frozen=True, slots=True, eq=False)
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
