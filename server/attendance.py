"""A call's peers, one after the other: who is there, who takes over, how long nobody is.

aiortc has no ICE restart: a caller whose network changed comes back with a new peer. An
`Attendance` lasts as long as the call. The caller is *away* from the moment on that nothing is
heard of their peer, and *back* when it is heard again or a successor is connected; away for longer
than `within` seconds they are lost. What is told them is counted and kept for a while, so that a
successor goes on with the message after the last that was received.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from signaling.peer import WAITING_MESSAGES, Gone
from signaling.trickle import Fragment

KEPT_MESSAGES = WAITING_MESSAGES * 3 // 4
"""Messages kept for a successor; the rest of its queue is left for what is said meanwhile."""

LOST = "lost"
"""Why the call ends: nobody came back in time."""

_SUCCESSION = "succession"
_MEANT = ("left", "flooded")
"""Ends of a peer after which nobody is waited for: the caller closed it, or does harm."""


class Connection(Protocol):
    """One peer: `signaling.peer.Peer`."""

    @property
    def etag(self) -> str: ...
    @property
    def longest_message(self) -> int: ...
    async def connected(self) -> Gone | None: ...
    async def run(self) -> Gone: ...
    async def trickle(self, fragment: Fragment, etag: str) -> None: ...
    def send(self, message: str) -> None: ...
    async def flush(self, seconds: float) -> None: ...
    async def close(self) -> None: ...


class Attendance:
    """The peers of one call."""

    def __init__(
        self,
        peer: Connection,
        *,
        within: float,
        on_away: Callable[[], None],
        on_back: Callable[[float], None],
    ) -> None:
        """`within`: seconds. `on_back` is told for how many seconds the caller was away."""
        self.peer = peer
        """The one that is there, or was there last."""
        self._within = within
        self._on_away = on_away
        self._on_back = on_back
        self._successor: tuple[Connection, int | None] | None = None
        self._expected = 0
        self._away_since: float | None = None
        self._deadline: float | None = None
        self._news = asyncio.Event()
        self._said: deque[str] = deque(maxlen=KEPT_MESSAGES)
        self._count = 0

    @property
    def is_away(self) -> bool:
        """Whether nobody is there at the moment."""
        return self._away_since is not None

    def send(self, message: str) -> None:
        """Tell the caller, now or when they are back."""
        self._said.append(message)
        self._count += 1
        self.peer.send(message)

    async def carry(self) -> str:
        """Carry the call, from a connected peer on, over all that follow; why there is none now."""
        end = await self._unless_succeeded(self.peer.run())
        while end not in (*_MEANT, LOST):
            self._leave()
            if end != _SUCCESSION:
                end = await self._unless_succeeded(asyncio.Event().wait())
                continue
            await self._hand_over()
            gone = await self._unless_succeeded(self.peer.connected())
            if gone is None:
                self._return()
                end = await self._unless_succeeded(self.peer.run())
            else:
                # A successor that never came through is no hang-up: another may.
                end = gone if gone in (_SUCCESSION, LOST) else "failed"
        return str(end)

    def listen(self, *, is_quiet: bool) -> None:
        """Nothing is heard of the caller's peer, or something again."""
        if is_quiet:
            self._leave()
        else:
            self._return()

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """While a successor's offer is answered: a peer that leaves meanwhile is no hang-up."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1

    async def succeed(self, peer: Connection, received: int | None) -> None:
        """`peer` takes over; one that waited to do so is closed. `received`: how many messages
        have reached the caller (None: not known, nothing is told again)."""
        waiting, self._successor = self._successor, (peer, received)
        self._news.set()
        if waiting is not None:
            await close_whole(waiting[0])

    async def close(self) -> None:
        """Close all peers."""
        waiting, self._successor = self._successor, None
        await self.peer.close()
        if waiting is not None:
            await waiting[0].close()

    def _leave(self) -> None:
        if self._away_since is not None:
            return
        self._away_since = asyncio.get_running_loop().time()
        self._deadline = self._away_since + self._within
        self._on_away()
        self._news.set()

    def _return(self) -> None:
        if self._away_since is None:
            return
        away = asyncio.get_running_loop().time() - self._away_since
        self._away_since = self._deadline = None
        self._on_back(away)
        self._news.set()

    async def _hand_over(self) -> None:
        """From the peer that was to its successor, with the messages that did not get through."""
        assert self._successor is not None
        former = self.peer
        (self.peer, received), self._successor = self._successor, None
        # Whoever has just offered is given the time to connect.
        self._deadline = asyncio.get_running_loop().time() + self._within
        missed = 0 if received is None else max(0, self._count - received)
        for message in islice(self._said, max(0, len(self._said) - missed), None):
            self.peer.send(message)
        await close_whole(former)

    async def _unless_succeeded(self, doing: Coroutine[Any, Any, Any]) -> Any:
        """What `doing` gives, unless there is a successor or nobody came back in time before."""
        async with asyncio.TaskGroup() as tasks:
            done = tasks.create_task(doing)
            cut = tasks.create_task(self._cut())
            await asyncio.wait({done, cut}, return_when=asyncio.FIRST_COMPLETED)
            done.cancel()
            cut.cancel()
        if not cut.cancelled():
            return cut.result()
        end = done.result()
        return "failed" if end == "left" and self._expected else end

    async def _cut(self) -> str:
        """Wait for a successor, or until the caller has been away for too long."""
        while self._successor is None:
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._deadline):
                    await self._news.wait()
            except TimeoutError:
                return LOST
        return _SUCCESSION


class _Closable(Protocol):
    async def close(self) -> None: ...


async def close_whole(connection: _Closable) -> None:
    """Close it to the end, even when cancelled meanwhile: half closed, aiortc keeps the process."""
    closing = asyncio.ensure_future(connection.close())
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await closing
        raise
