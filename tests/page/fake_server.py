"""A server that says what a test tells it to: the page's other end, with nothing behind it.

It serves the real `static/`, answers offers with a real aiortc peer whose voice is a tone, and
sends over the control channel whatever `tell` is given. Real enough for every state of the page,
the ones that a real server reaches only by breaking included.
"""

from __future__ import annotations

import asyncio
import fractions
import json
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

STAGES = [
    {"stage": "stt", "engine": "whisper", "model": "tiny.en, small", "why": "found in models/"},
    {"stage": "llm", "engine": "llama", "model": "Qwen2.5 0.5B Q4_K_M", "why": "found in models/"},
    {"stage": "tts", "engine": "piper", "model": "en_US-amy-low", "why": "found in models/"},
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
    {"stage": "tts", "engine": "piper", "model": "en_US-amy-low"},
]

INFO: dict[str, Any] = {
    "name": "chuimsae",
    "languages": [{"code": "en", "name": "English"}, {"code": "ko", "name": "한국어"}],
    "default_language": "en",
    "stages": STAGES,
    "ice_servers": [],
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
        """What the page said over the control channel."""
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
                web.post("/offer", self._offer),
                web.delete("/calls/{id}", self._free),
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
        self.info, self.refusal = dict(INFO), None
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
        """Sends control messages to the call that was opened last."""
        await asyncio.wait_for(self._opened.wait(), 10)
        assert self._channel is not None
        for message in messages:
            self._channel.send(json.dumps({"at": 0.0, **message}, ensure_ascii=False))

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
        return web.json_response(self.info)

    async def _offer(self, request: web.Request) -> web.Response:
        offer = await request.json()
        self.offers.append(offer)
        if self.refusal is not None:
            body = self.refusal.text
            headers = {k: v for k, v in self.refusal.headers.items() if k == "Retry-After"}
            return web.Response(
                status=self.refusal.status,
                text=body,
                headers=headers,
                content_type="application/json",
            )
        if "resume_token" in offer:
            unknown = refusal(404, "unknown_call", "there is no such call")
            return web.Response(status=404, text=unknown.text, content_type="application/json")
        call_id = str(len(self.offers))
        peer = RTCPeerConnection()
        self.calls[call_id] = peer
        peer.on("datachannel", self._open)
        peer.addTrack(Tone())
        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer["sdp"], type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        sdp = peer.localDescription.sdp
        resume = {"resume_token": "a token", "resume_within": 20.0}
        return web.json_response({"sdp": sdp, "type": "answer", "call_id": call_id, **resume})

    def _open(self, channel: RTCDataChannel) -> None:
        channel.on("message", lambda text: self.received.append(json.loads(text)))
        self._channel = channel
        self._opened.set()

    async def _free(self, request: web.Request) -> web.Response:
        peer = self.calls.pop(request.match_info["id"], None)
        if peer is None:
            return web.Response(status=404)
        self.freed.append(request.match_info["id"])
        self._channel = None
        self._opened = asyncio.Event()
        await peer.close()
        return web.Response(status=204)


def refusal(status: int, code: str, message: str, **headers: str) -> web.Response:
    """An error as the server words it."""
    body = json.dumps({"error": {"code": code, "message": message}})
    return web.Response(status=status, text=body, headers=headers)


@web.middleware
async def _guard(request: web.Request, handler: Any) -> web.StreamResponse:
    response: web.StreamResponse = await handler(request)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response
