"""Tools of the server's own: HTTP endpoints that the model may ask for.

Only the configured address is ever asked: the model chooses the arguments, never the host or the
path, and a redirect is not followed. Whatever goes wrong becomes a result that says so, for the
model to tell the caller; nothing is raised, and no call waits for longer than its limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import aiohttp
import jsonschema
from pydantic import BaseModel, Field, field_validator

from agent.messages import Tool, ToolCall

LONGEST_READ = 256 * 1024
"""Bytes of an answer that are read at most."""


class Tools(Protocol):
    """What a model may ask for."""

    offered: tuple[Tool, ...]

    def is_safe(self, name: str) -> bool:
        """It changes nothing, so that it may be used before it is sure that the turn is over."""

    async def use(self, call: ToolCall) -> str:
        """The call's result, or what went wrong, as text. Raises nothing."""

    async def aclose(self) -> None: ...


class HttpToolSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """One `[[tools]]` block: an HTTP endpoint that the model may use."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """What the model calls it."""
    description: str = Field(min_length=1, max_length=2000)
    """What it does and when to use it, for the model."""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object"})
    """JSON schema of its arguments: an object."""
    url: str = Field(pattern=r"^https?://[^\s]+$")
    """The address that is asked; no other ever is."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    """GET and DELETE send the arguments as the query, the others as a JSON body."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of the request; ${NAME} stands for the environment variable of that name."""
    timeout: float = Field(default=8.0, gt=0, le=120)
    """Seconds until it is given up."""
    safe: bool = False
    """Whether it changes nothing: it may then be used before the caller's turn is surely over."""
    longest: int = Field(default=4000, ge=100, le=100_000)
    """Characters of its answer that the model is given."""

    @property
    def unset(self) -> tuple[str, ...]:
        """Environment variables that its headers name and that are not set."""
        named = re.findall(r"\$\{(\w+)\}", " ".join(self.headers.values()))
        return tuple(name for name in dict.fromkeys(named) if not os.environ.get(name))

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            where = ".".join(str(part) for part in error.absolute_path) or "the schema"
            raise ValueError(f"{where} is no JSON schema: {error.message}") from error
        if schema.get("type", "object") != "object":
            raise ValueError(f"its type is {schema['type']!r}: a tool's arguments are an object")
        return schema


class HttpTools:
    """The tools of the configuration."""

    def __init__(self, settings: Sequence[HttpToolSettings]) -> None:
        self._settings = {each.name: each for each in settings}
        self._session: aiohttp.ClientSession | None = None
        self.offered = tuple(Tool(one.name, one.description, one.parameters) for one in settings)

    def is_safe(self, name: str) -> bool:
        return name in self._settings and self._settings[name].safe

    async def use(self, call: ToolCall) -> str:
        settings = self._settings.get(call.name)
        if settings is None:
            return failed(f"there is no tool {call.name!r}")
        try:
            arguments = json.loads(call.arguments)
            jsonschema.validate(arguments, settings.parameters)
        except (ValueError, jsonschema.ValidationError) as error:
            told = error.message if isinstance(error, jsonschema.ValidationError) else str(error)
            return failed(f"the arguments of {call.name} are wrong: {told}")
        try:
            async with asyncio.timeout(settings.timeout):
                return await self._ask(settings, arguments)
        except TimeoutError:
            return failed(f"{call.name} did not answer within {settings.timeout:g} seconds")
        except aiohttp.ClientError as error:
            return failed(f"{call.name} cannot be reached: {str(error) or type(error).__name__}")

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def _ask(self, settings: HttpToolSettings, arguments: dict[str, Any]) -> str:
        sent: dict[str, Any] = {"json": arguments}
        if settings.method in ("GET", "DELETE"):
            query = {name: _plain(value) for name, value in arguments.items()}
            sent = {"params": query}
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.request(
            settings.method,
            settings.url,
            headers={name: _filled(value) for name, value in settings.headers.items()},
            allow_redirects=False,
            **sent,
        ) as response:
            body = bytearray()
            async for data in response.content.iter_chunked(16 * 1024):
                body += data
                if len(body) > LONGEST_READ:
                    break
            text = body.decode("utf-8", "replace").strip()[: settings.longest]
            if not 200 <= response.status < 300:
                return failed(f"{settings.name} answered {response.status}: {text[:200]}")
            return text or json.dumps({"ok": True})


def failed(what: str) -> str:
    """A result that says what went wrong."""
    return json.dumps({"error": what}, ensure_ascii=False)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _filled(value: str) -> str:
    environment: Mapping[str, str] = os.environ
    return re.sub(r"\$\{(\w+)\}", lambda name: environment.get(name[1], ""), value)
