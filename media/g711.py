"""G.711 (PCMU and PCMA of RFC 3551), what telephones speak.

What is encoded depends on nothing but the samples, the last 4 ms before a frame included, so the
encoder can go back to where it stood."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from media.audio import Samples
from media.lowering import TELEPHONE_RATE, Lowering

Bytes = npt.NDArray[np.uint8]

_FRAME = 160
"""Samples at 8 kHz of 20 ms, and their bytes."""


class Encoder:
    """Frames of 20 ms at 24 kHz to payloads of 160 bytes."""

    def __init__(self, table: Bytes) -> None:
        """`table`: of the codec, from sample to byte; see `inverse`."""
        self._table = table
        self._lowering = Lowering(TELEPHONE_RATE)
        self.silence = table[np.zeros(_FRAME, np.uint16)].tobytes()

    def encode(self, samples: Samples) -> bytes:
        """One frame, or some in a row as one payload."""
        return self._table[self._lowering.feed(samples).view(np.uint16)].tobytes()

    def encode_all(self, samples: Samples) -> list[bytes]:
        """Frames in a row, of shape (n · 480,)."""
        sound = self.encode(samples)
        return [sound[at : at + _FRAME] for at in range(0, len(sound), _FRAME)]

    def state(self) -> Samples:
        """Where it stands, to `restore` later."""
        return self._lowering.past

    def restore(self, state: Samples) -> None:
        """Stand there again."""
        self._lowering.past = state

    def reset(self) -> None:
        """Forget what went before."""
        self._lowering.reset()


def mu_law() -> Samples:
    """G.711's table of µ-law, byte to sample."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = ((code & 0x0F).astype(np.int32) << 3) + 0x84 << ((code & 0x70) >> 4)
    return np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.int16)


def a_law() -> Samples:
    """G.711's table of A-law, byte to sample."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((code & 0x70) >> 4).astype(np.int32)
    mantissa = ((code & 0x0F).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent == 0, mantissa, (mantissa + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def inverse(table: Samples) -> Bytes:
    """The nearest byte for each of the 65,536 samples, found by their bits as uint16."""
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return order[np.searchsorted((levels[1:] + levels[:-1]) / 2, samples)].astype(np.uint8)
