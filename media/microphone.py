"""The call's ear: 16 kHz chunks of 20 ms, from whoever receives them to the one who listens.

It holds a bounded stretch of audio. When the listener is too slow the oldest chunk is dropped: what
is said now matters more than what was.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from pydantic import BaseModel, Field

from media.audio import CALLER_RATE, AudioChunk, Samples

CHUNK = 320
"""Samples of one chunk."""
CHUNK_SECONDS = CHUNK / CALLER_RATE


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A moment of the caller's audio, named by their client: after all that came before it.

    `commit`: their turn is over; `clear`: what they said since the last turn was nothing.
    `passed` is set when the listener has come to it."""

    kind: Literal["commit", "clear"]
    passed: asyncio.Event = field(default_factory=asyncio.Event)


class MicrophoneSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How much a slow listener may fall behind."""

    capacity: float = Field(default=2.0, ge=0.1, le=30.0)
    """Seconds of audio that are kept for a listener that is late."""


class Intake(Protocol):
    """Where a connection puts the caller's audio, until it closes."""

    @property
    def is_patient(self) -> bool: ...
    def put(self, chunk: AudioChunk) -> None: ...
    def mark(self, mark: Mark) -> None: ...
    def close(self) -> None: ...


class Microphone:
    """An async iterator of chunks, for one listener. `put` never waits."""

    def __init__(self, settings: MicrophoneSettings | None = None) -> None:
        settings = settings or MicrophoneSettings()
        self._chunks: deque[AudioChunk | Mark] = deque()
        self._most = round(settings.capacity / CHUNK_SECONDS)
        self._arrival: asyncio.Future[None] | None = None
        self._is_closed = False
        self.dropped = 0
        """Chunks that the listener was too slow for."""
        self.is_patient = False
        """Set by the listener while it needs not hear each chunk at once: two at a time will do."""

    def put(self, chunk: AudioChunk) -> None:
        """Hand over the next chunk; ignored once closed. Raises ValueError when not 16 kHz."""
        if chunk.rate != CALLER_RATE:
            raise ValueError(f"a microphone takes {CALLER_RATE} Hz, got {chunk.rate} Hz")
        if self._is_closed:
            return
        self._chunks.append(chunk)
        if len(self._chunks) > self._most:
            self._drop_one()
        self._wake()

    def mark(self, mark: Mark) -> None:
        """Name this moment of the audio; ignored once closed."""
        if not self._is_closed:
            self._chunks.append(mark)
            self._wake()

    def close(self) -> None:
        """No more chunks will come; what is there can still be listened to. Idempotent."""
        self._is_closed = True
        self._wake()

    def __aiter__(self) -> Microphone:
        return self

    async def __anext__(self) -> AudioChunk | Mark:
        while not self._chunks:
            if self._is_closed:
                raise StopAsyncIteration
            # A future costs a third of an event, 50 times a second in each call.
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._chunks.popleft()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _drop_one(self) -> None:
        """The oldest chunk; a mark is never lost."""
        for place, each in enumerate(self._chunks):
            if isinstance(each, AudioChunk):
                del self._chunks[place]
                self.dropped += 1
                return


class Inlet:
    """One connection's way into a microphone that outlives it: closed, it brings nothing more."""

    def __init__(self, microphone: Intake) -> None:
        self._microphone: Intake | None = microphone

    @property
    def is_patient(self) -> bool:
        """Whether the listener needs not hear each chunk at once."""
        return self._microphone is None or self._microphone.is_patient

    def put(self, chunk: AudioChunk) -> None:
        """Hand over the next chunk; ignored once closed."""
        if self._microphone is not None:
            self._microphone.put(chunk)

    def mark(self, mark: Mark) -> None:
        """Name this moment of the audio; ignored once closed."""
        if self._microphone is not None:
            self._microphone.mark(mark)

    def close(self) -> None:
        """This connection brings no more chunks; another may. Idempotent."""
        self._microphone = None


class Chunker:
    """Cuts a stream of 16 kHz samples into chunks of 20 ms."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(0, np.int16)

    def feed(self, samples: Samples) -> list[AudioChunk]:
        """Take samples of shape (n,); give the chunks that became whole."""
        if not len(self._rest) and len(samples) == CHUNK:
            return [AudioChunk(samples)]
        pending = np.concatenate([self._rest, samples])
        whole = len(pending) - len(pending) % CHUNK
        self._rest = pending[whole:]
        return [AudioChunk(pending[start : start + CHUNK]) for start in range(0, whole, CHUNK)]
