"""What was said, as a language model reads it. Shared by the decisions and the engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for. `arguments` is a JSON object, as text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation's history.

    `calls`: what an assistant's message asks for besides its text. A message of the role `tool` is
    the result of the call `call_id`."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """What the model may ask for. `parameters`: the JSON schema of an object, its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"}, hash=False)


ToolChoice = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The tools of one reply. `choice`: whether the model may, must not or must use one.

    `named`: with `required`, the one that it must use; empty: any. `parallel`: whether it may ask
    for several at once. `max_tokens`: of the calls, names and arguments together."""

    tools: tuple[Tool, ...] = ()
    choice: ToolChoice = "auto"
    named: str = ""
    parallel: bool = True
    max_tokens: int = 256

    @property
    def offered(self) -> tuple[Tool, ...]:
        """Those that may be asked for now."""
        if self.choice == "none":
            return ()
        return tuple(tool for tool in self.tools if self.named in ("", tool.name))


NO_TOOLS = Toolbox()
NO_RESULT = '{"status": "no result yet"}'
"""Stands for the result of a call that has none so far: whoever was asked may be slow, or gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a reply cost, in the model's tokens; `cached` are those of the prompt that were not read
    again. `is_cut`: the reply is as long as it may be, and was not over."""

    prompt: int
    cached: int
    generated: int
    is_cut: bool = False
