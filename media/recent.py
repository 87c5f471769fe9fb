"""What left a speaker lately, for whoever looks for it in what comes in.

Many calls never ask, so a frame is kept as it left at first; several at once are brought to the
8 kHz in which they are kept: one by one that cost as much as half of the encoding. The compiled
part takes less than half of that, above all where NumPy's code is in no cache.
"""

from __future__ import annotations

import numpy as np

from media.audio import Samples
from media.native import native
from media.opus import VOICE_FRAME

_KEPT = 45
"""Frames: 0.9 s."""
_TOGETHER = 5
"""Frames that are narrowed at once: as many wait at 24 kHz, 5 KB."""
_RATIO = 3
"""24 kHz to 8."""
_NARROW = VOICE_FRAME // _RATIO
_SUM = np.ones(_RATIO, np.float32)
_SILENCE = np.zeros(VOICE_FRAME, np.int16)
_SCRATCH = np.empty(_TOGETHER * VOICE_FRAME, np.int16)
"""Where frames are narrowed, one call's after the other's, in the loop's thread."""


class Recent:
    """The frames that left last."""

    def __init__(self) -> None:
        self._wide: list[Samples] = []
        self._ring: Samples = np.zeros((_KEPT, _NARROW), np.int16)
        self._narrowed = 0
        """Frames that were put into the ring."""
        self._native = native()
        if self._native is not None:
            from_buffer = self._native.ffi.from_buffer
            self._from, self._to = (
                from_buffer("int16_t[]", each) for each in (_SCRATCH, self._ring)
            )

    def add(self, frame: Samples | None) -> None:
        """20 ms passed, with a frame of shape (480,), which is not to be written to, or none."""
        self._wide.append(_SILENCE if frame is None else frame)
        if len(self._wide) == _TOGETHER:
            self._narrow_all()

    @property
    def frames(self) -> tuple[Samples, ...]:
        """Up to 45 frames at 8 kHz (160 samples), the newest last; silence where none left."""
        if self._wide:
            self._narrow_all()
        oldest = max(0, self._narrowed - _KEPT)
        return tuple(self._ring[np.arange(oldest, self._narrowed) % _KEPT])

    def _narrow_all(self) -> None:
        """The mean of each three samples, cut to a whole number."""
        first, count = self._narrowed, len(self._wide)
        wide = np.concatenate(self._wide, out=_SCRATCH[: count * VOICE_FRAME])
        if self._native is not None:
            self._native.lib.narrow_frames(self._from, count, self._to, _KEPT, first, _NARROW)
        else:
            means = wide.astype(np.float32).reshape(-1, _RATIO) @ _SUM / _RATIO
            places = np.arange(first, first + count) % _KEPT
            self._ring[places] = means.reshape(count, -1).astype(np.int16)
        self._narrowed += count
        self._wide.clear()
