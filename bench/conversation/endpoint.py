"""A chat endpoint on loopback with a set delay and a set reply: models of any speed.

The server talks to it as to any OpenAI-compatible one, so that what is measured is a real path.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(slots=True)
class ChatEndpoint:
    """`delay`: seconds to the first word. `reply`: what it says to the caller's last words."""

    reply: Callable[[str], str]
    delay: float = 0.0
    per_word: float = 0.0
    url: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def settings(self) -> list[str]:
        """What makes a server ask it."""
        return ["llm.engine=openai", f"llm.openai.base_url={self.url}"]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events, a word each."""
        body = await request.json()
        said = str(body["messages"][-1]["content"])
        self.asked.append(said)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await asyncio.sleep(self.delay)
        for word in self.reply(said).split(" "):
            await response.write(_event(word + " "))
            await asyncio.sleep(self.per_word)
        await response.write(_event("", "stop"))
        await response.write(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def chat_endpoint(reply: Callable[[str], str]) -> AsyncGenerator[ChatEndpoint, None]:
    """An endpoint on a free port of loopback, until the block ends."""
    endpoint = ChatEndpoint(reply)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.answer)
    app.router.add_get("/v1/models", _models)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        endpoint.url = f"http://{host}:{port}/v1"
        yield endpoint
    finally:
        await runner.cleanup()


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "default", "object": "model"}]})


def _event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()
