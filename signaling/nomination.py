"""A peer that moves to another path is followed: what aioice 0.13 forgets, made good.

When the first path is nominated, `Connection.connect()` cancels the checks that are still in
progress, but leaves their pairs `IN_PROGRESS`, with a task that is over. A check that comes in
later on such a pair, as when a phone goes from Wi-Fi to mobile, starts no check of ours, and the
nomination is lost. Here these pairs are set back to `FROZEN`, the state in which an incoming check
unfreezes them (RFC 8445, 7.3.1.4). One connection at a time is mended, and only one of a version
whose insides are known.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from importlib.metadata import version

from aioice import Connection, ice
from aiortc import RTCPeerConnection

from signaling.gathering import connections

log = logging.getLogger(__name__)

KNOWN = "0.13."
"""The versions of aioice that forget; a later one may not."""


def follow_nominations(pc: RTCPeerConnection) -> None:
    """Call before `setLocalDescription`, when every transport of `pc` is there."""
    if (why := misfit()) is not None:
        _warn_once(why)
        return
    for connection in connections(pc):
        _follow(connection)


@cache
def _found() -> str:
    """Read from disk, which takes the loop's time."""
    return version("aioice")


def misfit(known: str = KNOWN) -> str | None:
    """Why aioice is left as it is; None when it is mended."""
    found = _found()
    if not f"{found}.".startswith(known):
        return f"aioice is {found}, known is {known}x"
    states = getattr(getattr(ice, "CandidatePair", None), "State", None)
    for owner, names in (
        (Connection, ("connect", "check_incoming", "check_state")),
        (states, ("FROZEN", "IN_PROGRESS")),
    ):
        for name in names:
            if not hasattr(owner, name):
                return f"aioice has no {name}"
    return None


@cache
def _warn_once(why: str) -> None:
    log.warning("callers that move to another network path are not followed", extra={"why": why})


def _follow(connection: Connection) -> None:
    connect = connection.connect

    async def connect_and_reset() -> None:
        await connect()
        await _reset_cancelled(connection)

    connection.connect = connect_and_reset  # type: ignore[method-assign]  # of this one alone


async def _reset_cancelled(connection: Connection) -> None:
    """Give the pairs whose checks `connect()` has just cancelled back to the checks to come."""
    in_progress = ice.CandidatePair.State.IN_PROGRESS
    left = [
        (pair, pair.task)
        for pair in connection._check_list
        if pair.state is in_progress and pair.task is not None and pair.task.cancelling()
    ]
    if not left:
        return
    await asyncio.wait([task for _, task in left])
    for pair, task in left:
        if pair.task is task and pair.state is in_progress:
            pair.task = None
            connection.check_state(pair, ice.CandidatePair.State.FROZEN)
