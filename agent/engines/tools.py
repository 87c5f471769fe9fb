"""Tools of the server's own: HTTP endpoints that the model may ask for.

Only the configured address is ever asked: the model chooses the arguments, never the host or the
path, and a redirect is not followed. Whatever goes wrong becomes a result that says so, for the
model to tell the caller; nothing is raised, and no call waits for longer than its limit.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import aiohttp
import jsonschema
import referencing
import referencing.exceptions
from pydantic import BaseModel, Field, field_validator

from agent.messages import Tool, ToolCall

LONGEST_READ = 256 * 1024
"""Bytes of an answer that are read at most."""
VARIABLE = r"\$\{(\w+)\}"
"""Where a setting names an environment variable."""


class Tools(Protocol):
    """What a model may ask for."""

    @property
    def offered(self) -> tuple[Tool, ...]:
        """What there is now; it may change within a call."""

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
    def variables(self) -> tuple[str, ...]:
        """Environment variables that its headers name."""
        return variables_in(self.headers.values())

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        check_parameters(schema)
        return schema


class HttpTools:
    """The tools of the configuration."""

    def __init__(
        self, settings: Sequence[HttpToolSettings], environment: Mapping[str, str]
    ) -> None:
        """`environment`: the variables that headers name."""
        self._settings = {each.name: each for each in settings}
        self._environment = environment
        self._session: aiohttp.ClientSession | None = None
        self._offered = tuple(Tool(one.name, one.description, one.parameters) for one in settings)

    @property
    def offered(self) -> tuple[Tool, ...]:
        return self._offered

    def is_safe(self, name: str) -> bool:
        return name in self._settings and self._settings[name].safe

    async def use(self, call: ToolCall) -> str:
        settings = self._settings.get(call.name)
        if settings is None:
            return failed(f"there is no tool {call.name!r}")
        try:
            arguments = arguments_of(call, settings.parameters)
        except ValueError as error:
            return failed(str(error))
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
            headers=filled(settings.headers, self._environment),
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


def arguments_of(call: ToolCall, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The call's arguments. Raises ValueError when they do not fit the schema."""
    try:
        arguments = json.loads(call.arguments)
        # An empty registry: what a schema refers to elsewhere is never fetched.
        validator = jsonschema.Draft202012Validator(parameters, registry=referencing.Registry())
        validator.validate(arguments)
    except jsonschema.ValidationError as error:
        raise ValueError(f"the arguments of {call.name} are wrong: {error.message}") from error
    except (ValueError, referencing.exceptions.Unresolvable) as error:
        raise ValueError(f"the arguments of {call.name} are wrong: {error}") from error
    if not isinstance(arguments, dict):
        raise ValueError(f"the arguments of {call.name} are wrong: they are no object")
    return arguments


def check_parameters(schema: Mapping[str, Any]) -> None:
    """Raises ValueError unless it is the JSON schema of an object."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = ".".join(str(part) for part in error.absolute_path) or "the schema"
        raise ValueError(f"{where} is no JSON schema: {error.message}") from error
    except RecursionError as error:
        raise ValueError("the schema is nested too deeply") from error
    if schema.get("type", "object") != "object":
        raise ValueError(f"its type is {schema['type']!r}: a tool's arguments are an object")


def variables_in(values: Iterable[str]) -> tuple[str, ...]:
    """Names of the environment variables that stand in `values` as ${NAME}, each once."""
    return tuple(dict.fromkeys(re.findall(VARIABLE, " ".join(values))))


def filled(values: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The values, each ${NAME} replaced by that variable of `environment`."""
    return {
        name: re.sub(VARIABLE, lambda variable: environment.get(variable[1], ""), value)
        for name, value in values.items()
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
