"""Clocks for the media floor's tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


def stopwatch() -> Callable[[], float]:
    """Seconds of the loop's clock from now on."""
    clock = asyncio.get_running_loop().time
    start = clock()
    return lambda: clock() - start
