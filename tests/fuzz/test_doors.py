"""Every door is sent what nobody should send: it answers, and nothing is left behind.

A refusal is a 4xx with its error, or an `error` event; the server lives, no call stays, no task
hangs, and no bug is logged. What was found this way lies in `corpus/`, and is tried again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from server.app import CALLS, SOCKETS
from signaling.binary.frames import Close, Frame, Open, read, write
from signaling.binary.mux import PROTOCOL
from signaling.realtime.client import MAX_MESSAGE
from signaling.trickle import MEDIA_TYPE
from tests.fuzz.mutations import damaged, samples
from tests.signaling.realtime.test_websocket import home

LAST = "the last one"
LAST_CALL = 4_000_000_000
WITHIN = 20.0
"""Seconds in which anything is answered."""


@asynccontextmanager
async def unharmed(
    caplog: pytest.LogCaptureFixture,
) -> AsyncGenerator[tuple[str, web.Application, aiohttp.ClientSession], None]:
    """A server, which is whole and empty when the block ends."""
    async with home("hello", ice={"bind": ["127.0.0.1"], "connect_timeout": 1.0}) as (url, app):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(WITHIN)) as http:
            yield url, app, http
            async with http.get(f"{url}/healthz") as reply:
                assert reply.status == 200
        await gone(app)
    bugs = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert not bugs, bugs


async def gone(app: web.Application) -> None:
    """Wait until no call is left."""
    async with asyncio.timeout(WITHIN):
        while len(app[CALLS]) + len(app[SOCKETS]):  # noqa: ASYNC110 - a test's wait
            await asyncio.sleep(0.05)


async def refused_or_hung_up(
    url: str, http: aiohttp.ClientSession, reply: aiohttp.ClientResponse
) -> None:
    """A refusal in the one form; a call that did begin is ended."""
    if reply.status == 200:
        place = f"{url}/calls/{(await reply.json())['call_id']}"
    elif reply.status == 201:
        place = url + reply.headers["Location"]
    else:
        assert 400 <= reply.status < 500, (reply.status, await reply.text())
        assert (await reply.json())["error"]["message"]
        return
    async with http.delete(place) as ended:
        assert ended.status in (200, 204, 404)


@pytest.mark.parametrize("sample", samples("sdp"), ids=lambda path: path.stem)
async def test_offers(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with unharmed(caplog) as (url, _, http):
        for number, sdp in enumerate(damaged(sample)):
            if number % 2:
                kind, body = "application/sdp", sdp
                place = f"{url}/v1/realtime/calls"
            else:
                kind = "application/json"
                body = json.dumps({"sdp": sdp.decode(errors="replace")}).encode()
                place = f"{url}/offer"
            async with http.post(place, data=body, headers={"Content-Type": kind}) as reply:
                await refused_or_hung_up(url, http, reply)


@pytest.mark.parametrize("sample", samples("sdp"), ids=lambda path: path.stem)
async def test_forms(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    offer = sample.read_bytes()
    session = b'{"type": "realtime", "instructions": "x"}'
    head = b'--x\r\nContent-Disposition: form-data; name="sdp"\r\n\r\n'
    middle = b'\r\n--x\r\nContent-Disposition: form-data; name="session"\r\n\r\n'
    async with unharmed(caplog) as (url, _, http):
        for broken in damaged(sample):
            body = head + offer[: len(broken)] + middle + session + b"\r\n--x--\r\n"
            cut = body[: max(1, len(broken) % len(body))]
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            async with http.post(f"{url}/v1/realtime/calls", data=cut, headers=headers) as reply:
                await refused_or_hung_up(url, http, reply)


@pytest.mark.parametrize("sample", samples("fragments"), ids=lambda path: path.stem)
async def test_fragments(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    sdp = (sample.parent.parent / "sdp" / "chromium.sdp").read_bytes()
    async with unharmed(caplog) as (url, _, http):
        for fragment in damaged(sample):
            headers = {"Content-Type": "application/sdp"}
            async with http.post(f"{url}/v1/realtime/calls", data=sdp, headers=headers) as reply:
                assert reply.status == 201, await reply.text()
                place = url + reply.headers["Location"]
            fragment = fragment.replace(b"EsAw", b"KcXx")
            headers = {"Content-Type": MEDIA_TYPE, "If-Match": "*"}
            async with http.patch(place, data=fragment, headers=headers) as reply:
                assert reply.status == 204 or 400 <= reply.status < 500
            async with http.delete(place) as reply:
                assert reply.status in (200, 404)


@pytest.mark.parametrize("sample", samples("events"), ids=lambda path: path.stem)
async def test_events(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with unharmed(caplog) as (url, _, http):
        async with http.ws_connect(f"{url}/v1/realtime") as call, asyncio.TaskGroup() as tasks:
            tasks.create_task(read_to_the_end(call))
            for event in damaged(sample):
                if len(event) < MAX_MESSAGE:  # a longer one closes the socket
                    await call.send_bytes(event)
            await call.send_json({"type": "farewell", "event_id": LAST})


async def read_to_the_end(call: aiohttp.ClientWebSocketResponse) -> None:
    """Every event, until the one that answers the last of ours."""
    async with asyncio.timeout(60 + WITHIN):
        async for message in call:
            told = json.loads(message.data)
            assert isinstance(told["type"], str)
            if told["type"] == "error" and told["error"]["event_id"] == LAST:
                return
    pytest.fail(f"the socket was closed: {call.close_code} {message}")


@pytest.mark.parametrize("sample", samples("frames"), ids=lambda path: path.stem)
async def test_frames(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with unharmed(caplog) as (url, _, http):
        async with http.ws_connect(f"{url}/v1/realtime", protocols=[PROTOCOL]) as socket:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(read_frames(socket))
                await socket.send_bytes(write(Frame(1, Open())))
                for frame in damaged(sample):
                    await socket.send_bytes(frame)
                await socket.send_bytes(write(Frame(LAST_CALL, Close("never opened"))))


async def read_frames(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Every frame, until the one that answers the last of ours."""
    async with asyncio.timeout(60 + WITHIN):
        async for message in socket:
            if read(message.data).call == LAST_CALL:
                return
    pytest.fail("the socket was closed")


@pytest.mark.parametrize("sample", samples("headers"), ids=lambda path: path.stem)
async def test_headers(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    doors = [
        ("POST", "/offer"),
        ("POST", "/v1/realtime/calls"),
        ("POST", "/v1/realtime/calls/nobody/resume"),
        ("PATCH", "/v1/realtime/calls/nobody"),
        ("POST", "/v1/realtime/client_secrets"),
        ("GET", "/v1/realtime"),
        ("GET", "/info"),
        ("OPTIONS", "/v1/realtime/calls"),
    ]
    async with unharmed(caplog) as (url, _, http):
        for broken in damaged(sample):
            headers = _as_headers(sample.read_bytes(), broken)
            for method, path in doors:
                try:
                    async with http.request(method, url + path, headers=headers, data=b"x") as told:
                        assert told.status < 500, (method, path, headers, await told.text())
                except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                    pass  # closed: the request itself was none
                except ValueError:
                    break  # our own client refuses to send it


def _as_headers(whole: bytes, broken: bytes) -> dict[str, str]:
    """The sample's headers, their values taken from its damaged copy."""
    names = list(json.loads(whole))
    parts = broken.decode("latin-1").replace("\r", "").replace("\n", "").split('"')
    values = [part for part in parts if part.strip(" :,{}")] or [""]
    return {name: values[(2 * place + 1) % len(values)] for place, name in enumerate(names)}
