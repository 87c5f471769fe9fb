"""The tools of one MCP server, over streamable HTTP or a program's stdin and stdout.

One task owns the connection: it makes it, looks at the tools now and then, and makes it anew after
a failure, later each time. Calls are made by whoever needs them and never wait for a connection:
while there is none, nothing is offered. Whatever goes wrong in a call is its result.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import InputRequiredRoundsExceededError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent
from mcp.types import Tool as Listed

from agent.engines.mcp.settings import McpSettings
from agent.engines.tools import arguments_of, check_parameters, failed, filled
from agent.messages import Tool, ToolCall

logger = logging.getLogger(__name__)

MOST_PAGES = 20
"""Of a list of tools; a server whose list has no end offers what was read of it."""
LONGEST_RETRY = 60.0
"""Seconds between two tries at most."""
LONGEST_DESCRIPTION = 2000
"""Characters of a tool's description that the model is given."""

_FAILURES = (
    MCPError,
    InputRequiredRoundsExceededError,
    httpx2.HTTPError,
    RuntimeError,
    ValueError,
    OSError,
)


class McpUnavailable(Exception):
    """The server cannot be reached, or does not say what it has; the message is the cause."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A tool as the model knows it, and its `name` with the server."""

    tool: Tool
    name: str


class McpServer:
    """The `Tools` of one server."""

    def __init__(self, settings: McpSettings, environment: Mapping[str, str]) -> None:
        """`environment`: the variables that the settings name."""
        self._settings = settings
        self._environment = environment
        self._client: Client | None = None
        self._known: dict[str, _Known] = {}
        self._doubted = asyncio.Event()
        self._calls: set[asyncio.Task[CallToolResult]] = set()
        self._task: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None
        self._why = ""
        self._wait = settings.retry

    @property
    def offered(self) -> tuple[Tool, ...]:
        return tuple(known.tool for known in self._known.values())

    def start(self) -> None:
        """Begin to connect, and return at once."""
        self._scope = anyio.CancelScope()
        name = f"MCP server {self._settings.name}"
        self._task = asyncio.create_task(self._attend(self._scope), name=name)

    def is_safe(self, name: str) -> bool:
        return self._settings.safe and name in self._known

    async def use(self, call: ToolCall) -> str:
        known, client = self._known.get(call.name), self._client
        if known is None or client is None:
            return failed(f"{call.name} is out of reach{': ' if self._why else ''}{self._why}")
        try:
            arguments = arguments_of(call, known.tool.parameters)
        except ValueError as error:
            return failed(str(error))
        # A task of its own: telling the server that the caller has gone on may take seconds.
        task = asyncio.create_task(client.call_tool(known.name, arguments))
        self._calls.add(task)
        task.add_done_callback(self._over)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._settings.timeout)
        finally:
            task.cancel()
        if not done:
            self._doubted.set()
            return failed(f"{call.name} did not answer within {self._settings.timeout:g} seconds")
        try:
            return _text(call.name, task.result())[: self._settings.longest]
        except _FAILURES as error:
            self._doubted.set()
            return failed(f"{call.name} could not be used: {_cause(error)}")

    async def aclose(self) -> None:
        for task in self._calls:
            task.cancel()
        if self._calls:
            await asyncio.wait(self._calls)
        if self._scope is not None and self._task is not None:
            self._scope.cancel()
            await asyncio.wait({self._task})

    def _over(self, task: asyncio.Task[CallToolResult]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # one that nobody waits for any more is no news

    async def _attend(self, scope: anyio.CancelScope) -> None:
        with scope:
            while True:
                try:
                    async with connected(self._settings, self._environment) as client:
                        await self._keep_listed(client)
                except McpUnavailable as error:
                    self._tell(str(error))
                await anyio.sleep(self._wait)
                self._wait = min(2 * self._wait, LONGEST_RETRY)

    async def _keep_listed(self, client: Client) -> None:
        try:
            while True:
                self._doubted.clear()
                self._offer(client, await _listed(client, self._settings))
                with anyio.move_on_after(self._settings.refresh):
                    await self._doubted.wait()
        finally:
            # At once: to close a connection to a program that hangs takes seconds.
            self._client, self._known = None, {}

    def _offer(self, client: Client, known: dict[str, _Known]) -> None:
        if self._client is None or known.keys() != self._known.keys():
            logger.info(
                "An MCP server's tools are there",
                extra={"server": self._settings.name, "tools": ", ".join(known)},
            )
        self._client, self._known = client, known
        self._why, self._wait = "", self._settings.retry

    def _tell(self, why: str) -> None:
        """Once for each cause: it may be out of reach for days."""
        if why != self._why:
            logger.warning(
                "An MCP server is out of reach: its tools are not offered",
                extra={"server": self._settings.name, "cause": why},
            )
        self._why = why


async def look(settings: McpSettings, environment: Mapping[str, str]) -> tuple[Tool, ...]:
    """The tools that the server has now. Raises McpUnavailable."""
    async with connected(settings, environment) as client:
        return tuple(known.tool for known in (await _listed(client, settings)).values())


@asynccontextmanager
async def connected(
    settings: McpSettings, environment: Mapping[str, str]
) -> AsyncGenerator[Client, None]:
    """A connection, closed by the task that opened it. Raises McpUnavailable, also for what goes
    wrong in the block."""
    try:
        with anyio.move_on_after(settings.connect_timeout) as patience:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(
                    await _client(settings, environment, stack)
                )
                patience.deadline = math.inf
                yield client
    except Exception as error:
        # Whatever the library raises, alone or in groups, it is this server that cannot be used.
        raise McpUnavailable(_cause(error)) from error
    if patience.cancelled_caught:
        raise McpUnavailable(f"no answer within {settings.connect_timeout:g} seconds")


async def _client(
    settings: McpSettings, environment: Mapping[str, str], stack: AsyncExitStack
) -> Client:
    if settings.command:
        program = StdioServerParameters(
            command=settings.command, args=settings.args, env=filled(settings.env, environment)
        )
        return Client(program, cache=None)
    http = await stack.enter_async_context(
        httpx2.AsyncClient(
            headers=filled(settings.headers, environment),
            timeout=httpx2.Timeout(settings.connect_timeout, read=300.0),
        )
    )
    return Client(streamable_http_client(settings.url, http_client=http), cache=None)


async def _listed(client: Client, settings: McpSettings) -> dict[str, _Known]:
    listed: list[Listed] = []
    cursor: str | None = None
    with anyio.fail_after(settings.connect_timeout):
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            listed += page.tools
            cursor = page.next_cursor
            if not cursor:
                break
    return _usable(listed, settings)


def _usable(listed: Iterable[Listed], settings: McpSettings) -> dict[str, _Known]:
    """Those that are allowed and whose arguments can be checked, by their names for the model."""
    usable: dict[str, _Known] = {}
    for tool in listed:
        if settings.tools is not None and tool.name not in settings.tools:
            continue
        schema: dict[str, Any] = tool.input_schema
        name = settings.called(tool.name)
        try:
            if name in usable:
                raise ValueError(f"{usable[name].name} is called the same")
            check_parameters(schema)
        except ValueError as error:
            logger.warning(
                "An MCP server's tool cannot be used",
                extra={"server": settings.name, "tool": tool.name, "cause": str(error)},
            )
            continue
        described = (tool.description or tool.title or tool.name)[:LONGEST_DESCRIPTION]
        usable[name] = _Known(Tool(name, described, schema), tool.name)
    return usable


def _text(name: str, result: CallToolResult) -> str:
    """The texts of a result; pictures, sounds and links are nothing to be spoken."""
    texts = (part.text.strip() for part in result.content if isinstance(part, TextContent))
    text = "\n".join(part for part in texts if part)
    if result.is_error:
        return failed(f"{name} failed: {text or 'it did not say why'}")
    return text or '{"ok": true}'


def _cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return str(error) or type(error).__name__
