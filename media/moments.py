"""Moments of what is said, and who waits for them.

A moment is told by the content clock alone, so that it is known how many frames leave before it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class ContentClock(Protocol):
    """How far what is said has come: `media.playout.Playout`."""

    def played_after(self, frames: int) -> float:
        """Seconds of content that will have left with so many frames more."""

    def queued_after(self, frames: int) -> float:
        """Seconds of content that will wait then."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When content beyond `position` has left, or no more than `queued` waits, in seconds."""

    position: float = math.inf
    queued: float = -1.0

    def has_come(self, clock: ContentClock, frames: int = 0) -> bool:
        """Whether it will have with so many frames more, all of which are content's."""
        is_reached = clock.played_after(frames) > self.position
        return is_reached or clock.queued_after(frames) <= self.queued

    def frames_before(self, clock: ContentClock, most: int) -> int:
        """How many frames, at most so many, may leave without its coming."""
        return next((gone for gone in range(most) if self.has_come(clock, gone + 1)), most)


class Moments:
    """Those that somebody waits for."""

    def __init__(self, clock: ContentClock) -> None:
        self._clock = clock
        self._waiters: list[_Waiter] = []

    async def wait(self, moment: Moment) -> bool:
        """Wait until `tell` finds that it has come; False when it is given up."""
        waiter = _Waiter(moment, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await waiter.outcome
        finally:
            self._waiters.remove(waiter)

    def tell(self) -> None:
        """Those whose moment has come are told."""
        for waiter in self._waiters:
            if not waiter.outcome.done() and waiter.moment.has_come(self._clock):
                waiter.outcome.set_result(True)

    def give_up(self, concerned: Callable[[Moment], bool]) -> None:
        """Those who wait for what will not come are told so."""
        for waiter in self._waiters:
            if not waiter.outcome.done() and concerned(waiter.moment):
                waiter.outcome.set_result(False)

    def frames_before(self, most: int) -> int:
        """How many frames, at most so many, may leave before somebody is to be told."""
        for waiter in self._waiters:
            if not waiter.outcome.done():
                most = waiter.moment.frames_before(self._clock, most)
        return most


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    moment: Moment
    outcome: asyncio.Future[bool]
