"""What was said, as a language model reads it. Shared by the decisions and the engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation's history."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a reply cost, in the model's tokens; `cached` are those of the prompt that were not read
    again. `is_cut`: the reply is as long as it may be, and was not over."""

    prompt: int
    cached: int
    generated: int
    is_cut: bool = False
