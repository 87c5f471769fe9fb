"""Questions to the model beside the conversation: their answers are text, or calls of the client's
tools, and nothing is kept.

Several may be asked at once; none of them touches the floor, the history or the caller's ear.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from agent.context import Context
from agent.engines.protocols import Priority, ReplyRequest
from agent.errors import EngineError
from agent.events import AsideCalled, AsideEnded, AsideWritten
from agent.messages import NO_TOOLS, Message, Toolbox, ToolCall, Usage


class Asides:
    """One call's questions, by the ids that whoever asks has given them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tasks: asyncio.TaskGroup
        self._asked: dict[str, asyncio.Task[str]] = {}
        self._counted: dict[str, Usage] = {}

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """The call has begun; answers are made in its task group."""
        self._tasks = tasks

    def ask(
        self,
        aside: str,
        messages: tuple[Message, ...],
        max_tokens: int | None,
        tools: Toolbox = NO_TOOLS,
    ) -> None:
        """Have the model answer these messages. `AsideEnded` follows once, whatever happens.

        `tools`: what it may ask of the caller's client, by `AsideCalled`."""
        request = ReplyRequest(
            conversation=f"{self._context.call_id}/{aside}",
            messages=messages,
            max_tokens=max_tokens or self._context.settings.reply.max_tokens,
            # The caller, who waits for a voice, comes first.
            priority=Priority.SPECULATIVE,
            count=lambda usage: self._counted.update({aside: usage}),
            adapter=self._context.persona.adapter,
            tools=replace(tools, max_tokens=self._context.settings.tools.max_tokens),
            call=lambda call: self._called(aside, call),
        )
        task = self._tasks.create_task(self._answer(aside, request))
        self._asked[aside] = task
        task.add_done_callback(lambda done: self._ended(aside, request, done))

    def cancel(self, aside: str) -> None:
        """Its answer is not wanted any more."""
        if aside in self._asked:
            self._asked[aside].cancel()

    def stop(self) -> None:
        """The call is over."""
        for task in self._asked.values():
            task.cancel()

    async def _answer(self, aside: str, request: ReplyRequest) -> str:
        """Empty, or what failed."""
        context = self._context
        try:
            async with aclosing(context.engines.model.reply(request)) as pieces:
                async for piece in pieces:
                    context.emit(AsideWritten(at=context.now(), aside=aside, text=piece))
        except EngineError as failure:
            return str(failure)
        return ""

    def _called(self, aside: str, call: ToolCall) -> None:
        context = self._context
        context.emit(AsideCalled(at=context.now(), aside=aside, call=call))

    def _ended(self, aside: str, request: ReplyRequest, done: asyncio.Task[str]) -> None:
        del self._asked[aside]
        context = self._context
        context.engines.model.forget(request.conversation)
        if not done.cancelled() and done.exception() is not None:
            return  # A bug: the call ends by it.
        error = "" if done.cancelled() else done.result()
        usage = self._counted.pop(aside, None)
        context.emit(
            AsideEnded(
                at=context.now(),
                aside=aside,
                outcome="cancelled" if done.cancelled() else "failed" if error else "completed",
                error=error,
                usage=usage,
            )
        )
