"""Opus packets that are encoded before they leave, several in one go.

The first frame that is encoded in a beat finds the processor's caches cold and costs several times
what those right behind it do. So what was brought to the wire's rate at once, 150 ms mostly, is
encoded in one go, when the packets of a beat have left and nobody waits; the next beats take one
packet each. What is changed meanwhile (a duck, a pause, another rate) must be heard in the very
next packet all the same: the encoder then goes back to where the listener's decoder stands, and the
packets that leave are those of an encoder that never went ahead.
"""

from __future__ import annotations

from collections import deque

from media.audio import Samples
from media.opus import Encoder
from media.stretch import Stretch

FRAMES = 9
"""Frames that are encoded in one go: all of a stretch of 150 ms and the rest before it. More would
gain less and less."""


class Ahead:
    """One stream's encoder, and what it has encoded that did not leave yet."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._stretch: Stretch | None = None
        self._packets: deque[bytes] = deque()
        self._encoded = 0

    @property
    def is_short(self) -> bool:
        """Whether the next frame is still to be encoded."""
        return not self._packets

    def prepare(self, stretch: Stretch) -> None:
        """Encode what comes next. `stretch`: what the next frame will be taken from."""
        if not self._packets and len(following := stretch.following(FRAMES)):
            self._stretch = stretch
            self._packets.extend(self._encoder.encode_ahead(following))
            self._encoded = len(self._packets)

    def encode(self, frame: Samples, stretch: Stretch | None = None) -> bytes:
        """The packet of a frame that leaves now. `stretch`: what it was taken from last, if it
        leaves as it was there."""
        if self._packets:
            if stretch is self._stretch:
                return self._packets.popleft()
            self.settle()
        return self._encoder.encode(frame)

    def settle(self) -> None:
        """Forget what did not leave: the encoder stands where the listener's decoder does."""
        if self._packets:
            self._encoder.go_back(self._encoded - len(self._packets))
            self._packets.clear()
