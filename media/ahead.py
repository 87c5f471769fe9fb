"""Opus packets that are encoded before they leave, several in one go.

The first frame that is encoded in a beat finds the processor's caches cold and costs several times
what those right behind it do. So what was brought to the wire's rate at once, 150 ms mostly, is
encoded in one go, and each beat takes one packet. What is changed meanwhile (a duck, a pause,
another rate) must be heard in the very next packet all the same: the encoder then goes back to
where the listener's decoder stands, and the packets that leave are those of an encoder that never
went ahead.
"""

from __future__ import annotations

from collections import deque

from media.audio import Samples
from media.opus import FRAME, Encoder
from media.stretch import Stretch

FRAMES = 9
"""Frames that are encoded in one go: all of a stretch of 150 ms and the rest before it. More would
gain less and less, and the packets of other calls wait for a beat that encodes."""


class Ahead:
    """One stream's encoder, and what it has encoded that did not leave yet."""

    def __init__(self, encoder: Encoder, most: int = FRAMES) -> None:
        """`most`: frames that are encoded in one go; 1: each when it leaves."""
        self._encoder = encoder
        self._most = most
        self._stretch: Stretch | None = None
        self._packets: deque[bytes] = deque()
        self._encoded = 0

    def encode(self, frame: Samples, stretch: Stretch | None = None) -> bytes:
        """The packet of a frame that leaves now. `stretch`: where it was taken from last, if it
        leaves as it was there."""
        if self._packets:
            if stretch is self._stretch:
                return self._packets.popleft()
            self.settle()
        coming = frame if stretch is None else stretch.coming(self._most)
        if len(coming) == FRAME:
            return self._encoder.encode(frame)
        self._stretch = stretch
        self._packets.extend(self._encoder.encode_ahead(coming))
        self._encoded = len(self._packets)
        return self._packets.popleft()

    def settle(self) -> None:
        """Forget what did not leave: the encoder stands where the listener's decoder does."""
        if self._packets:
            self._encoder.go_back(self._encoded - len(self._packets))
            self._packets.clear()
