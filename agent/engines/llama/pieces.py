"""Replies on their way from the model's thread to the event loop: one hand-over for each step."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from agent.errors import EngineError
from agent.messages import ToolCall

Item = str | ToolCall | EngineError | None
"""More of a reply, what went wrong, or None at its end."""


class Outbox:
    """What a step made for the callers of one event loop. Waking the loop costs more than a token
    of a small model does, so all that a step made leaves together."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: list[tuple[asyncio.Queue[Item], Item]] = []

    def put(self, queue: asyncio.Queue[Item], item: Item) -> None:
        """From the model's thread."""
        self._items.append((queue, item))

    def flush(self) -> None:
        """Hand over what there is. From the model's thread."""
        if not self._items:
            return
        items, self._items = self._items, []
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(_deliver, items)


def _deliver(items: list[tuple[asyncio.Queue[Item], Item]]) -> None:
    for queue, item in items:
        queue.put_nowait(item)


class Pieces:
    """One reply on its way. As long as its reply at most."""

    def __init__(self, outbox: Outbox, most: int) -> None:
        self._outbox = outbox
        # The rest of a reply is a piece too, and so is its end.
        self._queue: asyncio.Queue[Item] = asyncio.Queue(most + 2)
        self._ended = False

    async def get(self) -> str | ToolCall | None:
        """The next piece, or None at the end. Raises what went wrong."""
        item = await self._queue.get()
        if isinstance(item, EngineError):
            # One failure may end many replies; each raises an error of its own.
            raise type(item)(item.stage, str(item)) from item
        return item

    def piece(self, text: str) -> None:
        self._outbox.put(self._queue, text)

    def call(self, call: ToolCall) -> None:
        self._outbox.put(self._queue, call)

    def end(self, error: EngineError | None) -> None:
        if not self._ended:
            self._ended = True
            self._outbox.put(self._queue, error)
