"""Sound in a row that waits to leave, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

from media.audio import Samples
from media.clips import Clip
from media.opus import VOICE_FRAME


@dataclass(slots=True, eq=False)
class Stretch:
    """Whole frames at 24 kHz, of shape (n·480,), not to be written to; those before sample `begin`
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
        return self.samples[self.begin : self.begin + VOICE_FRAME]

    def take(self) -> Samples:
        """The next frame, which leaves."""
        frame = self.peek()
        self.begin += VOICE_FRAME
        return frame

    def run(self, most: int) -> Run:
        """The frames that come next, at most so many."""
        return Run(self, self.begin // VOICE_FRAME, min(most, self.left // VOICE_FRAME))


@dataclass(frozen=True, slots=True)
class Run:
    """So many frames of a stretch in a row, from frame number `first`."""

    stretch: Stretch
    first: int
    frames: int

    @property
    def samples(self) -> Samples:
        """Of shape (frames · 480,)."""
        begin = self.first * VOICE_FRAME
        return self.stretch.samples[begin : begin + self.frames * VOICE_FRAME]
