"""Sound in a row that waits to leave, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

from media.audio import Samples
from media.clips import Clip
from media.opus import FRAME


@dataclass(slots=True, eq=False)
class Stretch:
    """Whole frames at 48 kHz, of shape (n·960,), not to be written to; those before sample `begin`
    have left. `clip`: they are a clip's."""

    samples: Samples
    clip: Clip | None = None
    begin: int = 0

    @property
    def left(self) -> int:
        """Samples that have not left."""
        return len(self.samples) - self.begin

    def peek(self) -> Samples:
        """The next frame."""
        return self.samples[self.begin : self.begin + FRAME]

    def take(self) -> Samples:
        """The next frame, which leaves."""
        frame = self.peek()
        self.begin += FRAME
        return frame

    def run(self, most: int) -> Run:
        """The frames that come next, at most so many."""
        return Run(self, self.begin // FRAME, min(most, self.left // FRAME))


@dataclass(frozen=True, slots=True)
class Run:
    """So many frames of a stretch in a row, from frame number `first`."""

    stretch: Stretch
    first: int
    frames: int

    @property
    def samples(self) -> Samples:
        """Of shape (frames · 960,)."""
        begin = self.first * FRAME
        return self.stretch.samples[begin : begin + self.frames * FRAME]
