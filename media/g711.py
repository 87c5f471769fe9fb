"""G.711 (PCMU and PCMA of RFC 3551), what telephones speak: its tables, and the way to 8 kHz.

What is encoded depends on nothing but the samples, the last 4 ms before a frame included, so the
encoder can go back to where it stood."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from media.audio import Samples
from media.opus import VOICE_RATE

Bytes = npt.NDArray[np.uint8]

_FRAME = 160
"""Samples at 8 kHz of 20 ms, and their bytes."""


class Encoder:
    """Frames of 20 ms at 24 kHz to payloads of 160 bytes."""

    def __init__(self, table: Bytes) -> None:
        """`table`: of the codec, from sample to byte; see `inverse`."""
        self._table = table
        self._thirding = Thirding()
        self.silence = table[np.zeros(_FRAME, np.uint16)].tobytes()

    def encode(self, samples: Samples) -> bytes:
        """One frame, or some in a row as one payload."""
        return self._table[self._thirding.feed(samples).view(np.uint16)].tobytes()

    def encode_all(self, samples: Samples) -> list[bytes]:
        """Frames in a row, of shape (n · 480,)."""
        sound = self.encode(samples)
        return [sound[at : at + _FRAME] for at in range(0, len(sound), _FRAME)]

    def state(self) -> Samples:
        """Where it stands, to `restore` later."""
        return self._thirding.past

    def restore(self, state: Samples) -> None:
        """Stand there again."""
        self._thirding.past = state

    def reset(self) -> None:
        """Forget what went before."""
        self._thirding.past = np.zeros_like(self._thirding.past)


class Thirding:
    """24 to 8 kHz, 2 ms late: each sample is the windowed sinc of the 97 around it, down by 0.6 dB
    at 3.4 kHz and by 36 dB at 4.1 kHz.

    soxr would hold back 40 ms, which are lost at the end of what is said, and tells nobody where it
    stands. Here that is the last samples, and the same come out to the bit however the stream was
    cut: the taps are multiples of 2^-20, so doubles hold their sums exactly in any order."""

    def __init__(self) -> None:
        taps = np.sinc(np.arange(-48, 49) * 2 * 3_700 / VOICE_RATE) * np.kaiser(97, 6.5)
        self._taps = np.rint(taps / taps.sum() * 2**20) / 2**20
        self.past: Samples = np.zeros(96, np.int16)
        """What is still to be heard of what was fed; never written to."""

    def feed(self, samples: Samples) -> Samples:
        """Samples of shape (3n,), as n at 8 kHz."""
        known = np.concatenate([self.past, samples])
        self.past = known[-96:].copy()
        # NumPy takes the longer one for the stream: of no samples it would make some.
        low = np.convolve(known, self._taps, "valid")[: len(samples) : 3]
        return np.clip(np.rint(low), -32768, 32767).astype(np.int16)


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
