"""The interpreter, set up for a process that must send a packet every few milliseconds.

A pure-Python engine thread gives up the interpreter lock after the switch interval at the latest:
ten times sooner than by default, and packets beside it leave at most half as late. What was loaded
at start lives as long as the process, so the garbage collector need not look through it again and
again; a full collection is made seldom, and never sees the libraries' many thousands of objects.

A call that is over leaves a thousand objects in circles, 0.2 MB. Such a collector would keep them
for hours, so they are collected a moment after; but while others talk, only now and then: with
forty calls it takes 5 to 10 ms, for which the loop stands.
"""

from __future__ import annotations

import asyncio
import gc
import sys

from agent.events import CallEnded, CallStarted, Event

SWITCH_INTERVAL = 0.0005
"""Seconds that a Python thread may hold the interpreter lock while another waits."""
YOUNG, MIDDLE, OLD = 10_000, 20, 50
"""Thresholds of the collector's generations: allocations, then collections of the one below."""

MOMENT = 1.0
"""Seconds from a call's end to the collection: its connection is closed by then."""
REST = 10.0
"""Seconds from one collection to the next at least, while there are calls."""


def tune() -> None:
    """Call it when everything is loaded, before the first call."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


class Tidying:
    """Collects what calls leave, after they end. Observes calls."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._due: asyncio.TimerHandle | None = None
        self._rested_at = 0.0
        """When the next collection may be, while there are calls."""

    def observe(self, call_id: str, event: Event) -> None:
        if isinstance(event, CallStarted):
            self.call_began(call_id)
        elif isinstance(event, CallEnded):
            self.call_ended(call_id)

    def call_began(self, call_id: str) -> None:
        self._calls.add(call_id)

    def call_ended(self, call_id: str) -> None:
        """Collect once for all calls that end until then. Also for one that never began."""
        self._calls.discard(call_id)
        loop = asyncio.get_running_loop()
        at = loop.time() + MOMENT
        if self._calls:
            at = max(at, self._rested_at)
        if self._due is not None:
            if self._due.when() <= at:
                return
            self._due.cancel()
        self._due = loop.call_at(at, self._collect)

    def _collect(self) -> None:
        self._due = None
        self._rested_at = asyncio.get_running_loop().time() + REST
        gc.collect()
