"""When within its 20 ms a lone call is best read: shortly after the caller's packets come.

A socket that is read at a beat lets a packet wait for half a beat on average. Where a server has
one call, as most that people run for themselves do, the beat can follow the caller's: it is moved
once, while nothing is said, and again when clocks have drifted apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from media.opus import FRAME_SECONDS

ENOUGH = 12
"""Readings (half a second of a patient listener) that tell when packets come."""
_MARGIN = 0.0015
"""Seconds by which a packet should be there before its beat: no two come alike."""
_WORTHWHILE = 0.004
"""Seconds that must be gained on average; less is not worth a beat that is out of step."""
_GRID = np.arange(0.0, FRAME_SECONDS, 0.0005)


def advance(waits: Sequence[float]) -> float:
    """By how much sooner the beats should come, in seconds from 0 to 20 ms, when packets waited
    for so long each; 0: as they are."""
    if len(waits) < ENOUGH:
        return 0.0
    waiting = (np.asarray(waits)[:, None] - _MARGIN - _GRID) % FRAME_SECONDS
    means = waiting.mean(axis=0)
    best = int(means.argmin())
    return float(_GRID[best]) if means[0] - means[best] > _WORTHWHILE else 0.0
