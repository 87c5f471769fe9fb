"""A speaker as a track of aiortc: its packets, ready made, one per 20 ms of the loop's clock.

aiortc's sender takes an `av.Packet` as it is: no encoder, no thread. The ticks come from the clock
and not from a chain of sleeps, so a late one is made up for by the next and no drift builds up. RTP
time follows the ticks through silence too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from media.opus import FRAME, FRAME_SECONDS, WIRE_RATE

_EARLY = 0.0005
"""Seconds before its time at which a step counts as come: uvloop's timers round to milliseconds,
and one that fired early must not be waited for again in a busy circle."""
_LOST = 0.5
"""Seconds of lateness that are not made up for: the process was stopped."""
_TIME_BASE = Fraction(1, WIRE_RATE)


@dataclass(frozen=True, slots=True)
class Packet:
    """What leaves in one tick. `begins`: the first one after silence (RTP's marker)."""

    payload: bytes
    begins: bool


class Ticks:
    """The 20 ms steps of a clock. Pure: told the time, it says which steps have come."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._next = 0
        self.due = start
        """When the next step comes."""

    @property
    def number(self) -> int:
        """The next step's."""
        return self._next

    def skip(self, now: float) -> None:
        """Leave out the steps that have come already."""
        self._go_to(max(self._next, ceil((now - self._start) / FRAME_SECONDS)))

    def advance(self, seconds: float) -> None:
        """Have all steps from the next one on come so much sooner."""
        self._start -= seconds
        self._go_to(self._next)

    def wait(self, now: float) -> float:
        """Seconds until the next step; 0 when it has come."""
        left = self.due - now
        return left if left > _EARLY else 0.0

    def take(self, now: float) -> int:
        """The number of the step that has come. One that is half a second late is skipped."""
        late = now - self.due
        step = self._next + (int(late / FRAME_SECONDS) if late > _LOST else 0)
        self._go_to(step + 1)
        return step

    def time(self, step: int) -> float:
        """When that step is due."""
        # From the start each time: a sum of steps would drift.
        return self._start + step * FRAME_SECONDS

    def _go_to(self, step: int) -> None:
        self._next = step
        self.due = self.time(step)


class SpeakerTrack(MediaStreamTrack):
    """What `leave` gives for each 20 ms, as packets for aiortc's sender."""

    kind = "audio"

    def __init__(self, leave: Callable[[], Packet | None]) -> None:
        super().__init__()
        self._leave = leave
        self._ticks: Ticks | None = None
        self._is_handed_over = False
        self._stopped = asyncio.Event()

    def hand_over(self) -> None:
        """Somebody else sends what the speaker says: give aiortc's sender nothing from now on."""
        self._is_handed_over = True

    def stop(self) -> None:
        super().stop()
        self._stopped.set()

    async def recv(self) -> av.Packet[Any]:
        """The next packet, when its time has come; ticks in which nothing leaves are passed over.

        Raises MediaStreamError once the track is stopped."""
        clock = asyncio.get_running_loop().time
        if self._ticks is None:
            self._ticks = Ticks(clock())
        while self.readyState == "live":
            if self._is_handed_over:
                await self._stopped.wait()
                continue
            if (wait := self._ticks.wait(clock())) > 0:
                await asyncio.sleep(wait)
                continue
            tick = self._ticks.take(clock())
            if (packet := self._leave()) is not None:
                return _timed(packet, tick)
        raise MediaStreamError


def _timed(packet: Packet, tick: int) -> av.Packet[Any]:
    timed = av.Packet(packet.payload)
    timed.pts = tick * FRAME
    timed.time_base = _TIME_BASE
    return timed
