"""What this server knows and the protocol has no event for, told to clients that ask for it. Pure.

A client asks by `session.chuimsae.events`. It is then told, beside the protocol's own events, each
fact of the control channel (signaling/control.py) as an event of the same fields, whose type has
`chuimsae.` before it: how a turn's time went, phases, fillers, what was heard of a reply that was
cut off, which engines serve. A client that does not ask is told nothing that is not the protocol's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from agent.events import CallStarted, EncodingChanged, Event, LoadChanged
from signaling import control
from signaling.control import About
from signaling.realtime.commands import Fields

PREFIX = "chuimsae."
LASTING = (CallStarted, EncodingChanged, LoadChanged)
"""Facts that hold until there is another of the kind."""


class Wishes(BaseModel, frozen=True, extra="forbid"):
    """`session.chuimsae`: what a client may ask for beyond the protocol.

    `events`: be told our own. `silence`: a caller who says nothing for long is asked whether they
    are there, and said goodbye to, as the settings have it."""

    events: bool = False
    silence: bool = False


class Extension:
    """One session's events of our own."""

    def __init__(self, stages: Sequence[Mapping[str, Any]]) -> None:
        self._stages = tuple(stages)
        self._began: float | None = None
        self._lasting: dict[type[Event], Fields] = {}

    @property
    def so_far(self) -> list[Fields]:
        """What was told that still holds, for a client that asks when the call has begun."""
        return list(self._lasting.values())

    def tell(self, event: Event, persona: str) -> list[Fields]:
        """The event that tells of a fact; `persona`: the name of who answers."""
        told = self._told(event, persona)
        if isinstance(event, LASTING):
            self._lasting.update((type(event), each) for each in told)
        if isinstance(event, LoadChanged) and not event.rung:
            del self._lasting[LoadChanged]
        return told

    def _told(self, event: Event, persona: str) -> list[Fields]:
        if isinstance(event, CallStarted):
            self._began = event.at
        began = event.at if self._began is None else self._began
        told = control.fields(event, About("", began, persona, self._stages))
        if told is None:
            return []
        told.pop("call_id", None)  # The client knows it: it is in its answer's Location.
        return [{**told, "type": PREFIX + told["type"]}]
