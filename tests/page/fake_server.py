"""A server that says what a test tells it to: the page's other end, with nothing behind it.

It serves the real `static/`, answers offers with a real aiortc peer whose voice is a tone, and
sends over the data channel whatever `tell` is given, as events of the server's own. Real enough for
every state of the page, the ones that a real server reaches only by breaking included.
"""

from __future__ import annotations

import asyncio
import fractions
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

from signaling.routes import PAGE_POLICY

STATIC = Path(__file__).resolve().parents[2] / "static"

THERE = {"why": "its models are there"}
STAGES = [
    {"stage": "stt", "engine": "whisper", "model": "tiny.en, small", **THERE},
    {"stage": "llm", "engine": "llama", "model": "Qwen2.5 0.5B Q4_K_M", **THERE},
    {"stage": "tts", "engine": "piper", "model": "en_US-amy-low", "why": "its voices are there"},
]

POOR_STAGES = [
    {
        "stage": "stt",
        "engine": "pocketsphinx",
        "model": "en-us",
        "missing": "whisper model small",
        "mend": "python run.py models pull whisper-small",
    },
    {
        "stage": "llm",
        "engine": "scripted",
        "missing": "a GGUF chat model",
        "mend": "python run.py models pull qwen2.5-0.5b-instruct-q4_k_m",
    },
    {
        "stage": "tts",
        "engine": "piper",
        "model": "en_US-amy-low",
        "why": "its voices are there",
    },
]

SECRET = "ek_for_a_while"

INFO: dict[str, Any] = {
    "name": "chuimsae",
    "languages": [{"code": "en", "name": "English"}, {"code": "ko", "name": "한국어"}],
    "default_language": "en",
    "stages": STAGES,
    "calls": 0,
    "limit": 4,
}


class Tone(MediaStreamTrack):
    """The agent's voice: half a second of 440 Hz, half a second of silence, over and over."""

    kind = "audio"
    rate = 48000

    def __init__(self) -> None:
        super().__init__()
        self._frames = 0
        self._began: float | None = None

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._began = loop.time() if self._began is None else self._began
        await asyncio.sleep(self._began + self._frames * 0.02 - loop.time())
        size = self.rate // 50
        at = self._frames * size + np.arange(size)
        loudness = 0.3 * ((at // (self.rate // 2)) % 2 == 0)
        samples = loudness * np.sin(2 * np.pi * 440 * at / self.rate)
        frame = AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None, :], layout="mono")
        frame.sample_rate, frame.pts = self.rate, self._frames * size
        frame.time_base = fractions.Fraction(1, self.rate)
        self._frames += 1
        return frame


class FakeServer:
    """`info` and `refusal` may be changed by a test before the page asks."""

    def __init__(self) -> None:
        self.info: dict[str, Any] = dict(INFO)
        self.refusal: web.Response | None = None
        """What every offer is answered with, instead of a call."""
        self.calls: dict[str, RTCPeerConnection] = {}
        self.freed: list[str] = []
        self.offers: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        """The events that the page sent, but for its asking for the first words."""
        self.ice: list[dict[str, Any]] = []
        self.greeted = 0
        """How often the page asked for the first words."""
        self.key: str | None = None
        """The API key that it wants."""
        self.is_ours = True
        """Whether it tells events of its own."""
        self.url = ""
        self._channel: RTCDataChannel | None = None
        self._opened = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def start(self) -> None:
        """Listens, on the port it had before when it is started again."""
        app = web.Application(middlewares=[_guard])
        app.add_routes(
            [
                web.get("/", self._page),
                web.static("/static", STATIC),
                web.get("/info", self._info),
                web.get("/ice", self._ice),
                web.post("/v1/realtime/client_secrets", self._secret),
                web.post("/v1/realtime/calls", self._offer),
                web.post("/v1/realtime/calls/{id}/resume", self._resume),
                web.post("/v1/realtime/calls/{id}/hangup", self._free),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self.url = f"http://localhost:{self._port}/"

    async def stop(self) -> None:
        await self.drop_calls()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def reset(self) -> None:
        """As new, for the next test."""
        await self.drop_calls()
        self.info, self.refusal, self.key, self.is_ours = dict(INFO), None, None, True
        self.greeted = 0
        for record in (self.freed, self.offers, self.received):
            record.clear()

    async def drop_calls(self) -> None:
        """Every call's connection goes away without a word."""
        peers = list(self.calls.values())
        self.calls.clear()
        self._channel = None
        self._opened = asyncio.Event()
        for peer in peers:
            await peer.close()

    async def tell(self, *messages: Mapping[str, Any]) -> None:
        """Sends events of the server's own to the call that was opened last."""
        ours = ({"at": 0.0, **each, "type": f"chuimsae.{each['type']}"} for each in messages)
        await self.send(*ours)

    async def send(self, *events: Mapping[str, Any]) -> None:
        """Sends events of the protocol's to the call that was opened last."""
        await asyncio.wait_for(self._opened.wait(), 10)
        assert self._channel is not None
        for event in events:
            self._channel.send(json.dumps({"event_id": "x", **event}, ensure_ascii=False))

    async def start_call(self, **changes: Any) -> None:
        """Says that the call has started."""
        started = {
            "call_id": "1",
            "language": "en",
            "persona": "Sori",
            "stages": self.info["stages"],
        }
        await self.tell({"type": "call.started", **started, **changes})
        await self.tell({"type": "phase", "phase": "listening"})

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _info(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response(self.info)

    async def _ice(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"ice_servers": self.ice})

    async def _secret(self, request: web.Request) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        return web.json_response({"value": SECRET, "expires_at": time.time() + 600})

    def _refused(self, request: web.Request) -> web.Response | None:
        """What a request without the key is answered with, where one is wanted."""
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key is None or shown in (self.key, SECRET):
            return None
        code, message = ("bad_key", "the key is not known") if shown else ("no_key", "send a key")
        return _sent(refusal(401, code, message))

    async def _offer(self, request: web.Request) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        form = await request.post()
        sdp = str(form["sdp"])
        self.offers.append({"sdp": sdp, "session": json.loads(str(form["session"]))})
        if self.refusal is not None:
            return _sent(self.refusal)
        call_id = str(len(self.offers))
        peer = RTCPeerConnection()
        self.calls[call_id] = peer
        peer.on("datachannel", self._open)
        peer.addTrack(Tone())
        await peer.setRemoteDescription(RTCSessionDescription(sdp=sdp, type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        headers = {
            "Location": f"/v1/realtime/calls/{call_id}",
            "Chuimsae-Resume-Token": "a token",
            "Chuimsae-Resume-Within": "20",
        }
        return web.Response(status=201, text=peer.localDescription.sdp, headers=headers)

    async def _resume(self, request: web.Request) -> web.Response:
        return _sent(refusal(404, "unknown_call", "there is no such call"))

    def _open(self, channel: RTCDataChannel) -> None:
        channel.on("message", self._take)
        self._channel = channel
        asked = self.offers[-1]["session"].get("chuimsae")
        session = {"type": "realtime", **({"chuimsae": asked} if asked and self.is_ours else {})}
        created = {"type": "session.created", "event_id": "x", "session": session}
        channel.send(json.dumps(created))
        self._opened.set()

    def _take(self, text: str) -> None:
        event = json.loads(text)
        if event.get("event_id") == "quiet" and event["type"] == "response.create":
            self.greeted += 1
        else:
            self.received.append(event)

    async def _free(self, request: web.Request) -> web.Response:
        peer = self.calls.pop(request.match_info["id"], None)
        if peer is None:
            return web.Response(status=404)
        self.freed.append(request.match_info["id"])
        self._channel = None
        self._opened = asyncio.Event()
        await peer.close()
        return web.Response()


def refusal(status: int, code: str, message: str, **headers: str) -> web.Response:
    """An error as the server words it."""
    body = json.dumps({"error": {"code": code, "message": message}})
    return web.Response(status=status, text=body, headers=headers)


def _sent(told: web.Response) -> web.Response:
    """A refusal once more: a response is sent once."""
    headers = {k: v for k, v in told.headers.items() if k == "Retry-After"}
    return web.Response(
        status=told.status, text=told.text, headers=headers, content_type="application/json"
    )


@web.middleware
async def _guard(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response
