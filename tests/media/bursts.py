"""A caller who speaks in bursts, and when each of them was heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from media.audio import CALLER_RATE, Samples

LOUD = 2_000
"""A piece with a sample as large is loud."""
_QUIET = 0.3
"""Seconds of quiet from which a loud piece begins a burst."""


def onsets(pieces: Iterable[tuple[float, Samples]]) -> Iterator[float]:
    """When bursts began to be heard, of 16 kHz pieces with the time at which each was heard."""
    quiet = 0.0
    for at, samples in pieces:
        if np.abs(samples).max(initial=0) < LOUD:
            quiet += len(samples) / CALLER_RATE
            continue
        if quiet > _QUIET:
            yield at
        quiet = 0.0
