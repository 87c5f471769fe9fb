"""The load, watched: every quarter second the readings are taken, and the rung follows them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from aiohttp import web

from agent.load import Load, Rung
from server.load.gauge import Gauge, Queues
from server.load.ladder import Ladder, LoadSettings, Reading, Strain, strain

log = logging.getLogger(__name__)

PERIOD = 0.25
"""Seconds between two readings, and the grain in which the loop's lag is measured."""

Told = Callable[[Reading, Strain, Rung], None]


def _unread(reading: Reading, felt: Strain, rung: Rung) -> None:
    """Nobody counts."""


def load_of(settings: LoadSettings) -> Load:
    """A server's load, at ease."""
    return Load(brief_tokens=settings.brief_tokens, always_admit=settings.always_admit)


class Watch:
    """Moves its `load` by what its `gauge` reads.

    `queues`: the engines'. `on_reading` is told each reading, and where it led."""

    def __init__(
        self,
        settings: LoadSettings,
        queues: Queues = (),
        *,
        load: Load | None = None,
        on_reading: Told = _unread,
    ) -> None:
        self._settings = settings
        self.gauge = Gauge(queues)
        self.load = load or load_of(settings)
        self._on_reading = on_reading
        self._ladder = Ladder(settings)

    async def beside(self, _app: web.Application) -> AsyncGenerator[None, None]:
        """For `Application.cleanup_ctx`."""
        task = asyncio.create_task(self._run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PERIOD
            await asyncio.sleep(PERIOD)
            now = loop.time()
            self.gauge.lag(max(0.0, now - due), now)
            self.look(now)

    def look(self, now: float) -> None:
        """Take the readings, and move if they ask for it."""
        reading = self.gauge.read(now)
        felt = strain(reading, self._settings.bounds)
        before = self._ladder.rung
        rung = self._ladder.feed(felt, now) if self._settings.enabled else None
        if rung is not None:
            told = {"rung": rung.name.lower(), "cause": felt.cause, "strain": round(felt.share, 2)}
            log.warning("Load rises" if rung > before else "Load falls", extra=told)
            self.load.move(rung, self._ladder.cause, at=now)
        self._on_reading(reading, felt, self._ladder.rung)
