"""Any OpenAI-compatible chat endpoint as a language model (vLLM, llama-server, Ollama, hosted).

Spoken over aiohttp, which the server has anyway, instead of the `openai` package: one request and
one stream of events need none of its 3,000 modules, retries or own HTTP client. The connection is
kept and opened ahead: while the caller speaks, `prefill` sees to it that one is ready, so that the
reply costs no handshake. Deadlines and retries are `resilience.py`'s.

https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel, Field, SecretStr

from agent.engines.protocols import ReplyRequest
from agent.engines.sse import EventStream, EventTooLong
from agent.errors import EngineError, EngineFailed, EngineMissing
from agent.messages import Message, Toolbox, ToolCall, Usage

log = logging.getLogger(__name__)

_NO_DEADLINE = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
_LAST_BYTES = 0.2
"""Seconds that the end of the response may come after the last event."""


class OpenAISettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Where the endpoint is, and how it wants to be asked."""

    base_url: str = Field(default="http://localhost:8000/v1", pattern=r"^https?://[^\s]+$")
    """Address of the API, up to and including its version: what `/chat/completions` follows."""
    model: str = Field(default="default", min_length=1)
    """Name of the model, as the endpoint calls it."""
    api_key: SecretStr = SecretStr("")
    """Key that is sent as a bearer token; empty: none."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Randomness of the reply; 0: always the likeliest words."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls the limit of a reply; newer OpenAI models want the second."""
    usage: bool = True
    """Whether the endpoint is asked to count tokens (`stream_options`); few do not know that."""
    extra: dict[str, Any] = {}
    """More fields of the request, such as `chat_template_kwargs` or `reasoning_effort`."""
    keep_alive: float = Field(default=30.0, ge=1.0, le=600.0)
    """Seconds for which an idle connection is kept."""
    connections: int = Field(default=32, ge=1, le=1024)
    """Connections at a time at most; a reply beyond it waits for one."""


class OpenAI:
    """A chat endpoint behind the Protocol of a language model."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._warm_until = 0.0

    async def start(self) -> None:
        """Open a connection. Raises EngineMissing if nobody answers, or the key is refused."""
        try:
            status = await self._warm_up()
        except aiohttp.ClientError as error:
            raise EngineMissing(
                "llm",
                f"no language model answers at {self._url('')}: {_told(error)}. Start it, or set "
                "llm.openai.base_url",
            ) from error
        if status in (401, 403):
            raise EngineMissing("llm", f"{self._url('')} {_refused(status)}")

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """The reply as it comes. Raises EngineFailed, naming the status and what to do."""
        began = False
        async with self._events(request) as events:
            async for piece in events:
                text = piece if began else piece.lstrip()
                if text:
                    began = True
                    yield text

    async def prefill(self, request: ReplyRequest) -> None:
        """Have a connection ready. (The endpoint's own cache keeps the prefix of the messages.)"""
        if asyncio.get_running_loop().time() < self._warm_until:
            return
        try:
            await self._warm_up()
        except aiohttp.ClientError as error:
            log.debug("no connection could be made ahead: %s", _told(error))

    def commit(self, conversation: str) -> None:
        """All requests are equal there."""

    def forget(self, conversation: str) -> None:
        """Nothing is kept here."""

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    @asynccontextmanager
    async def _events(self, request: ReplyRequest) -> AsyncIterator[AsyncGenerator[str, None]]:
        """The reply's pieces; the connection goes back, or is cut, when the block is left."""
        self._warm_until = 0.0  # taken; whether it can be kept shows at the end
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(await self._asked(request))
                await self._check(response)
            except aiohttp.ClientError as error:
                raise EngineFailed(
                    "llm", f"{self._url('')} could not be asked: {_told(error)}"
                ) from error
            pieces = self._pieces(response, request)
            stack.push_async_callback(pieces.aclose)
            yield pieces

    async def _asked(self, request: ReplyRequest) -> aiohttp.ClientResponse:
        """A server may close or reset a connection that was kept in the moment in which it is used,
        also while the request is sent. Nothing of a reply has come then, and it is asked again."""
        url, body = self._url("/chat/completions"), self._body(request)
        try:
            return await self._connected().post(url, json=body)
        except aiohttp.ClientConnectorError:
            raise  # nobody is there
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError):
            return await self._connected().post(url, json=body)

    async def _pieces(
        self, response: aiohttp.ClientResponse, request: ReplyRequest
    ) -> AsyncGenerator[str, None]:
        finished, calls = False, _Calls()
        try:
            async with aclosing(_events_of(response)) as events:
                async for event in events:
                    piece, last = _delta(event)
                    finished = finished or last
                    calls.feed(event)
                    if (usage := _usage(event, request.max_tokens)) is not None:
                        request.count(usage)
                    if piece:
                        yield piece
            if finished:
                for call in calls.made():
                    request.call(call)
                await self._hand_back(response)
        except (aiohttp.ClientError, EventTooLong) as error:
            raise EngineFailed(
                "llm", f"the reply of {self._url('')} broke off: {_told(error)}"
            ) from error
        if not finished:
            raise EngineFailed(
                "llm", f"the reply of {self._url('')} broke off: it ended without a last event"
            )

    async def _hand_back(self, response: aiohttp.ClientResponse) -> None:
        """Read to the end, so that the connection can be used again; not if that takes long."""
        try:
            async with asyncio.timeout(_LAST_BYTES):
                await response.content.read()
        except TimeoutError:
            return  # it is cut, and the next prefill opens another
        self._stay_warm()

    def _body(self, request: ReplyRequest) -> dict[str, Any]:
        settings = self._settings
        return {
            "model": settings.model,
            "messages": [_turn(m) for m in request.messages],
            **_offer(request.tools),
            "stream": True,
            **({"stream_options": {"include_usage": True}} if settings.usage else {}),
            "temperature": settings.temperature,
            settings.limit_field: request.max_tokens,
            **settings.extra,
        }

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raises EngineFailed unless it is a stream of events."""
        if response.status != 200:
            raise await self._failure(response)
        if response.content_type != "text/event-stream":
            raise EngineFailed(
                "llm",
                f"{response.url} answered {response.content_type or 'something unnamed'} instead "
                f"of text/event-stream: {await _excerpt(response)!r}. Is llm.openai.base_url the "
                "address of an OpenAI-compatible API, with its version (/v1)?",
            )

    async def _failure(self, response: aiohttp.ClientResponse) -> EngineError:
        advice = _refused(response.status)
        if wait := response.headers.get("Retry-After"):
            advice += f" (Retry-After: {wait[:40]})"
        return EngineFailed("llm", f"{response.url} {advice}: {await _excerpt(response)}")

    async def _warm_up(self) -> int:
        """A cheap request, whose connection the next reply finds open. Answers its status."""
        async with self._connected().get(self._url("/models")) as response:
            await response.read()
        self._stay_warm()
        return response.status

    def _stay_warm(self) -> None:
        now = asyncio.get_running_loop().time()
        self._warm_until = now + self._settings.keep_alive * 0.9

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            key = self._settings.api_key.get_secret_value()
            self._session = aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {key}"} if key else None,
                timeout=_NO_DEADLINE,
                connector=aiohttp.TCPConnector(
                    limit=self._settings.connections, keepalive_timeout=self._settings.keep_alive
                ),
                trust_env=True,  # the proxy that HTTPS_PROXY names
            )
        return self._session

    def _url(self, path: str) -> str:
        return self._settings.base_url.rstrip("/") + path


async def _events_of(response: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """The data of each event, up to the one that says that nothing follows."""
    stream = EventStream()
    async for data in response.content.iter_any():
        for event in stream.feed(data):
            if event == "[DONE]":
                return
            yield event


def _delta(event: str) -> tuple[str, bool]:
    """The text of one event, and whether it was the last. Raises EngineFailed."""
    try:
        data = json.loads(event)
    except ValueError as error:
        raise EngineFailed("llm", f"the endpoint sent no JSON: {event[:200]!r}") from error
    if not isinstance(data, dict):
        raise EngineFailed("llm", f"the endpoint sent no object: {event[:200]!r}")
    if data.get("error"):
        raise EngineFailed("llm", f"the endpoint failed while replying: {_message(data)}")
    choices = data.get("choices") or [{}]
    choice = choices[0] if isinstance(choices[0], dict) else {}
    delta = choice.get("delta") or {}
    text = delta.get("content") if isinstance(delta, dict) else None
    return text if isinstance(text, str) else "", choice.get("finish_reason") is not None


def _turn(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.calls:
        made["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    if message.role == "tool":
        made["tool_call_id"] = message.call_id
    return made


def _offer(box: Toolbox) -> dict[str, Any]:
    """The fields of a request that offer tools."""
    if not box.tools:
        return {}
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in box.tools
    ]
    choice: Any = box.choice
    if box.named and box.choice == "required":
        choice = {"type": "function", "function": {"name": box.named}}
    return {"tools": tools, "tool_choice": choice, "parallel_tool_calls": box.parallel}


class _Calls:
    """Calls of tools, put together from their pieces."""

    def __init__(self) -> None:
        self._calls: dict[int, list[str]] = {}

    def feed(self, event: str) -> None:
        """One event, which may hold pieces of several calls."""
        if '"tool_calls"' not in event:
            return
        match json.loads(event):
            case {"choices": [{"delta": {"tool_calls": [*pieces]}}, *_]}:
                for piece in pieces:
                    self._add(piece)

    def _add(self, piece: Any) -> None:
        if isinstance(piece, dict):
            function = piece.get("function") or {}
            call = self._calls.setdefault(piece.get("index", len(self._calls)), ["", "", ""])
            call[0] = piece.get("id") or call[0]
            call[1] += function.get("name") or ""
            call[2] += function.get("arguments") or ""

    def made(self) -> list[ToolCall]:
        """The calls, in order."""
        ordered = (self._calls[index] for index in sorted(self._calls))
        return [ToolCall(id or name, name, arguments or "{}") for id, name, arguments in ordered]


def _usage(event: str, most: int) -> Usage | None:
    """What the reply cost, as the last event tells it; `most`: the tokens that it could have."""
    usage = json.loads(event).get("usage") if '"usage"' in event else None
    if not isinstance(usage, dict):
        return None
    prompt, generated = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    if not isinstance(prompt, int) or not isinstance(generated, int):
        return None
    return Usage(
        prompt=prompt,
        cached=cached if isinstance(cached, int) else 0,
        generated=generated,
        is_cut=generated >= most,
    )


def _refused(status: int) -> str:
    advice = {
        401: "refused the key: set llm.openai.api_key",
        403: "refused the key: it may not use this model",
        404: "does not know the path or the model: set llm.openai.base_url and llm.openai.model",
        429: "has too many requests: the quota is used up, or the rate limit is too low",
    }.get(status)
    if advice is None:
        advice = "failed" if status >= 500 else "refused the request"
    return f"answered {status} and {advice}"


async def _excerpt(response: aiohttp.ClientResponse) -> str:
    """What the endpoint says of it, short enough for a log line."""
    raw = (await response.content.read(2048)).decode("utf-8", "replace")
    try:
        return _message(json.loads(raw))
    except ValueError:
        return raw.strip()[:200]


def _message(data: Any) -> str:
    """The message of an error object; servers differ in how deep they put it."""
    if isinstance(data, dict):
        inner = data.get("error") or data.get("detail") or data.get("message")
        return _message(inner) if inner else json.dumps(data)[:200]
    return str(data)[:200]


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
