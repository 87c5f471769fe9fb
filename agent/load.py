"""How strained the server is, and what its calls go without for it.

The server climbs a ladder of rungs (`server.load`) and moves the one `Load`; each call reads it at
the moment in which it decides something. Nobody in a call is dropped for the load.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from agent.events import LoadChanged, Observer
from agent.persona import Persona


class Rung(IntEnum):
    """What is gone without; each rung includes those below it."""

    EASY = 0
    """Nothing."""
    SPARING = 1
    """Partial transcripts come seldom, and no reply is prepared on suspicion."""
    BRIEF = 2
    """Replies are short, and Opus takes less effort."""
    CANNED = 3
    """A reply that lies ready goes before one that would have to be made."""
    CLOSED = 4
    """No new call is let in."""


@dataclass(frozen=True, slots=True)
class Ease:
    """What one rung means for a call."""

    speculates: bool = True
    seldom_partials: bool = False
    max_tokens: int | None = None
    """Tokens of a reply at most, on top of the call's own limit; None: no other limit."""
    ready_first: bool = False


def ease(rung: Rung, *, brief_tokens: int) -> Ease:
    """What `rung` means. `brief_tokens`: tokens of a short reply."""
    return Ease(
        speculates=rung < Rung.SPARING,
        seldom_partials=rung >= Rung.SPARING,
        max_tokens=brief_tokens if rung >= Rung.BRIEF else None,
        ready_first=rung >= Rung.CANNED,
    )


class ReadyReplies(Protocol):
    """Replies that lie ready: asked first when the server is strained."""

    def find(self, persona: Persona, heard: str) -> str | None:
        """What `persona` says to `heard`, without a model; None: nothing lies ready. Quick."""


class Load:
    """The server's rung, as its calls see it. For one event loop."""

    def __init__(self, *, brief_tokens: int = 24, always_admit: int = 0) -> None:
        """`always_admit`: calls that are let in on every rung."""
        self._brief_tokens = brief_tokens
        self._always_admit = always_admit
        self._told: list[Observer] = []
        self.rung = Rung.EASY
        self.cause = ""
        """The reading that brought it there; empty on the lowest rung."""
        self.ease = Ease()

    def admits(self, calls: int) -> bool:
        """Whether one more may come in beside `calls` that are."""
        return self.rung < Rung.CLOSED or calls < self._always_admit

    def move(self, rung: Rung, cause: str, *, at: float) -> None:
        """Be on `rung` from now on; every call is told. `at`: loop time."""
        if rung is self.rung:
            return
        self.rung, self.cause = rung, cause if rung else ""
        self.ease = ease(rung, brief_tokens=self._brief_tokens)
        for tell in list(self._told):
            tell(self._event(at))

    @contextmanager
    def telling(self, emit: Observer, *, at: float) -> Iterator[None]:
        """Tell `emit` of every change while the block runs, and at once when all is not well."""
        if self.rung:
            emit(self._event(at))
        self._told.append(emit)
        try:
            yield
        finally:
            self._told.remove(emit)

    def _event(self, at: float) -> LoadChanged:
        return LoadChanged(
            at=at, rung=self.rung.value, name=self.rung.name.lower(), cause=self.cause
        )
