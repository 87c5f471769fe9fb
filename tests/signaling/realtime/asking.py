"""A model that asks for what the client offers, and says what it brought."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from agent.engines.protocols import ReplyRequest
from agent.engines.scripted import Scripted
from agent.messages import ToolCall


class Asking(Scripted):
    """Asks once a turn for the `calls` (name, arguments), after saying `words`."""

    def __init__(self, *calls: tuple[str, str], words: str = "") -> None:
        super().__init__()
        self.calls = calls
        self.words = words
        self.requests: list[ReplyRequest] = []

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        self.requests.append(request)
        brought = [m.text for m in request.messages if m.role == "tool"]
        if request.messages[-1].role == "tool":
            yield f"It is {' and '.join(brought)}."
            return
        names = {tool.name for tool in request.tools.offered}
        calls = [call for call in self.calls if call[0] in names]
        if self.words or not calls:
            yield self.words or "I do not know."
        for number, (name, arguments) in enumerate(calls):
            request.call(ToolCall(f"call_{len(self.requests)}_{number}", name, arguments))
