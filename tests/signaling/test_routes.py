"""The HTTP surface: what is let in, and how everything else is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection
from yarl import URL

from server.settings import ServerSettings
from tests.signaling.phone import Phone, phone, tone

JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture
async def line() -> AsyncGenerator[Phone, None]:
    async with phone() as serving:
        yield serving


async def offered(
    line: Phone, body: Any, *, headers: dict[str, str] = JSON
) -> tuple[int, dict[str, str]]:
    """What the server says to a body: the status and the error."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{line.url}/offer", data=data, headers=headers) as response,
    ):
        return response.status, (await response.json())["error"]


async def real_offer(*, audio: str | None = "sendrecv", video: bool = False) -> str:
    pc = RTCPeerConnection()
    try:
        if audio is not None:
            pc.addTransceiver("audio", direction=audio)
        if video:
            pc.addTransceiver("video", direction="sendrecv")
        pc.createDataChannel("control")
        return str((await pc.createOffer()).sdp)
    finally:
        await pc.close()


BAD_BODIES = [
    ("no JSON", "hello", 400, "bad_json"),
    ("broken text", b"\xff\xfe", 400, "bad_json"),
    ("nothing", "", 400, "bad_json"),
    ("deep nesting", "[" * 100_000, 400, "bad_json"),
    ("an array", [], 400, "bad_offer"),
    ("no SDP", {"type": "offer"}, 400, "no_sdp"),
    ("empty SDP", {"sdp": "", "type": "offer"}, 400, "no_sdp"),
    ("a number as SDP", {"sdp": 7, "type": "offer"}, 400, "no_sdp"),
    ("an answer", {"sdp": "v=0", "type": "answer"}, 400, "bad_type"),
    ("no SDP at all in it", {"sdp": "hello", "type": "offer"}, 400, "bad_sdp"),
    ("an SDP of nothing", {"sdp": "v=0\r\n", "type": "offer"}, 400, "no_audio"),
    ("a bad line", {"sdp": "v=0\r\nm=audio x y z\r\n", "type": "offer"}, 400, "bad_sdp"),
    ("a language nobody speaks", {"sdp": "v=0", "language": "tlh"}, 400, "unknown_language"),
    ("a huge SDP", {"sdp": "v=0\r\n" + "a=x\r\n" * 20_000}, 413, "sdp_too_large"),
    ("a huge body", {"sdp": "v=0\r\n" + "a" * 400_000}, 413, "request_entity_too_large"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [row[1:] for row in BAD_BODIES], ids=[row[0] for row in BAD_BODIES]
)
async def test_a_bad_offer_is_refused(line: Phone, body: Any, status: int, code: str) -> None:
    answered, error = await offered(line, body)
    assert (answered, error["code"]) == (status, code)
    assert error["message"]
    assert len(line.calls) == 0


async def test_two_hundred_candidates_are_refused(line: Phone) -> None:
    sdp = await real_offer()
    candidate = "a=candidate:1 1 udp 2122260223 192.168.1.{} 50000 typ host\r\n"
    sdp += "".join(candidate.format(number) for number in range(200))
    status, error = await offered(line, {"sdp": sdp, "type": "offer"})
    assert (status, error["code"]) == (400, "too_many_candidates")


@pytest.mark.parametrize("audio", [None, "recvonly", "sendonly", "inactive"])
async def test_an_offer_without_audio_both_ways_is_refused(line: Phone, audio: str | None) -> None:
    sdp = await real_offer(audio=audio)
    status, error = await offered(line, {"sdp": sdp, "type": "offer"})
    assert (status, error["code"]) == (400, "no_audio")


@pytest.mark.parametrize(
    "breakage",
    [
        ("a=ice-ufrag", "a=x-ufrag"),
        ("a=fingerprint", "a=x-fingerprint"),
        ("a=rtcp-mux", "a=x"),
        ("a=rtpmap:96 opus/48000/2", "a=rtpmap:96 mystery/48000/2"),
        ("a=mid:0", "a=mid:9"),
        ("a=setup:actpass", "a=setup:nonsense"),
        ("a=sctp-port:5000", "a=sctp-port:nonsense"),
        ("m=application", "m=message"),
        ("m=audio 9", "m=audio 0"),
    ],
)
async def test_a_mutilated_offer_is_refused_or_answered_but_never_breaks(
    line: Phone, breakage: tuple[str, str]
) -> None:
    sdp = (await real_offer()).replace(*breakage)
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{line.url}/offer", json={"sdp": sdp, "type": "offer"}) as response,
    ):
        assert response.status in (200, 400)
        await response.json()


async def test_another_content_type_is_refused(line: Phone) -> None:
    status, error = await offered(line, "{}", headers={"Content-Type": "text/plain"})
    assert (status, error["code"]) == (415, "unsupported_media_type")


async def test_an_unknown_call_and_an_unknown_path_are_404(line: Phone) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.delete(f"{line.url}/calls/nobody") as response:
            assert response.status == 404
            assert (await response.json())["error"]["code"] == "unknown_call"
        async with http.get(f"{line.url}/nowhere") as response:
            assert response.status == 404
            assert (await response.json())["error"]["code"] == "not_found"
        async with http.get(f"{line.url}/offer") as response:
            assert response.status == 405
            assert response.headers["Allow"] == "POST"
            assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_bad_offers_do_not_disturb_a_call(line: Phone) -> None:
    async with line.caller() as caller:
        for _, body, status, code in BAD_BODIES:
            answered, error = await offered(line, body)
            assert (answered, error["code"]) == (status, code)
        said = await caller.say(tone(0.3))
        assert await caller.recording.next_voice(said.begin) > said.begin
        assert len(line.calls) == 1


async def test_video_is_answered_as_inactive(line: Phone) -> None:
    sdp = await real_offer(video=True)
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{line.url}/offer", json={"sdp": sdp, "type": "offer"}) as response,
    ):
        answer = (await response.json())["sdp"]
    video = answer[answer.index("m=video") :]
    assert "a=inactive" in video[: video.index("m=application")]
    assert "a=sendrecv" in answer[: answer.index("m=video")]


async def test_a_full_server_says_when_to_try_again() -> None:
    settings = ServerSettings(max_calls=1, retry_after=7)
    async with phone(server=settings) as line, line.caller() as caller:
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{line.url}/offer", json={"sdp": await real_offer(), "type": "offer"}
            ) as response,
        ):
            assert response.status == 503
            assert response.headers["Retry-After"] == "7"
            assert (await response.json())["error"]["code"] == "busy"
        await caller.hang_up()
        async with line.caller():
            assert len(line.calls) == 1


async def test_the_page_may_load_nothing_from_elsewhere(line: Phone) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{line.url}/") as response:
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_files_of_the_page_are_revalidated_and_not_sent_twice(line: Phone) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{line.url}/static/index.html") as response:
            assert response.status == 200
            tag = response.headers["ETag"]
        again = {"If-None-Match": tag}
        async with http.get(f"{line.url}/static/index.html", headers=again) as response:
            assert response.status == 304


async def test_nothing_outside_the_pages_folder_is_served(line: Phone) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/static/../run.py", "/static/%2e%2e/run.py", "/static/%2fetc%2fpasswd"):
            url = URL(f"{line.url}{path}", encoded=True)
            async with http.get(url) as response:
                assert response.status in (403, 404)


@pytest.mark.parametrize("name", ["none.js", "words", "a%00b", "x" * 300])
async def test_a_file_that_is_not_there_is_told_in_words(line: Phone, name: str) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(URL(f"{line.url}/static/{name}", encoded=True)) as response:
            assert response.status == 404
            assert "there is no file" in (await response.json())["error"]["message"]


async def test_health_tells_alive_ready_and_stopping(line: Phone) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{line.url}/healthz") as response:
            assert response.status == 200
            assert await response.json() == {"status": "alive", "load": "easy"}
        async with http.get(f"{line.url}/readyz") as response:
            ready = {"status": "ready", "calls": 0, "limit": line.calls.admission.limit}
            assert await response.json() == {**ready, "load": "easy", "rung": 0}
        await line.calls.drain()
        async with http.get(f"{line.url}/readyz") as response:
            assert response.status == 503
            assert (await response.json())["status"] == "stopping"
    status, error = await offered(line, {"sdp": await real_offer(), "type": "offer"})
    assert (status, error["code"]) == (503, "stopping")
