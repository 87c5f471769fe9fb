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
        """Since when the committed replies that have not begun were asked for."""

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
        try:
            async with aclosing(self._inner.reply(request)) as pieces:
                async for piece in pieces:
                    self._since.pop(number, None)
                    yield piece
        finally:
            self._since.pop(number, None)

    async def prefill(self, request: ReplyRequest) -> None:
        await self._inner.prefill(request)

    def commit(self, conversation: str) -> None:
        self._inner.commit(conversation)

    def forget(self, conversation: str) -> None:
        self._inner.forget(conversation)

    async def aclose(self) -> None:
        await self._inner.aclose()
