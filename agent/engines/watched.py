"""A language model whose waits are known, wherever it runs: in this process or far away."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agent.engines.protocols import LanguageModel, Priority, ReplyRequest


class WatchedModel:
    """A `LanguageModel` that tells how long the callers' replies have waited for a first word."""

    def __init__(self, inner: LanguageModel) -> None:
        self._inner = inner
        self._numbers = itertools.count()
        self._since: dict[int, float] = {}
        """Since when somebody waits for each reply that has not begun."""
        self._prepared: dict[int, str] = {}
        """Replies that have not begun, and that nobody waits for yet: of which conversation."""

    @property
    def wait(self) -> float:
        """Seconds that the oldest of them has waited; 0: nobody waits."""
        return time.monotonic() - min(self._since.values()) if self._since else 0.0

    async def start(self) -> None:
        await self._inner.start()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """See `LanguageModel.reply`."""
        number = next(self._numbers)
        if request.priority is Priority.COMMITTED:
            self._since[number] = time.monotonic()
        else:
            self._prepared[number] = request.conversation
        try:
            async with aclosing(self._inner.reply(request)) as pieces:
                async for piece in pieces:
                    self._forget(number)
                    yield piece
        finally:
            self._forget(number)

    async def prefill(self, request: ReplyRequest) -> None:
        await self._inner.prefill(request)

    def commit(self, conversation: str) -> None:
        for number, known in list(self._prepared.items()):
            if known == conversation:
                del self._prepared[number]
                self._since[number] = time.monotonic()
        self._inner.commit(conversation)

    def forget(self, conversation: str) -> None:
        self._inner.forget(conversation)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _forget(self, number: int) -> None:
        self._since.pop(number, None)
        self._prepared.pop(number, None)
