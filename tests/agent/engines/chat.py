"""A chat endpoint on loopback whose answers are the test's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from agent.engines.protocols import ReplyRequest
from agent.messages import Message

REQUEST = ReplyRequest(
    conversation="a",
    messages=(Message("system", "Be kind."), Message("user", "안녕?")),
    max_tokens=40,
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Endpoint:
    """An endpoint whose answer is the test's; notes what it was asked and over what connections."""

    def __init__(self) -> None:
        self.answer: Handler = stream(["Hello", " there."])
        self.bodies: list[dict[str, object]] = []
        self.keys: list[str | None] = []
        self.connections: list[object] = []
        self.cut = asyncio.Event()
        self.url = ""

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        self.bodies.append(await request.json())
        try:
            return await self.answer(request)
        except (asyncio.CancelledError, ConnectionError):
            self.cut.set()
            raise

    async def models(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        refused = request.headers.get("Authorization") == "Bearer wrong"
        return web.json_response({"data": []}, status=401 if refused else 200)

    def _note(self, request: web.Request) -> None:
        self.keys.append(request.headers.get("Authorization"))
        self.connections.append(request.transport)


@asynccontextmanager
async def serving() -> AsyncIterator[Endpoint]:
    """An endpoint that is up while the block runs."""
    endpoint = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.chat)
    app.router.add_get("/v1/models", endpoint.models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


def event(text: str | None, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n"


def stream(
    pieces: list[str], *, chunk: int = 0, end: str = event(None, "stop") + "data: [DONE]\n\n"
) -> Handler:
    """Answers with `pieces`, sent `chunk` bytes at a time (0: as one)."""
    data = ("".join(event(p) for p in pieces) + end).encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for start in range(0, len(data), chunk or len(data)):
            await response.write(data[start : start + (chunk or len(data))])
            await asyncio.sleep(0)
        return response

    return answer


def fixed(status: int, body: str, **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            status=status, text=body, content_type="application/json", headers=names
        )

    return answer
