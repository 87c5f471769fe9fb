"""A voice's raw clip made ready to be played: silence at its edges as long as it should be, a fixed
gain, int16.

Voices put 50 to 200 ms of near silence around a sentence. In front it is waiting time for the
caller; at the end it decides the rhythm between two sentences. A clip's level is never fitted to
its own peak: short clips would come out louder than long ones.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from media.audio import Samples

Wave = npt.NDArray[np.float32]
"""Mono samples, 1.0 being full scale."""

_WINDOW = 0.005
"""Seconds over which a level is taken."""
_FADE = 0.004
"""Seconds of the ramps at both edges, so that no cut clicks."""


def sounding(wave: Wave, rate: int, *, below_peak_db: float) -> tuple[int, int]:
    """The first and the last sample (exclusive) of what is louder than the loudest 5 ms less
    `below_peak_db` dB. The whole wave when it is silent."""
    window = max(1, round(rate * _WINDOW))
    count = len(wave) // window
    if not count:
        return 0, len(wave)
    power = np.square(wave[: count * window]).reshape(count, window).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_peak_db / 10))
    if not loud.size:
        return 0, len(wave)
    end = len(wave) if loud[-1] == count - 1 else (int(loud[-1]) + 1) * window
    return int(loud[0]) * window, end


def edged(wave: Wave, rate: int, start: int, end: int, *, lead: float, trail: float) -> Wave:
    """The wave from at most `lead` seconds before `start`, with exactly `trail` seconds after
    `end`: cut, or filled up with silence. Its edges are faded."""
    first = max(0, start - round(lead * rate))
    last = end + round(trail * rate)
    clip = wave[first : min(last, len(wave))].copy()
    fade = min(round(rate * _FADE), len(clip) // 2)
    if fade:
        ramp = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        clip[:fade] *= ramp
        clip[-fade:] *= ramp[::-1]
    return np.pad(clip, (0, max(0, last - len(wave))))


def to_int16(wave: Wave, gain: float) -> Samples:
    """Scaled by `gain`; what is beyond full scale is clipped."""
    samples: Samples = np.clip(np.rint(wave * (gain * 32767)), -32767, 32767).astype(np.int16)
    return samples
