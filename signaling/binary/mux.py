"""Several calls over one WebSocket: frames are given to their calls, and what the calls say is
sent as frames. To each call its part of the connection looks like a connection of its own.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from signaling.binary.frames import Audio, BadFrame, Body, Close, Event, Frame, Open, Opened
from signaling.binary.frames import read as read_frame
from signaling.binary.frames import write as write_frame
from signaling.errors import SignalingError
from signaling.realtime.commands import Fields
from signaling.realtime.port import Sound
from signaling.realtime.refusal import Refused
from signaling.realtime.session import write as write_event
from signaling.realtime.strict_json import read as read_json

log = logging.getLogger(__name__)

PROTOCOL = "chuimsae.binary.1"
"""The subprotocol, as a client offers it."""
CALLS = 64
"""Calls over one connection at most."""
UNREAD = 256
"""A call's frames that may wait to be read; a client that sends faster is hung up on."""
SOUND = "response.output_audio.delta"

Converse = Callable[["BinaryPort", dict[str, Any]], Awaitable[None]]
"""Holds one call over a port, with its first configuration. Raises SignalingError, Refused."""


class BinaryPort:
    """A `Port` of one call."""

    def __init__(self, number: int, send: Callable[[Frame], Awaitable[None]]) -> None:
        self._number = number
        self._send = send
        self._unread: asyncio.Queue[Audio | Event | None] = asyncio.Queue(UNREAD)
        self._item = ""
        self._is_open = True

    @property
    def closed(self) -> bool:
        return not self._is_open

    def put(self, body: Audio | Event | None) -> bool:
        """A frame of the client's; None: it has left. False when too many wait."""
        if self._unread.full():
            return False
        self._unread.put_nowait(body)
        return True

    async def opened(self, call_id: str) -> None:
        """Tell the client that the call has begun."""
        await self._send(Frame(self._number, Opened(call_id)))

    async def __aiter__(self) -> AsyncIterator[str | bytes | Sound]:
        while (body := await self._unread.get()) is not None:
            yield Sound(body.packet) if isinstance(body, Audio) else body.json

    async def send(self, event: Fields) -> None:
        """Sound as its packet; everything else as JSON."""
        await self._send(Frame(self._number, self._body(event)))

    async def close(self) -> None:
        """Idempotent."""
        self._is_open = False

    def _body(self, event: Fields) -> Body:
        if event["type"] != SOUND:
            return Event(write_event(event).encode())
        item = event["item_id"] if event["item_id"] != self._item else ""
        self._item = event["item_id"]
        return Audio(base64.b64decode(event["delta"]), item)


class Mux:
    """One connection and its calls."""

    def __init__(self, socket: web.WebSocketResponse, converse: Converse) -> None:
        self._socket = socket
        self._converse = converse
        self._ports: dict[int, BinaryPort] = {}

    async def run(self) -> None:
        """Until the client leaves; its calls end with it."""
        async with asyncio.TaskGroup() as tasks:
            async for message in self._socket:
                if message.type != WSMsgType.BINARY:
                    await self._refuse(0, "not_binary", "this subprotocol has binary messages only")
                    continue
                await self._take(message.data, tasks)
            for port in self._ports.values():
                self._hang_up(port)

    async def _take(self, message: bytes, tasks: asyncio.TaskGroup) -> None:
        try:
            frame = read_frame(message)
        except BadFrame as error:
            return await self._refuse(0, "bad_frame", str(error))
        port = self._ports.get(frame.call)
        match frame.body:
            case Open(session):
                await self._open(frame.call, session, tasks)
            case Audio() | Event() as body if port is not None:
                if not port.put(body):
                    await self._refuse(frame.call, "too_fast", "frames come faster than they go")
                    self._hang_up(port)
            case Close() if port is not None:
                self._hang_up(port)
            case Opened():
                await self._refuse(frame.call, "bad_frame", "only the server says Opened")
            case _:
                await self._refuse(frame.call, "unknown_call", "open the call first")

    async def _open(self, number: int, session: bytes, tasks: asyncio.TaskGroup) -> None:
        if number in self._ports:
            return await self._refuse(number, "call_in_use", "this number is another call's")
        if len(self._ports) >= CALLS:
            return await self._refuse(
                number, "too_many_calls", f"a connection holds {CALLS} calls at most"
            )
        try:
            configuration = read_json(session, "session") if session else {}
        except Refused as refused:
            return await self._refuse(number, refused.code, str(refused))
        if not isinstance(configuration, dict):
            return await self._refuse(number, "invalid_type", "session is an object")
        port = self._ports[number] = BinaryPort(number, self._send)
        tasks.create_task(self._hold(number, port, configuration))

    async def _hold(self, number: int, port: BinaryPort, configuration: dict[str, Any]) -> None:
        """One call: what it raises ends it alone."""
        close = Close("ended")
        try:
            await self._converse(port, configuration)
        except (SignalingError, Refused) as refused:
            close = Close(refused.code or "refused", str(refused))
        except Exception:
            log.exception("A bug ended the call")
            close = Close("failed", "something went wrong in the server")
        finally:
            del self._ports[number]
        await self._say(Frame(number, close))

    def _hang_up(self, port: BinaryPort) -> None:
        while not port.put(None):
            port._unread.get_nowait()

    async def _refuse(self, number: int, code: str, message: str) -> None:
        await self._say(Frame(number, Close(code, message)))

    async def _say(self, frame: Frame) -> None:
        try:
            await self._send(frame)
        except ConnectionError:
            log.debug("The client did not take its last frame")

    async def _send(self, frame: Frame) -> None:
        await self._socket.send_bytes(write_frame(frame))
