"""Where a session's messages come from and go to: a WebSocket of JSON, or something like it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import WSMsgType, web

from signaling.realtime.commands import Fields
from signaling.realtime.session import write


@dataclass(frozen=True, slots=True)
class Sound:
    """The caller's audio, in the session's input format."""

    payload: bytes


class Port(Protocol):
    """One client's messages, both ways, until the client is gone."""

    @property
    def closed(self) -> bool: ...

    def __aiter__(self) -> AsyncIterator[str | bytes | Sound]:
        """What the client sends: events as JSON, and sound. Ends when it left; raises
        ConnectionError when the connection broke."""

    async def send(self, event: Fields) -> None:
        """Raises ConnectionError."""

    async def close(self) -> None: ...


class JsonPort:
    """An open WebSocket: an event a message, audio in it as base64."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def __aiter__(self) -> AsyncIterator[str | bytes | Sound]:
        async for message in self._socket:
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    yield message.data
                case WSMsgType.ERROR:
                    raise ConnectionError("the socket broke")

    async def send(self, event: Fields) -> None:
        await self._socket.send_str(write(event))

    async def close(self) -> None:
        await self._socket.close()
