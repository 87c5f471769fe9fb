"""An endpoint that closes the connections which it said it would keep."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.engines.openai import OpenAI, OpenAISettings
from agent.engines.protocols import ReplyRequest
from agent.errors import EngineFailed
from agent.messages import Message
from tests.agent.engines.chat import REQUEST, event

REPLY = (event("Hello there.") + event(None, "stop") + "data: [DONE]\n\n").encode()
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(REPLY)}\r\n\r\n"


class Forgetful:
    """Answers `answers` requests of each connection, and hangs up at the next without a word."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.asked: list[int] = []
        """The number of each request within its connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while head := await self._head(reader):
            length = next(
                int(line.split(":")[1])
                for line in head
                if line.lower().startswith("content-length")
            )
            await reader.readexactly(length)
            number += 1
            self.asked.append(number)
            if number > self.answers:
                break
            writer.write(HEAD.encode() + REPLY)
        writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> list[str]:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        except asyncio.IncompleteReadError:
            return []


class Resetting(Forgetful):
    """Resets the connection where the other hangs up: in the middle of the request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while head := await self._head(reader):
            number += 1
            self.asked.append(number)
            if number > self.answers:
                break
            length = next(int(h.split(":")[1]) for h in head if h.lower().startswith("content-l"))
            await reader.readexactly(length)
            writer.write(HEAD.encode() + REPLY)
        at_once = struct.pack("ii", 1, 0)  # a reset instead of an end
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()


@asynccontextmanager
async def asking(endpoint: Forgetful) -> AsyncGenerator[OpenAI, None]:
    async with await asyncio.start_server(endpoint.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        model = OpenAI(OpenAISettings(base_url=f"http://127.0.0.1:{port}/v1", model="m"))
        try:
            yield model
        finally:
            await model.aclose()


async def said(model: OpenAI, request: ReplyRequest = REQUEST) -> str:
    return "".join([piece async for piece in model.reply(request)])


async def test_a_kept_connection_that_is_closed_when_it_is_used_costs_no_reply() -> None:
    endpoint = Forgetful(answers=1)
    async with asking(endpoint) as model:
        assert [await said(model) for _ in range(3)] == ["Hello there."] * 3
    assert endpoint.asked == [1, 2, 1, 2, 1]


@pytest.mark.parametrize("kind", [Forgetful, Resetting])
async def test_an_endpoint_that_always_hangs_up_is_asked_twice_and_no_more(
    kind: type[Forgetful],
) -> None:
    endpoint = kind(answers=0)
    async with asking(endpoint) as model:
        with pytest.raises(EngineFailed, match="could not be asked"):
            await said(model)
    assert endpoint.asked == [1, 1]


# More than the sockets hold: the reset comes while it is being sent.
@pytest.mark.parametrize("characters", [10, 8_000_000])
async def test_a_kept_connection_that_is_reset_when_it_is_used_costs_no_reply(
    characters: int,
) -> None:
    long = replace(REQUEST, messages=(Message("user", "a" * characters),))
    endpoint = Resetting(answers=1)
    async with asking(endpoint) as model:
        assert [await said(model, long) for _ in range(3)] == ["Hello there."] * 3
    assert endpoint.asked == [1, 2, 1, 2, 1]
