"""How long calls may stay: their length, and how long nobody may say anything in one.

Observes the calls' events; a call that has had its time is told so and said goodbye to. The clock
is the loop's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from agent.events import (
    CallEnded,
    CallerAway,
    CallerBack,
    CallStarted,
    EncodingChanged,
    Event,
    HistoryChanged,
)
from server.conversation import Dismissal
from signaling.access.settings import LimitSettings

log = logging.getLogger(__name__)

_WORDLESS = (CallerAway, CallerBack, EncodingChanged, HistoryChanged)
"""Events that do not mean that anybody said anything."""

Dismiss = Callable[[str, Dismissal], Awaitable[None]]
"""Ends the call of an id, if there is one."""


@dataclass(slots=True)
class _Stay:
    began: float
    heard: float
    timer: asyncio.TimerHandle | None = None


class Stays:
    """All calls' time."""

    def __init__(self, limits: LimitSettings, dismissers: Sequence[Dismiss] = ()) -> None:
        self._length = limits.call_seconds
        self._idle = limits.idle_seconds
        self._stays: dict[str, _Stay] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self.dismissers = tuple(dismissers)
        """Each is asked to end the call; it is one's of them."""

    def observe(self, call_id: str, event: Event) -> None:
        """What happens in a call, from its start to its end."""
        if isinstance(event, CallStarted):
            self._stays[call_id] = _Stay(began=event.at, heard=event.at)
            self._wait(call_id)
        elif isinstance(event, CallEnded):
            self._forget(call_id)
        elif (stay := self._stays.get(call_id)) and not isinstance(event, _WORDLESS):
            stay.heard = event.at

    async def beside(self, app: web.Application) -> AsyncGenerator[None, None]:
        """For `Application.cleanup_ctx`: nothing is waited for any more when the server ends."""
        yield
        for call_id in list(self._stays):
            self._forget(call_id)
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _forget(self, call_id: str) -> None:
        stay = self._stays.pop(call_id, None)
        if stay is not None and stay.timer is not None:
            stay.timer.cancel()

    def _wait(self, call_id: str) -> None:
        """Look again when the next limit could be reached."""
        stay = self._stays[call_id]
        ends = [stay.began + self._length] if self._length else []
        ends += [stay.heard + self._idle] if self._idle else []
        if ends:
            stay.timer = asyncio.get_running_loop().call_at(min(ends), self._look, call_id)

    def _look(self, call_id: str) -> None:
        stay, now = self._stays[call_id], asyncio.get_running_loop().time()
        if self._length and now >= stay.began + self._length:
            # The code is the one that OpenAI's clients know.
            why = f"the call has reached its {self._length:g} seconds"
            self._dismiss(call_id, Dismissal("limit", "session_expired", why))
        elif self._idle and now >= stay.heard + self._idle:
            why = f"nothing was said for {self._idle:g} seconds"
            self._dismiss(call_id, Dismissal("silence", "session_idle", why))
        else:
            self._wait(call_id)

    def _dismiss(self, call_id: str, end: Dismissal) -> None:
        self._forget(call_id)
        log.info("Call ended by its limit", extra={"call": call_id, "code": end.code})
        for dismiss in self.dismissers:
            task = asyncio.ensure_future(dismiss(call_id, end))
            self._leaving.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("A bug cut a goodbye", exc_info=error)
