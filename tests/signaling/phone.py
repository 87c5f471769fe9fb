"""A server with scripted conversations on a free loopback port, for calls over real WebRTC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from agent.events import CallEnded, CallStarted, Event
from agent.messages import Toolbox
from agent.persona import Persona, english, korean
from agent.settings import TurnSettings
from media.audio import AudioChunk
from media.pacer import Pacer
from server.calls import Calls
from server.config import Settings
from server.conversation import Seat
from server.health import Health
from server.metrics import Metrics
from server.settings import ServerSettings
from server.sockets import Sockets
from signaling.access.settings import LimitSettings
from signaling.client import Caller
from signaling.ice import IceSettings
from signaling.realtime.routes import RealtimeDoors
from signaling.routes import Doors, add_headers, errors_as_json

ICE = IceSettings(bind=("127.0.0.1",), silent_timeout=5.0, connect_timeout=5.0)
STATIC = Path(__file__).resolve().parents[2] / "static"


def tone(seconds: float, rate: int = 16_000) -> AudioChunk:
    """A loud 440 Hz tone."""
    time = np.arange(round(seconds * rate)) / rate
    return AudioChunk((9000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16), rate)


class ParrotDesk:
    """A desk at which nothing is asked for, but settings."""

    def adjust(self, settings: TurnSettings) -> None:
        self.settings = settings

    def offer(self, tools: Toolbox) -> None:
        self.tools = tools

    async def say(self, text: str) -> bool:
        return False


class Parrot:
    """A conversation that says back what it hears, and notes what it is told to do."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.desk = ParrotDesk()
        self.told: list[str] = []
        self.over = asyncio.Event()

    async def run(self) -> None:
        now = asyncio.get_running_loop().time
        self.seat.emit(CallStarted(at=now(), language=self.seat.persona.language))
        try:
            async with asyncio.TaskGroup() as tasks:
                repeating = tasks.create_task(self._repeat())
                await self.over.wait()
                repeating.cancel()
        finally:
            self.seat.emit(CallEnded(at=now(), reason=self.told[-1] if self.told else "hangup"))

    async def _repeat(self) -> None:
        async for chunk in self.seat.microphone:
            await self.seat.speaker.play(chunk)

    async def farewell(self, reason: str) -> None:
        self.told.append(reason)
        self.seat.speaker.clear()
        await self.seat.speaker.play(tone(0.2))
        await self.seat.speaker.drained()
        self.over.set()

    async def interrupt(self) -> None:
        self.told.append("interrupt")

    def speak_language(self, persona: Persona) -> None:
        self.told.append(persona.language)

    def hold(self) -> None:
        self.told.append("hold")

    def release(self) -> None:
        self.told.append("release")


@dataclass
class Phone:
    """A running server: where it is, its calls, its conversations, what was observed."""

    url: str
    calls: Calls
    metrics: Metrics
    conversations: list[Any] = field(default_factory=list)
    events: list[tuple[str, Event]] = field(default_factory=list)

    def caller(self, **options: Any) -> Caller:
        return Caller(self.url, **{"settings": ICE, **options})

    def reasons(self) -> list[str]:
        """Why calls ended, in order."""
        return [event.reason for _, event in self.events if isinstance(event, CallEnded)]


@asynccontextmanager
async def phone(
    make: Callable[[Seat], Any] = Parrot,
    *,
    server: ServerSettings | None = None,
    ice: IceSettings = ICE,
) -> AsyncGenerator[Phone, None]:
    """Serves calls held by `make` while the block runs."""
    conversations: list[Any] = []
    events: list[tuple[str, Event]] = []
    metrics = Metrics()

    def begin(seat: Seat) -> Any:
        conversations.append(make(seat))
        return conversations[-1]

    calls = Calls(
        begin=begin,
        personas={"en": english(), "ko": korean()},
        language="en",
        server=server,
        ice=ice,
        observers=(metrics.observe, lambda call_id, event: events.append((call_id, event))),
    )
    app = web.Application(middlewares=[errors_as_json], client_max_size=LimitSettings().body_bytes)
    doors = Doors(calls, info=lambda: {"calls": len(calls)}, static=STATIC, ice=ice)
    app.add_routes([*doors.routes(), *Health(calls, metrics).routes()])
    app.add_routes(
        RealtimeDoors(Sockets(calls, Settings(), begin=begin, pacer=Pacer()), calls).routes()
    )
    app.on_response_prepare.append(add_headers)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield Phone(url, calls, metrics, conversations, events)
    finally:
        await calls.stop()
        await runner.cleanup()
