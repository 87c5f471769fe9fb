"""How much of a reply arrived, by its sound: the last of what came is looked up in the whole reply.

Neither a pause between two sentences, nor a reply that began anew, nor a duck misleads that: only
what was played is found. It asks for a voice that speaks a text always alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from media.audio import AudioChunk, Resampler
from signaling.recording import HeardFrame

RATE = 8000
LOOKED_UP = 0.8
"""Seconds before the end that are looked up: longer than a pause between sentences."""
LEAD = 0.1
"""By how much the correlation must be higher than anywhere else. In 1063 places of received
replies, ducked ones among them, the right one led by 0.19 at least."""
NEAR = round(0.05 * RATE)
"""Samples around a place that are no other place."""

Wave = npt.NDArray[np.float64]


class WholeReply:
    """The sound of all that is said, as made."""

    def __init__(self, sound: AudioChunk) -> None:
        # In front of it is silence: frames may begin before the reply does.
        self._wave = np.concatenate([np.zeros(round(LOOKED_UP * RATE)), _wave(sound)])
        self._energy = np.concatenate([[0.0], np.cumsum(self._wave**2)])

    def place(self, frames: Sequence[HeardFrame]) -> float | None:
        """Seconds of the reply that were over when the last of `frames` (48 kHz) was.

        0 when there is none; None when their sound is nowhere in the reply."""
        if not frames:
            return 0.0
        last = _wave(AudioChunk(np.concatenate([frame.samples for frame in frames]), 48_000))
        last = last[-round(LOOKED_UP * RATE) :]
        alike = self._alike(last)
        best = int(np.argmax(alike))
        elsewhere = np.concatenate([alike[: max(0, best - NEAR)], alike[best + NEAR :]])
        is_clear = alike[best] >= np.max(elsewhere, initial=0.0) + LEAD
        return (best + len(last)) / RATE - LOOKED_UP if is_clear else None

    def _alike(self, part: Wave) -> Wave:
        """The normalised correlation of `part` with the reply from each of its samples on."""
        size = 1 << (len(self._wave) + len(part)).bit_length()
        spectrum = np.fft.rfft(self._wave, size) * np.conj(np.fft.rfft(part, size))
        places = len(self._wave) - len(part) + 1
        products = np.fft.irfft(spectrum, size)[:places]
        energy = self._energy[len(part) :] - self._energy[:places]
        alike: Wave = products / np.sqrt(np.maximum(energy * np.sum(part**2), 1.0))
        return alike


def _wave(sound: AudioChunk) -> Wave:
    resampler = Resampler(sound.rate, RATE)
    return np.concatenate([resampler.feed(sound.samples), resampler.flush()]).astype(np.float64)
