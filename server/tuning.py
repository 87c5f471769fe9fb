"""The interpreter, set up for a process that must send a packet every few milliseconds.

A pure-Python engine thread gives up the interpreter lock after the switch interval at the latest:
ten times sooner than by default, and packets beside it leave at most half as late. What was loaded
at start lives as long as the process, so the garbage collector need not look through it again and
again; a full collection is made seldom, and never sees the libraries' many thousands of objects.

A call that is over leaves a thousand objects in circles, 0.2 MB. Such a collector would keep them
for hours, so they are collected a moment after.
"""

from __future__ import annotations

import asyncio
import gc
import sys

from agent.events import CallEnded, Event

SWITCH_INTERVAL = 0.0005
"""Seconds that a Python thread may hold the interpreter lock while another waits."""
YOUNG, MIDDLE, OLD = 10_000, 20, 50
"""Thresholds of the collector's generations: allocations, then collections of the one below."""

MOMENT = 1.0
"""Seconds from a call's end to the collection: its connection is closed by then."""


def tune() -> None:
    """Call it when everything is loaded, before the first call."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


class Tidying:
    """Collects what calls leave, a moment after they end. Observes calls."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None

    def observe(self, call_id: str, event: Event) -> None:
        if isinstance(event, CallEnded):
            self.call_ended()

    def call_ended(self) -> None:
        """Collect once for all calls that end within the moment."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(MOMENT, self._collect)

    def _collect(self) -> None:
        self._due = None
        gc.collect()
