"""What a speaker says, on its way out: each packet at its 20 ms step, however busy the process is.

What leaves next is mostly known: it is encoded ahead (`Speaker.prepare`) and given to who sends it
when this process is late (`media/native/sendqueue.c`). At its step the packet is sent, unless it
has left by itself. When something is to come otherwise, what has not left is taken back first, and
the speaker's clock is brought to where the listener is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from media.opus import FRAME_SECONDS
from media.track import Packet, SpeakerTrack


class Mouth(Protocol):
    """What says what leaves: a `Speaker`, or packets from elsewhere."""

    @property
    def is_closed(self) -> bool: ...
    @property
    def is_short(self) -> bool:
        """Whether `prepare()` had better be called soon."""

    @property
    def track(self) -> SpeakerTrack: ...
    def speak_codec(self, name: str) -> bool: ...
    def leave(self) -> Packet | None: ...
    def prepare(self) -> Sequence[bytes]:
        """The packets that leave next, unless something changes."""


class Out(Protocol):
    """A stream to the network: `media.outward.Outward`."""

    def send(self, payload: bytes, marker: bool, tick: int) -> float | None: ...
    def queue(self, payloads: Sequence[bytes], tick: int, due: float) -> None: ...
    def take_back(self) -> Sequence[float]: ...
    def is_stale(self, tick: int) -> bool: ...


class Leaving:
    """One speaker's way out, for as long as its connection lasts."""

    def __init__(self, speaker: Mouth, out: Out) -> None:
        self._speaker = speaker
        self._out = out
        self._loop = asyncio.get_running_loop()
        self._is_over = False
        self._through = -1
        """The last step that the speaker has gone through; before its time when its packet left."""
        self._late: dict[int, float] = {}
        """By how much such packets were late, by their steps."""

    def step(self, tick: int, due: float) -> float | None:
        """20 ms pass, the step of that number, which was due then by the loop's clock. When its
        packet has left by itself: how many seconds after its time."""
        if self._out.is_stale(tick):
            self.take_back()  # What steps that were left out would have sent has left.
        late = self._late.pop(tick, None)
        if tick > self._through:
            self._late.clear()
            self._through = tick
            if (packet := self._speaker.leave()) is not None:
                late = self._out.send(packet.payload, packet.begins, tick)
        if self._speaker.is_short:
            # When all calls of this beat have sent theirs.
            self._loop.call_soon(self._prepare, tick, due)
        return late

    def take_back(self) -> None:
        """What would leave will come otherwise: the speaker goes to where the listener is."""
        for late in self._out.take_back():
            self._through += 1
            self._late[self._through] = late
            self._speaker.leave()

    def end(self) -> None:
        """Nothing leaves any more."""
        self._is_over = True
        self.take_back()

    def _prepare(self, tick: int, due: float) -> None:
        if self._is_over:
            return
        if self._out.is_stale(self._through + 1):
            self.take_back()
        following = self._through + 1
        due += (following - tick) * FRAME_SECONDS
        self._out.queue(self._speaker.prepare(), following, due)
        # uvloop waits for a timer by the time at which a round of the loop began: without one more
        # round the next beat would be late by what this took.
        self._loop.call_soon(_let_pass)


def _let_pass() -> None:
    """A round of the loop."""
