"""What a session wants of its call, as values: the adapters pass them on, `obedience.py` acts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from agent.manner import Manner
from agent.messages import NO_TOOLS, Message, Toolbox, ToolCall
from agent.persona import Persona
from agent.settings import TurnSettings
from media.audio import AudioChunk
from media.microphone import Mark

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop what is being said."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Go on as this persona, with these settings and these tools of the client's."""

    persona: Persona
    turn: TurnSettings
    tools: Toolbox = NO_TOOLS


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer what was said so far."""

    manner: Manner


@dataclass(frozen=True, slots=True)
class Say:
    """Say this: the persona's greeting."""

    text: str


@dataclass(frozen=True, slots=True)
class Remember:
    """This was said, though not in this call's audio. `after`: see `Desk.remember`."""

    role: Literal["user", "assistant"]
    text: str
    key: str
    after: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """This recording says what was said, though not in this call. `after`: see `Desk.remember`."""

    audio: AudioChunk
    key: str
    after: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RememberCall:
    """The model asked for this, though not in this call. `after`: see `Desk.remember`."""

    call: ToolCall
    after: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Resolve:
    """The result of a call of the client's tools."""

    call_id: str
    result: str


@dataclass(frozen=True, slots=True)
class ForgetCall:
    """That was never asked for."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Amend:
    """What has this key in the history was really `text`; blank: it was never said."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Truncate:
    """Of what was said in `turn` no more than the first `seconds` were heard."""

    turn: int
    seconds: float


@dataclass(frozen=True, slots=True)
class AskAside:
    """Answer these messages in text, beside the conversation; `tools`: those of the client's."""

    aside: str
    messages: tuple[Message, ...]
    max_tokens: int | None
    tools: Toolbox = NO_TOOLS


@dataclass(frozen=True, slots=True)
class CancelAside:
    """That answer is not wanted any more."""

    aside: str


@dataclass(frozen=True, slots=True)
class Hear:
    """The caller's audio, in the session's input format."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Point:
    """Here, in the caller's audio: their turn is over, or what they said since was nothing."""

    kind: Literal["commit", "clear"]


Command = (
    Interrupt
    | Configure
    | Answer
    | Say
    | Remember
    | Read
    | RememberCall
    | Resolve
    | ForgetCall
    | Amend
    | Truncate
    | AskAside
    | CancelAside
    | Hear
    | Point
    | Mark
)
"""`Mark` is what an adapter makes of a `Point`: the commands after it wait until it is passed."""


@dataclass(slots=True)
class Step:
    """What follows from something: `events` for the client, `commands` for the call."""

    events: list[Fields] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
