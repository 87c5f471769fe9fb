"""What the agent's voice keeps of its quality in Opus, by the rate at which it is encoded.

    python -m bench.media --quality

A voice has nothing above half of its own rate (22.05 kHz of Piper's): encoded at 48 kHz it takes
bits for what is not there. The same speech is encoded both ways at the same bit rates, decoded as
it would be heard, and compared with what was said (PESQ, wide band); the CPU is that of the encoder
alone, of the process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean

import numpy as np
import soxr

from bench.media_quality import material, quality
from media.audio import CALLER_RATE, AudioChunk, Samples
from media.opus import VOICE_RATE, WIRE_RATE, Decoder, Encoder, OpusSettings

RATES = (12_000, 16_000, 24_000, 32_000)
"""Bits per second."""
_VOICE = 22_050
"""Hz of most of Piper's voices."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Speech at one bit rate, encoded at one rate."""

    bitrate: int
    rate: int
    pesq: float
    cpu: float
    """Milliseconds per second of speech."""


def measure() -> Iterator[Encoded]:
    """Each bit rate, each rate."""
    for bitrate in RATES:
        for rate in (WIRE_RATE, VOICE_RATE):
            found = [_one(said, bitrate, rate) for said in material(is_wide=True)]
            yield Encoded(bitrate, rate, mean(pesq for pesq, _ in found), mean(c for _, c in found))


def table(rows: list[Encoded]) -> str:
    """The rows as text."""
    head = "the agent's voice, kbit/s   encoded at   PESQ   CPU ms/s\n"
    return head + "\n".join(
        f"{row.bitrate / 1000:>25.0f} {row.rate / 1000:>8.0f} kHz {row.pesq:>6.2f} {row.cpu:>10.2f}"
        for row in rows
    )


def _one(said: AudioChunk, bitrate: int, rate: int) -> tuple[float, float]:
    encoder, decoder = Encoder(OpusSettings(bitrate=bitrate), rate), Decoder(CALLER_RATE)
    voice = _resampled(_resampled(said.samples, CALLER_RATE, _VOICE), _VOICE, rate)
    whole = voice[: len(voice) // (rate // 50) * (rate // 50)]
    begun = time.process_time()
    packets = encoder.encode_all(whole)
    cpu = time.process_time() - begun
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    return quality(said.samples, heard), cpu / (len(whole) / rate) * 1000


def _resampled(samples: Samples, given: int, wanted: int) -> Samples:
    return np.asarray(soxr.resample(samples, given, wanted), np.int16)
