"""What a session wants of its call, as values: the adapters pass them on, `obedience.py` acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from agent.persona import Persona
from agent.settings import TurnSettings

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop what is being said."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Go on as this persona, with these settings."""

    persona: Persona
    turn: TurnSettings


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer this, which the client typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """Say this: the persona's greeting."""

    text: str


@dataclass(frozen=True, slots=True)
class Remember:
    """This was said, though not in this call's audio."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Hear:
    """The caller's audio, in the session's input format."""

    payload: bytes


Command = Interrupt | Configure | Ask | Say | Remember | Hear


@dataclass(slots=True)
class Step:
    """What follows from something: `events` for the client, `commands` for the call."""

    events: list[Fields] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
