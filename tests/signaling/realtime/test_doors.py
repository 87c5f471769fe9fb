"""What comes to the doors and should not."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.app import SOCKETS
from signaling import routes
from tests.signaling.realtime.test_websocket import home


async def greeted(socket: aiohttp.ClientWebSocketResponse) -> None:
    """The first words have come."""
    for kind in ("session.created", "conversation.created"):
        assert (await socket.receive_json(timeout=10))["type"] == kind


@pytest.mark.parametrize(
    "message",
    ["", "null", "[]", "{", '{"type": 1}', '{"type": "x"}', "[" * 5000, '{"type":"session.update"}',
     '{"type":"input_audio_buffer.append","audio":"\\u0000"}',
     '{"type":"session.update","session":{"audio":7}}',
     r'{"type":"x","event_id":"\ud800"}',
     '{"type":"session.update","session":{"tracing":{"a":NaN}}}',
     r'{"type":"session.update","session":{"tracing":{"\udfff":1}}}',
     '{"type":"session.update","session":{"tools":' + '[{"a":' * 300 + "1" + "}]" * 300 + "}}"],
)  # fmt: skip
async def test_nonsense_is_answered_by_an_error_and_the_call_goes_on(message: str) -> None:
    async with home("x") as (url, _), aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{url}/v1/realtime") as socket:
            await greeted(socket)
            for _ in range(3):
                await socket.send_str(message)
                told = await socket.receive_json(timeout=10)
                assert told["type"] == "error" and told["error"]["message"]
            await socket.send_bytes(b'{"type": "input_audio_buffer.clear"}')
            assert (await socket.receive_json(timeout=10))["type"] == "input_audio_buffer.cleared"


async def test_a_message_without_end_closes_the_socket_alone() -> None:
    async with home("x") as (url, app), aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{url}/v1/realtime") as bad:
            async with http.ws_connect(f"{url}/v1/realtime") as good:
                await greeted(bad)
                await greeted(good)
                with suppress(ConnectionError):
                    await bad.send_str(" " * (5 << 20))
                assert (await bad.receive(timeout=10)).type in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.ERROR,
                )
                await good.send_str('{"type": "input_audio_buffer.clear"}')
                told = await good.receive_json(timeout=10)
                assert told["type"] == "input_audio_buffer.cleared"
                assert len(app[SOCKETS]) >= 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("client_secrets", "[", 400),
        ("client_secrets", "[1]", 400),
        ("client_secrets", '{"expires_after": {"seconds": 1}}', 400),
        ("client_secrets", '{"session": {"type": "realtime", "nonsense": 1}}', 400),
        ("client_secrets", r'{"session": {"tracing": {"a": "\ud800"}}}', 400),
        ("client_secrets", "", 200),
        ("sessions", '{"voice": "echo", "temperature": 1}', 200),
        ("calls", "v=0", 415),
        ("calls/nobody/hangup", "", 404),
        ("calls/nobody/accept", "{}", 404),
        ("calls/nobody/reject", "", 404),
    ],
)
async def test_http_is_answered_in_one_form(path: str, body: str, status: int) -> None:
    async with home("x") as (url, _), aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/json"}
        async with http.post(f"{url}/v1/realtime/{path}", data=body, headers=headers) as reply:
            assert reply.status == status
            told = await reply.json()
            assert status == 200 or told["error"]["message"]


async def test_http_names_the_field_that_is_wrong() -> None:
    async with home("x") as (url, _), aiohttp.ClientSession() as http:
        wanted = {"session": {"type": "realtime", "audio": {"output": {"speed": 2}}}}
        async with http.post(f"{url}/v1/realtime/client_secrets", json=wanted) as reply:
            assert (await reply.json())["error"]["param"] == "session.audio.output.speed"


async def test_a_body_in_a_coding_that_it_is_not_in_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with home("x") as (url, _), aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp", "Content-Encoding": "gzip"}
        for path in ("calls", "client_secrets"):
            async with http.post(
                f"{url}/v1/realtime/{path}", data=b"v=0", headers=headers
            ) as reply:
                assert reply.status == 400
                assert (await reply.json())["error"]["code"] == "bad_body"
        async with http.get(f"{url}/healthz") as reply:
            assert reply.status == 200
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


async def test_half_a_body_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "BODY_SECONDS", 0.1)
    async with home("x") as (url, _):
        address = urlsplit(url)
        for path in (b"/offer", b"/v1/realtime/calls", b"/v1/realtime/client_secrets"):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            kind = b"application/json" if path != b"/v1/realtime/calls" else b"application/sdp"
            writer.write(b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\n")
            writer.write(b"Content-Type: " + kind + b"\r\nContent-Length: 100\r\n\r\n{")
            async with asyncio.timeout(10):
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 408 ") and b"body_late" in answer
            writer.close()


async def test_a_page_of_another_site_gets_nothing() -> None:
    async with home("x") as (url, _), aiohttp.ClientSession() as http:
        headers = {"Origin": "https://evil.example"}
        async with http.post(f"{url}/v1/realtime/client_secrets", headers=headers) as reply:
            assert reply.status == 403
