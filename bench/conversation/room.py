"""A made room: the agent's voice from a loudspeaker, as the caller's microphone hears it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.conversation.sounds import Wave
from media.audio import Samples
from media.opus import FRAME, FRAME_SECONDS, WIRE_RATE


@dataclass(frozen=True, slots=True)
class Walls:
    """What a room does to a sound: later by `delay` seconds, `level` decibels louder (negative),
    ringing on for `ringing` seconds, in which it fades by 36 dB."""

    delay: float
    level: float
    ringing: float = 0.05


class Reverberation:
    """Sound of 20 ms at 48 kHz after another, without its treble and with a decaying ring."""

    def __init__(self, walls: Walls) -> None:
        response = _response(walls)
        self._size = 2 ** int(np.ceil(np.log2(FRAME + len(response))))
        # Multiplied as spectra: a long ring would take a hundred times as long otherwise.
        self._response = np.fft.rfft(response, self._size)
        self._tail = np.zeros(self._size - FRAME)

    def feed(self, frame: npt.NDArray[np.float64] | Samples) -> Wave:
        sound = np.fft.irfft(np.fft.rfft(frame, self._size) * self._response, self._size)
        sound[: len(self._tail)] += self._tail
        self._tail = sound[FRAME:].copy()
        return sound[:FRAME]


class Room:
    """What comes back of the frames that are played in it, one for each that is heard."""

    def __init__(self, walls: Walls, *, begins: float = 0.0) -> None:
        """`begins`: seconds after which the loudspeaker is switched on."""
        self._reverberation = Reverberation(walls)
        self._way: deque[Samples | None] = deque([None] * round(walls.delay / FRAME_SECONDS))
        self._until_on = round(begins / FRAME_SECONDS)

    def hear(self, played: Samples | None) -> Wave:
        """20 ms of the microphone, while the agent says `played` (960 samples; None: nothing)."""
        self._until_on -= 1
        self._way.append(played if self._until_on < 0 else None)
        frame = self._way.popleft()
        return self._reverberation.feed(np.zeros(FRAME) if frame is None else frame)


def _response(walls: Walls) -> Wave:
    """A direct sound and a decaying ring behind it, without treble, of the gain `walls.level`."""
    at = np.arange(round(walls.ringing * WIRE_RATE)) / WIRE_RATE
    fading = np.exp(-at / (walls.ringing / 4.2))
    ring = 0.05 * np.random.default_rng(5).standard_normal(len(at)) * fading
    ring[0] = 1.0
    low = np.hanning(17)
    low /= low.sum()
    response: Wave = np.convolve(ring, low)
    response *= 10 ** (walls.level / 20) * np.linalg.norm(low) / np.linalg.norm(response)
    return response
