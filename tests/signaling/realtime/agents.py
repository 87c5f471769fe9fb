"""A caller that speaks through `openai-agents`, unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from agents import FunctionTool
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

from media.audio import Samples
from tests.signaling.realtime.rules import SCHEMA

PIECE = 960
"""Samples sent at a time: 40 ms at 24 kHz."""


class Runner:
    """A session of the library's, and what it told."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.kinds: list[str] = []
        self.errors: list[Any] = []
        self.audio = b""
        self.raw: list[str] = []
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        """Take what the library tells, until it ends."""
        async for event in self.session:
            self.kinds.append(event.type)
            match event.type:
                case "audio":
                    self.audio += event.audio.data
                case "error":
                    self.errors.append(event.error)
                case "raw_model_event" if event.data.type == "raw_server_event":
                    SCHEMA.validate_python(event.data.data)
                    self.raw.append(event.data.data["type"])
                case "raw_model_event" if event.data.type in ("error", "exception"):
                    self.errors.append(event.data)
            self._changed.set()

    async def until(self, kind: str, times: int = 1) -> None:
        """Wait for an event of the library's."""
        while self.kinds.count(kind) < times:
            self._changed.clear()
            await self._changed.wait()

    async def say(self, sound: Samples) -> None:
        """Speak 24 kHz samples, at the pace of speech; then the microphone is silent."""
        clock = asyncio.get_running_loop().time
        due = clock()
        for start in range(0, len(sound), PIECE):
            await self.session.send_audio(sound[start : start + PIECE].astype("<i2").tobytes())
            due += PIECE / 24_000
            await asyncio.sleep(due - clock())

    def said_by(self, role: str) -> str:
        """All that the library's history has of one side."""
        parts = [
            part
            for item in self.session._history
            if getattr(item, "role", None) == role
            for part in item.content
        ]
        texts = (getattr(part, "transcript", None) or getattr(part, "text", "") for part in parts)
        return " ".join(text or "" for text in texts)


@asynccontextmanager
async def runner(
    url: str, *, tools: Sequence[FunctionTool] = (), **model: Any
) -> AsyncGenerator[Runner, None]:
    """A running session of an agent with these tools."""
    agent = RealtimeAgent(name="Test", instructions="Be brief.", tools=list(tools))
    socket = url.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime"
    session = await RealtimeRunner(agent).run(
        model_config={"api_key": "x", "url": socket, "initial_model_settings": model}
    )
    async with session:
        it = Runner(session)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(it.listen())
            yield it
            listening.cancel()
