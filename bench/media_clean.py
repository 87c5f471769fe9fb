"""On a clean network: what each way of coming to 16 kHz has in PESQ beside aiortc's.

    python -m bench.media --quality

Nothing is lost, so all decode the very same packets by libopus, and what differs is how 16 kHz come
about: by libopus itself (here), or at 48 kHz and then by a resampler (FFmpeg's in aiortc's
examples). Two others stand beside: `soxr HQ`, which keeps more of the band than FFmpeg's, and
`soxr LQ`, which takes away most of what is above 6 kHz. What they differ by is what a difference
means.

A recording that has nothing above 4 kHz scores higher the more treble is taken away (what is there
is the codec's noise), a wide one scores lower: it is the treble that is judged, not the speech.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np
import soxr

from bench.media_quality import arrivals, heard_by_aiortc, heard_here, material, packets_of, quality
from media.audio import CALLER_RATE, AudioChunk, Samples
from media.opus import WIRE_RATE, Decoder


@dataclass(frozen=True, slots=True)
class Beside:
    """PESQ of one way less aiortc's, over the recordings of one kind."""

    way: str
    is_wide: bool
    score: float
    more: float
    spread: float
    """Standard deviation of `more` over the recordings."""
    least: float
    most: float


def measure() -> Iterator[Beside]:
    """Each kind of recording, each way."""
    for is_wide in (True, False):
        recorded = material(is_wide=is_wide)
        stock = [_score(said, _by_aiortc) for said in recorded]
        for way, hear in _WAYS.items():
            scores = [_score(said, hear) for said in recorded]
            more = [score - other for score, other in zip(scores, stock, strict=True)]
            yield Beside(way, is_wide, mean(scores), mean(more), stdev(more), min(more), max(more))


def table(rows: list[Beside]) -> str:
    """The rows as text."""
    head = "nothing lost    recordings   PESQ  beside aiortc  spread   least    most\n"
    return head + "\n".join(
        f"{row.way:<15} {'wide' if row.is_wide else 'telephone':<10} {row.score:>6.3f} "
        f"{row.more:>+14.3f} {row.spread:>7.3f} {row.least:>+7.3f} {row.most:>+7.3f}"
        for row in rows
    )


def _score(said: AudioChunk, hear: Callable[[list[bytes]], Samples]) -> float:
    return quality(said.samples, hear(packets_of(said, 0.0)))


def _here(packets: list[bytes]) -> Samples:
    return heard_here(arrivals(packets, loss=0.0, jitter=0.0, seed=0))


def _by_aiortc(packets: list[bytes]) -> Samples:
    return heard_by_aiortc(arrivals(packets, loss=0.0, jitter=0.0, seed=0))


def _by_soxr(packets: list[bytes], setting: str) -> Samples:
    decoder = Decoder(WIRE_RATE)
    wide = np.concatenate([decoder.decode(packet) for packet in packets])
    return np.asarray(soxr.resample(wide, WIRE_RATE, CALLER_RATE, setting), np.int16)


_WAYS: dict[str, Callable[[list[bytes]], Samples]] = {
    "here": _here,
    "aiortc": _by_aiortc,
    "48 kHz soxr HQ": lambda packets: _by_soxr(packets, "HQ"),
    "48 kHz soxr LQ": lambda packets: _by_soxr(packets, "LQ"),
}
