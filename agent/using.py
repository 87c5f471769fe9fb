"""The tools that one answer uses: asked for side by side, written down as the model reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from agent.context import Context
from agent.engines.tools import Tools, failed
from agent.messages import NO_RESULT, Message, Toolbox, ToolCall

CANCELLED = failed("cancelled: the caller spoke before the result was there")


class Using:
    """What was asked for and what came of it. A call that is cancelled says so.

    `of_client`: what the caller's client offers; its results come later, if ever."""

    def __init__(self, context: Context, of_client: Toolbox) -> None:
        self.toolbox = context.toolbox(of_client)
        """All that may be asked for; it stays the same while the answer is made."""
        self.messages: list[Message] = []
        """Calls and results so far, in order."""
        self.is_waiting = False
        """A result is being waited for."""
        self.has_acted = False
        """Something was asked for that may have changed the world."""
        self._tools: Tools | None = context.engines.tools
        self._of_client = {tool.name for tool in of_client.tools}

    @property
    def is_common(self) -> bool:
        """Every caller's answers may use the same."""
        return not self._of_client

    def offered(self, rounds_left: int) -> Toolbox:
        """What may be asked for now; an answer that must use a tool has done so with its first."""
        if not rounds_left:
            return replace(self.toolbox, choice="none")
        if self.messages and self.toolbox.choice == "required":
            return replace(self.toolbox, choice="auto", named="")
        return self.toolbox

    def for_client(self, calls: Sequence[ToolCall]) -> list[ToolCall]:
        """Those that the caller's client is to answer."""
        return [call for call in calls if call.name in self._of_client]

    def is_safe(self, calls: Sequence[ToolCall]) -> bool:
        """Whether all of it changes nothing."""
        tools = self._tools
        if tools is None or self.for_client(calls):
            return False
        return all(tools.is_safe(call.name) for call in calls)

    async def use(self, said: str, calls: Sequence[ToolCall]) -> None:
        """Make these calls, asked for after the words `said`; returns with all results but those of
        the caller's client."""
        self.has_acted = self.has_acted or not self.is_safe(calls)
        self.messages.append(Message("assistant", said, calls=tuple(calls)))
        begin, elsewhere = len(self.messages), self.for_client(calls)
        for call in calls:
            result = NO_RESULT if call in elsewhere else CANCELLED
            self.messages.append(Message("tool", result, call_id=call.id))
        self.is_waiting = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for place, call in enumerate(calls, begin):
                    if call not in elsewhere:
                        tasks.create_task(self._use_one(place, call))
        finally:
            self.is_waiting = False

    async def _use_one(self, place: int, call: ToolCall) -> None:
        result = failed(f"there is no tool {call.name!r}")
        if self._tools is not None:
            result = await self._tools.use(call)
        self.messages[place] = Message("tool", result, call_id=call.id)
