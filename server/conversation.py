"""What the server knows of a conversation: what it is held over, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.desk import Desk
from agent.events import Event, Observer
from agent.persona import Persona
from media.microphone import Microphone
from media.speaker import Speaker
from signaling.errors import BadOffer


class Conversation(Protocol):
    """What a call consists of, seen from here: `agent.call.Call`."""

    @property
    def desk(self) -> Desk: ...
    async def run(self) -> None: ...
    async def farewell(self, reason: str) -> None: ...
    async def interrupt(self) -> None: ...
    def speak_language(self, persona: Persona) -> None: ...
    def hold(self) -> None: ...
    def release(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A call's seat at the server: what its conversation is held over."""

    call_id: str
    persona: Persona
    microphone: Microphone
    speaker: Speaker
    emit: Observer


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Why a call is ended from here: `reason` as its `CallEnded` has it, `code` and `why` for the
    `error` that its client is told before."""

    reason: str
    code: str
    why: str


Begin = Callable[[Seat], Conversation]
CallObserver = Callable[[str, Event], None]


def who_speaks(language: str, personas: Mapping[str, Persona]) -> Persona:
    """The persona of a language. Raises BadOffer."""
    persona = personas.get(language)
    if persona is None:
        known = ", ".join(sorted(personas))
        raise BadOffer(
            "unknown_language", f"nobody here speaks {language[:16]!r}; there is: {known}"
        )
    return persona
