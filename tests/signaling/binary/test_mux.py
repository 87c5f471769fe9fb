"""Calls over one connection in the binary subprotocol, as a client of it has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
import pytest

from media.audio import AudioChunk, Resampler, level_db
from media.opus import FRAME, Decoder, Encoder
from server.app import SOCKETS
from signaling.binary.frames import Audio, Body, Close, Event, Frame, Open, Opened, read, write
from signaling.binary.mux import PROTOCOL
from tests.server.house import spoken
from tests.signaling.realtime.test_websocket import home


class Line:
    """One call of a connection."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self.number = number
        self.bodies: list[Body] = []
        self.events: list[dict[str, Any]] = []
        self.sound: list[Audio] = []
        self.changed = asyncio.Event()

    async def send(self, body: Body) -> None:
        await self._client.socket.send_bytes(write(Frame(self.number, body)))

    async def event(self, **fields: Any) -> None:
        await self.send(Event(json.dumps(fields).encode()))

    def take(self, body: Body) -> None:
        self.bodies.append(body)
        if isinstance(body, Event):
            self.events.append(json.loads(body.json))
        elif isinstance(body, Audio):
            self.sound.append(body)
        self.changed.set()

    async def say(self, audio: AudioChunk) -> None:
        """At the pace of speech, a packet every 20 ms."""
        resampler, encoder = Resampler(audio.rate, 48_000), Encoder()
        wide = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
        for start in range(0, len(wide) - FRAME, FRAME):
            await self.send(Audio(encoder.encode(wide[start : start + FRAME])))
            await asyncio.sleep(0.02)

    async def wait_for(self, kind: type[Body] | str) -> Any:
        """The first frame of that type, or event of that name."""
        async with asyncio.timeout(30):
            while True:
                for body in self.bodies:
                    if isinstance(kind, str):
                        if isinstance(body, Event) and json.loads(body.json)["type"] == kind:
                            return json.loads(body.json)
                    elif isinstance(body, kind):
                        return body
                self.changed.clear()
                await self.changed.wait()


class Client:
    """One connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.lines: dict[int, Line] = {}

    def line(self, number: int) -> Line:
        return self.lines.setdefault(number, Line(self, number))

    async def read(self) -> None:
        async for message in self.socket:
            frame = read(message.data)
            self.line(frame.call).take(frame.body)


@asynccontextmanager
async def client(url: str) -> AsyncGenerator[Client, None]:
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{url}/v1/realtime", protocols=[PROTOCOL]) as socket:
            assert socket.protocol == PROTOCOL
            it = Client(socket)
            reading = asyncio.ensure_future(it.read())
            yield it
            await socket.close()
            await reading


async def test_a_spoken_turn_goes_by_opus_both_ways() -> None:
    async with home("what time is it") as (url, app), client(url) as it:
        line = it.line(1)
        await line.send(Open())
        opened = await line.wait_for(Opened)
        assert app[SOCKETS].knows(opened.call_id)
        created = await line.wait_for("session.created")
        assert created["session"]["audio"]["output"]["format"]["type"] == "audio/opus"
        await line.say(await spoken("What time is it?"))
        done = (await line.wait_for("response.done"))["response"]
        heard = await line.wait_for("conversation.item.input_audio_transcription.completed")
        assert heard["transcript"] == "what time is it"
        decoder = Decoder(48_000)
        sound = np.concatenate([decoder.decode(each.packet) for each in line.sound])
        assert level_db(sound) > -35 and len(sound) > 24_000
        assert [each.item_id for each in line.sound if each.item_id] == [done["output"][0]["id"]]
        assert not any("output_audio.delta" in each["type"] for each in line.events)
        await line.send(Close("bye"))
        assert (await line.wait_for(Close)).code == "ended"
    assert len(app[SOCKETS]) == 0


async def test_calls_of_one_connection_are_each_their_own() -> None:
    async with home("hello") as (url, app), client(url) as it:
        one, other = it.line(1), it.line(2)
        for line, name in ((one, "Ann"), (other, "Bob")):
            session = {"instructions": f"You are {name}."}
            await line.send(Open(json.dumps(session).encode()))
        for line, name in ((one, "Ann"), (other, "Bob")):
            created = await line.wait_for("session.created")
            assert created["session"]["instructions"] == f"You are {name}."
        assert len(app[SOCKETS]) == 2
        await one.send(Close("bye"))
        await one.wait_for(Close)
        await other.event(type="input_audio_buffer.clear")
        await other.wait_for("input_audio_buffer.cleared")
        await one.send(Open())
        async with asyncio.timeout(10):
            while sum(isinstance(body, Opened) for body in one.bodies) < 2:
                one.changed.clear()
                await one.changed.wait()


@pytest.mark.parametrize(
    ("bodies", "code"),
    [
        ([Audio(b"\xf8")], "unknown_call"),
        ([Opened("x")], "bad_frame"),
        ([Open(b"{")], "invalid_json"),
        ([Open(b"[]")], "invalid_type"),
        ([Open(b'{"instructions": 7}')], "invalid_type"),
        ([Open(), Open()], "call_in_use"),
    ],
)
async def test_what_cannot_be_done_is_told_and_the_connection_stays(
    bodies: list[Body], code: str
) -> None:
    async with home("hello") as (url, _), client(url) as it:
        for body in bodies:
            await it.line(1).send(body)
        told = await it.line(1).wait_for(Close)
        assert told.message and (told.code == code or code == "invalid_type")
        await it.line(2).send(Open())
        await it.line(2).wait_for("session.created")


async def test_garbage_is_refused_and_the_connection_stays() -> None:
    async with home("hello") as (url, _), client(url) as it:
        await it.socket.send_bytes(b"garbage")
        await it.socket.send_str("text")
        assert (await it.line(0).wait_for(Close)).code == "bad_frame"
        await it.line(1).send(Open())
        await it.line(1).wait_for("session.created")
        await it.line(1).send(Audio(b""))
        await it.line(1).send(Audio(b"\x03"))
        told = await it.line(1).wait_for("error")
        assert "no audio" in told["error"]["message"]


async def test_a_client_that_leaves_ends_all_its_calls() -> None:
    async with home("hello") as (url, app):
        async with client(url) as it:
            for number in range(3):
                await it.line(number).send(Open())
                await it.line(number).wait_for(Opened)
            assert len(app[SOCKETS]) == 3
        async with asyncio.timeout(10):
            while len(app[SOCKETS]):  # noqa: ASYNC110 - a test's wait
                await asyncio.sleep(0.02)


async def test_each_call_takes_a_place() -> None:
    async with home("hello", server={"port": 0, "max_calls": 1}) as (url, _), client(url) as it:
        await it.line(1).send(Open())
        await it.line(1).wait_for(Opened)
        await it.line(2).send(Open())
        assert (await it.line(2).wait_for(Close)).code == "busy"
