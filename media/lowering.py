"""Speech brought from 24 kHz to 8 or 16: at once, and to its end.

soxr would hold back 20 to 40 ms, which are lost at the end of what is said, and tells nobody where
it stands. Here that is the last samples, and the same come out to the bit however the stream was
cut: the taps are multiples of 2^-20, so doubles hold their sums exactly in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from media.audio import CALLER_RATE, Samples
from media.opus import VOICE_RATE

TELEPHONE_RATE = 8_000
"""Hz of G.711."""
_KAISER = 6.5
"""The window's shape: what is 600 Hz beyond the middle of the edge is down by 60 dB."""

Taps = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Way:
    """To a rate, by a windowed sinc. Between two samples stand `times - 1` places for others, and
    every third of all of them leaves."""

    times: int
    middle: float
    """Hz at which half is left of a sound's amplitude."""
    reach: int
    """Places to each side that a sample is made of."""


_WAYS = {TELEPHONE_RATE: _Way(1, 3_700, 48), CALLER_RATE: _Way(2, 7_500, 120)}


class Lowering:
    """A stream from 24 kHz to 8, 2 ms late and down by 0.6 dB at 3.4 kHz, or to 16, 2.5 ms late and
    even up to 7 kHz."""

    def __init__(self, rate: int) -> None:
        self._phases = _phases(rate)
        self._kept = len(self._phases[0]) - 1
        self.past: Samples = np.zeros(self._kept, np.int16)
        """Where it stands: what is still to be heard of what was fed; never written to."""

    def feed(self, samples: Samples) -> Samples:
        """Samples of shape (3n,), as n or 2n."""
        known = np.concatenate([self.past, samples])
        self.past = known[len(known) - self._kept :].copy()
        low = np.empty((len(samples) // 3, len(self._phases)))
        if len(samples):  # NumPy takes the longer one for the stream: of no samples it makes some.
            for place, taps in enumerate(self._phases):
                low[:, place] = np.convolve(known, taps, "valid")[place : len(samples) : 3]
        return np.clip(np.rint(low.reshape(-1)), -32768, 32767).astype(np.int16)

    def reset(self) -> None:
        """Forget what went before."""
        self.past = np.zeros(self._kept, np.int16)


@cache
def _phases(rate: int) -> tuple[Taps, ...]:
    """The taps for each of the samples that leave for three."""
    way = _WAYS[rate]
    places = np.arange(-way.reach, way.reach + 1)
    taps = np.sinc(places * 2 * way.middle / (VOICE_RATE * way.times)) * np.kaiser(
        len(places), _KAISER
    )
    whole = np.rint(taps / taps.sum() * way.times * 2**20) / 2**20
    padded = np.concatenate([whole, np.zeros(-len(whole) % way.times)])
    return tuple(padded[phase :: way.times] for phase in range(way.times))
