"""Packets that are encoded before they leave, several in one go.

The first frame that is encoded in a beat finds the processor's caches cold and costs several times
what those right behind it do. So what was brought to the wire's rate at once, 150 ms mostly, is
encoded in one go, when the packets of a beat have left and nobody waits; the next beats take one
packet each. What is changed meanwhile (a duck, a pause, another rate) must be heard in the very
next packet all the same: the encoder then goes back to where the listener's decoder stands, and the
packets that leave are those of an encoder that never went ahead. Encoders that cannot go back never
go ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from media.audio import Samples
from media.opus import VOICE_FRAME
from media.stretch import Run, Stretch

State = TypeVar("State")


class Rewindable(Protocol[State]):
    """An encoder that can go back. Frames are of shape (480,), 20 ms at 24 kHz."""

    def encode(self, samples: Samples, /) -> bytes:
        """The packet of a frame."""

    def encode_all(self, samples: Samples, /) -> list[bytes]:
        """The packets of frames in a row, of shape (n · 480,); n may be 0."""

    def state(self) -> State:
        """Where it stands, to `restore` later."""

    def restore(self, state: State, /) -> None:
        """Stand there again."""


@dataclass(slots=True)
class _Leap(Generic[State]):
    """Frames that were encoded in one go, and where the encoder stood before them."""

    state: State
    samples: Samples
    left: int = 0
    """How many of them have left."""

    @property
    def is_over(self) -> bool:
        return self.left * VOICE_FRAME == len(self.samples)

    def go_back(self, encoder: Rewindable[State]) -> None:
        """Have the encoder stand behind those that have left."""
        encoder.restore(self.state)
        encoder.encode_all(self.samples[: self.left * VOICE_FRAME])


class Ahead(Generic[State]):
    """One stream's encoder, and what it has encoded that did not leave yet."""

    def __init__(self, encoder: Rewindable[State]) -> None:
        self._encoder = encoder
        self._leaps: deque[_Leap[State]] = deque()
        self._waiting: deque[tuple[Stretch, bytes]] = deque()

    @property
    def packets(self) -> list[bytes]:
        """Those that wait, the next one first."""
        return [packet for _, packet in self._waiting]

    def prepare(self, runs: Sequence[Run]) -> None:
        """Encode what of these was not yet. `runs`: all that comes next, in a row."""
        known = len(self._waiting)
        stretches = [run.stretch for run in runs for _ in range(run.frames)]
        if len(stretches) <= known:
            return
        samples = [run.samples for run in runs]
        following = (samples[0] if len(samples) == 1 else np.concatenate(samples))[
            known * VOICE_FRAME :
        ]
        self._leaps.append(_Leap(self._encoder.state(), following))
        packets = self._encoder.encode_all(following)
        self._waiting.extend(zip(stretches[known:], packets, strict=True))

    def encode(self, frame: Samples, stretch: Stretch | None = None) -> bytes:
        """The packet of a frame that leaves now. `stretch`: what it was taken from last, if it
        leaves as it was there."""
        if self._waiting:
            if stretch is self._waiting[0][0]:
                return self._let_go()
            self.settle()
        return self._encoder.encode(frame)

    def settle(self) -> None:
        """Forget what did not leave: the encoder stands where the listener's decoder does."""
        if self._waiting:
            self._leaps[0].go_back(self._encoder)
            self._leaps.clear()
            self._waiting.clear()

    def _let_go(self) -> bytes:
        leap = self._leaps[0]
        leap.left += 1
        if leap.is_over:
            self._leaps.popleft()
        return self._waiting.popleft()[1]
