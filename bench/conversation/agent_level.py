"""What became of the agent's voice at the caller: when it got quieter, when it fell silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.opus import FRAME_SECONDS
from signaling.recording import Recording
from signaling.voice_track import level

QUIETER_DB = 6.0
STEADY = 0.3
"""Seconds that it must stay quieter: longer than the pauses between its words."""
AUDIBLE = -60.0
"""dBFS above which a frame is sound, be it a ducked one."""
UNDER_WAY = 0.25
"""Seconds for which what left before may still arrive."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The agent's frames: when each came (loop time), and its dBFS."""

    at: Sequence[float]
    db: Sequence[float]

    def usual(self, before: float) -> float:
        """How loud its voice was in the seconds before."""
        there = [db for at, db in zip(self.at, self.db, strict=True) if before - 4 <= at < before]
        voiced = [db for db in there if db > AUDIBLE]
        return float(np.percentile(voiced, 80)) if voiced else -30.0

    def quieter(self, since: float, usual: float) -> float | None:
        """When it became quieter by 6 dB for a while; None when it did not."""
        loud = [
            at
            for at, db in zip(self.at, self.db, strict=True)
            if at >= since and db > usual - QUIETER_DB
        ]
        edges = [since, *(at + FRAME_SECONDS for at in loud), self.at[-1] + STEADY]
        for edge, following in zip(edges, edges[1:], strict=False):
            if following - edge >= STEADY:
                return edge
        return None

    def last_sound(self, since: float, told: float) -> float | None:
        """When its last sound from `since` on had come, its end being `told` of.

        What is under way then arrives without a pause; after one the next reply begins."""
        pairs = zip(self.at, self.db, strict=True)
        until = told + UNDER_WAY
        until = next((at for at, db in pairs if told <= at < until and db <= AUDIBLE), until)
        there = [
            at
            for at, db in zip(self.at, self.db, strict=True)
            if since <= at < until and db > AUDIBLE
        ]
        return there[-1] + FRAME_SECONDS if there else None


def levels_since(recording: Recording, since: float) -> Levels:
    """The frames that came from `since` (loop time) on."""
    frames = [frame for frame in recording.frames if frame.at >= since]
    return Levels([frame.at for frame in frames], [level(frame.samples) for frame in frames])
