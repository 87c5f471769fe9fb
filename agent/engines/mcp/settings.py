"""What is set about an MCP server."""

from __future__ import annotations

import re

from pydantic import BaseModel, Field, model_validator

from agent.engines.tools import variables_in

LONGEST_NAME = 64
"""Characters of a tool's name: what models and their servers agree on."""


class McpSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """One `[[mcp]]` block: a server whose tools the model may use."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """What it is called in logs and in `run.py check`."""
    url: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    """The address of a server that speaks streamable HTTP."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of its requests; ${NAME} stands for the environment variable of that name."""
    command: str = ""
    """The program of a server that speaks over stdin and stdout; it runs as long as this one."""
    args: list[str] = Field(default_factory=list)
    """Arguments of the program."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables that the program is given besides PATH and the like; ${NAME} as in headers."""
    tools: tuple[str, ...] | None = None
    """Names of its tools that may be used; unset: all."""
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,32}$")
    """What its tools' names begin with for the model, where two servers' would be the same."""
    safe: bool = False
    """Whether its tools change nothing: they may then be used before the turn is surely over."""
    timeout: float = Field(default=8.0, gt=0, le=120)
    """Seconds until a call is given up."""
    connect_timeout: float = Field(default=30.0, gt=0, le=600)
    """Seconds until a connection, or a look at its tools, is given up."""
    refresh: float = Field(default=30.0, ge=0.1, le=3600)
    """Seconds between two looks at whether it is there, and at which tools it has."""
    retry: float = Field(default=1.0, ge=0.1, le=60)
    """Seconds before it is tried again; each time twice as long, up to a minute."""
    longest: int = Field(default=4000, ge=100, le=100_000)
    """Characters of a result that the model is given."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that its headers or its program's variables name."""
        return variables_in((*self.headers.values(), *self.env.values()))

    @property
    def where(self) -> str:
        """Its address, or its command, for people."""
        return self.url or " ".join((self.command, *self.args))

    @property
    def promised(self) -> tuple[str, ...]:
        """Names that its tools will have for the model, as far as the settings tell."""
        return tuple(self.called(tool) for tool in dict.fromkeys(self.tools or ()))

    def called(self, tool: str) -> str:
        """The name for the model of what the server calls `tool`."""
        return (self.prefix + re.sub(r"[^A-Za-z0-9_-]", "_", tool))[:LONGEST_NAME]

    @model_validator(mode="after")
    def _has_one_way(self) -> McpSettings:
        if bool(self.url) == bool(self.command):
            raise ValueError(f"the MCP server {self.name} needs either a url or a command")
        if self.url and (self.args or self.env):
            raise ValueError(f"args and env of {self.name} are of a command, and it has a url")
        if self.command and self.headers:
            raise ValueError(f"headers of {self.name} are of a url, and it has a command")
        return self
