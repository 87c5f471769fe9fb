"""Objects that live, by type: what calls leave behind is counted, not weighed."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable

WARM_UP = 3
"""Calls before the count: caches, registers and free lists fill."""


_MANY = 200
"""Cancelled timers, with which asyncio certainly sweeps: above a hundred, if that is over half."""


async def living() -> Counter[str]:
    """How many objects of each type the collector knows, when it has collected.

    asyncio keeps a cancelled timer until its time would have come or many more are cancelled."""
    loop = asyncio.get_running_loop()
    for _ in range(_MANY):
        loop.call_later(3600.0, print).cancel()
    await asyncio.sleep(0)
    gc.collect()
    return Counter(
        f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects()
    )


async def left_by_each(call: Callable[[], Awaitable[None]], calls: int = 8) -> dict[str, int]:
    """The types of which each call leaves an object more, and how many so many calls left.

    Twice as many calls are made: what is made once, however late, is not left by each. They are
    more than the objects of one kind that a single thing of the libraries' may hold, such as the
    five methods that a future of an executor's keeps of its lock."""
    for _ in range(WARM_UP):
        await call()
    counts = [await living()]
    for _ in range(2):
        for _ in range(calls):
            await call()
        counts.append(await living())
    before, between, after = counts
    grown = {kind: min(after[kind] - between[kind], between[kind] - before[kind]) for kind in after}
    return {kind: count for kind, count in grown.items() if count >= calls}
