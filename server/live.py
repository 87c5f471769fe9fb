"""A call that is let in, as the server holds it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from server.attendance import Attendance
from server.conversation import Conversation, Seat
from signaling.tongues import Command, Tongue


@dataclass(slots=True, kw_only=True)
class Live:
    """One call. `reason`: why it ends, as soon as that is known out here; `parting`: why the
    conversation says that it ended."""

    seat: Seat
    token: str
    tongue: Tongue
    commands: asyncio.Queue[Command]
    attendance: Attendance = field(init=False)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    parting: str = "hangup"
    conversation: Conversation | None = None
    task: asyncio.Task[None] | None = None
    is_closed: bool = False

    def end(self, reason: str) -> None:
        """Have it end; the first reason stays."""
        self.reason = self.reason or reason
        self.over.set()
