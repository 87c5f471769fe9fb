from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from pathlib import Path

from agent.events import CallEnded, CallStarted
from server.tuning import MOMENT, REST, Tidying
from tests.virtual_time import virtual

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_loaded_is_left_alone_by_the_collector() -> None:
    """In a process of its own: the settings are the interpreter's."""
    script = (
        "import gc, sys; from server.tuning import tune; kept = [[] for _ in range(1000)]; tune();"
        "print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], sys.getswitchinterval())"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["True", "10000", "0.0005"]


class _Circle:
    def __init__(self) -> None:
        self.myself = self


@virtual
async def test_what_calls_leave_is_collected_once_a_moment_after_they_end() -> None:
    gc.disable()
    try:
        tidying = Tidying()
        left = [weakref.ref(_Circle()) for _ in range(3)]
        for call in ("a", "b"):
            tidying.observe(call, CallStarted(at=0.0, language="en"))
        await asyncio.sleep(2 * MOMENT)
        assert all(each() is not None for each in left)
        collections = gc.get_stats()[2]["collections"]
        for call in ("a", "b"):
            tidying.observe(call, CallEnded(at=0.0, reason="hangup"))
        await asyncio.sleep(2 * MOMENT)
        assert all(each() is None for each in left)
        assert gc.get_stats()[2]["collections"] == collections + 1
    finally:
        gc.enable()


@virtual
async def test_while_others_talk_collections_are_rare_and_the_last_call_is_not_waited_for() -> None:
    gc.disable()
    try:
        tidying = Tidying()
        collections = [_collections()]
        for call in "abcdef":
            tidying.observe(call, CallStarted(at=0.0, language="en"))
        for call in "abcd":
            tidying.observe(call, CallEnded(at=0.0, reason="hangup"))
            await asyncio.sleep(2 * MOMENT)
        collections.append(_collections())
        await asyncio.sleep(REST)
        collections.append(_collections())
        tidying.observe("e", CallEnded(at=0.0, reason="hangup"))
        tidying.observe("f", CallEnded(at=0.0, reason="hangup"))
        await asyncio.sleep(2 * MOMENT)
        collections.append(_collections())
        assert [later - collections[0] for later in collections[1:]] == [1, 2, 3]
    finally:
        gc.enable()


def _collections() -> int:
    return gc.get_stats()[2]["collections"]
