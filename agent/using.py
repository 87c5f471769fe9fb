"""The tools that one answer uses: asked for side by side, written down as the model reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent.engines.tools import Tools, failed
from agent.messages import Message, ToolCall

CANCELLED = failed("cancelled: the caller spoke before the result was there")


class Using:
    """What was asked for and what came of it. A call that is cancelled says so."""

    def __init__(self, tools: Tools | None) -> None:
        self.tools = tools
        self.messages: list[Message] = []
        """Calls and results so far, in order."""
        self.is_waiting = False
        """A result is being waited for."""
        self.has_acted = False
        """Something was asked for that may have changed the world."""

    def is_safe(self, calls: Sequence[ToolCall]) -> bool:
        """Whether all of it changes nothing."""
        return self.tools is not None and all(self.tools.is_safe(call.name) for call in calls)

    async def use(self, said: str, calls: Sequence[ToolCall]) -> None:
        """Make these calls, asked for after the words `said`; returns with all results."""
        assert self.tools is not None, "a model that was offered nothing asks for nothing"
        self.has_acted = self.has_acted or not self.is_safe(calls)
        self.messages.append(Message("assistant", said, calls=tuple(calls)))
        begin = len(self.messages)
        self.messages += [Message("tool", CANCELLED, call_id=call.id) for call in calls]
        self.is_waiting = True
        try:
            async with asyncio.TaskGroup() as tasks:
                for place, call in enumerate(calls, begin):
                    tasks.create_task(self._use_one(self.tools, place, call))
        finally:
            self.is_waiting = False

    async def _use_one(self, tools: Tools, place: int, call: ToolCall) -> None:
        result = await tools.use(call)
        self.messages[place] = Message("tool", result, call_id=call.id)
