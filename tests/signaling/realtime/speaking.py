"""A caller that speaks through OpenAI's own client, unmodified, over a WebSocket."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from media.audio import AudioChunk, Resampler
from tests.signaling.realtime.rules import Referee

RATE = 24_000
PIECE = RATE // 25
"""Samples sent at a time: 40 ms."""


class Talker:
    """What a client of the protocol hears and says; every event it is told is judged."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self.connection = connection
        self.referee = Referee()
        self.arrived: list[float] = []
        self._to_say: list[bytes] = []
        self.is_silent = False
        """Not even silence is sent."""
        self._changed = asyncio.Event()
        self._looked = 0

    async def wait_for(self, kind: str, within: float = 20.0) -> dict[str, Any]:
        """The next event of a kind, among those not looked at."""
        async with asyncio.timeout(within):
            while True:
                while self._looked < len(self.referee.events):
                    event = self.referee.events[self._looked]
                    self._looked += 1
                    if event["type"] == kind:
                        return event
                self._changed.clear()
                await self._changed.wait()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return self.referee.of(kind)

    def say(self, audio: AudioChunk) -> None:
        """Speak; it is sent as it is spoken."""
        self._to_say += self.pieces(audio)

    @staticmethod
    def pieces(audio: AudioChunk) -> list[bytes]:
        """Audio as it is sent."""
        resampler = Resampler(audio.rate, RATE)
        sound = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
        return [
            sound[start : start + PIECE].astype("<i2").tobytes()
            for start in range(0, len(sound), PIECE)
        ]

    def heard(self, item_id: str) -> AudioChunk:
        """The audio of one message of the agent's."""
        sound = b"".join(
            base64.b64decode(event["delta"])
            for event in self.of("response.output_audio.delta")
            if event["item_id"] == item_id
        )
        return AudioChunk(np.frombuffer(sound, "<i2").astype(np.int16), RATE)

    async def listen(self) -> None:
        """Take what comes, until the connection closes."""
        async for event in self.connection:
            self.referee.see(event.to_dict())
            self.arrived.append(asyncio.get_running_loop().time())
            self._changed.set()

    async def speak(self) -> None:
        """Send the microphone's sound, which is silence mostly."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            piece = self._to_say.pop(0) if self._to_say else bytes(2 * PIECE)
            if not self.is_silent:
                sound = base64.b64encode(piece).decode()
                await self.connection.input_audio_buffer.append(audio=sound)
            due += PIECE / RATE
            await asyncio.sleep(due - clock())


@asynccontextmanager
async def talker(url: str, *, key: str = "x") -> AsyncGenerator[Talker, None]:
    """A connected client."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key) as api:
        async with api.realtime.connect(model="gpt-realtime") as connection:
            it = Talker(connection)
            async with asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(it.listen())
                speaking = tasks.create_task(it.speak())
                yield it
                speaking.cancel()
                await connection.close()
                await asyncio.wait([listening], timeout=5)
                listening.cancel()
