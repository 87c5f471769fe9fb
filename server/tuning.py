"""The interpreter, set up for a process that must send a packet every few milliseconds.

A pure-Python engine thread gives up the interpreter lock after the switch interval at the latest:
ten times sooner than by default, and packets beside it leave at most half as late. What was loaded
at start lives as long as the process, so the garbage collector need not look through it again and
again; a full collection is made seldom, and never sees the libraries' many thousands of objects.
"""

from __future__ import annotations

import gc
import sys

SWITCH_INTERVAL = 0.0005
"""Seconds that a Python thread may hold the interpreter lock while another waits."""
YOUNG, MIDDLE, OLD = 10_000, 20, 50
"""Thresholds of the collector's generations: allocations, then collections of the one below."""


def tune() -> None:
    """Call it when everything is loaded, before the first call."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
