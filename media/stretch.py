"""Sound in a row that waits to leave, frame by frame, and what will surely follow a frame of it."""

from __future__ import annotations

from dataclasses import dataclass

from media.audio import Samples
from media.clips import Clip
from media.opus import FRAME


@dataclass(slots=True, eq=False)
class Stretch:
    """Samples at 48 kHz of which those before `begin` have left. `clip`: they are a clip's."""

    samples: Samples
    clip: Clip | None = None
    begin: int = 0

    @property
    def left(self) -> int:
        """Samples that have not left."""
        return len(self.samples) - self.begin

    def take(self, most: int = FRAME) -> Samples:
        """The next samples, as many as there are; not to be written to."""
        begin = self.begin
        self.begin = min(begin + most, len(self.samples))
        return self.samples[begin : self.begin]

    def following(self, most: int) -> Samples:
        """The frames that come next, at most so many: shape (n·960,).

        They will leave just so if nothing is changed meanwhile. What ends the stretch is not among
        them: what comes behind it decides how it sounds."""
        frames = min(most, max(0, self.left - 1) // FRAME)
        return self.samples[self.begin : self.begin + frames * FRAME]
