"""Faster, poorer engines that serve while the server is strained.

While it is strained, what is asked for anew goes to the spare engine; what has begun stays where it
is. A conversation that moves is read once by the engine that it comes to.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from agent.engines.protocols import (
    LanguageModel,
    Priority,
    ReplyRequest,
    Speech,
    Synthesizer,
    Urgent,
)
from agent.errors import EngineMissing, WrongSetting


class SparingModel:
    """A `LanguageModel` with a smaller one beside it."""

    def __init__(
        self, usual: LanguageModel, spare: LanguageModel, is_strained: Callable[[], bool]
    ) -> None:
        self._usual = usual
        self._spare = spare
        self._is_strained = is_strained

    async def start(self) -> None:
        """Raises WrongSetting when the spare one, which somebody has named, can't be used."""
        await self._usual.start()
        try:
            await self._spare.start()
        except EngineMissing as error:
            raise WrongSetting("llm", f"llm.spare: {error}") from error

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """See `LanguageModel.reply`."""
        model, request = self._now(request)
        async with aclosing(model.reply(request)) as pieces:
            async for piece in pieces:
                yield piece

    async def prefill(self, request: ReplyRequest) -> None:
        model, request = self._now(request)
        await model.prefill(request)

    def commit(self, conversation: str) -> None:
        self._usual.commit(conversation)
        self._spare.commit(conversation)

    def forget(self, conversation: str) -> None:
        self._usual.forget(conversation)
        self._spare.forget(conversation)

    async def aclose(self) -> None:
        await _close(self._usual, self._spare)

    def _now(self, request: ReplyRequest) -> tuple[LanguageModel, ReplyRequest]:
        """Who takes the request. The usual model's adapters are of no use to the spare one."""
        if self._is_strained():
            return self._spare, replace(request, adapter="")
        return self._usual, request


class SparingVoice:
    """A `Synthesizer` with a cheaper one beside it. Which of them speaks is settled sentence by
    sentence."""

    def __init__(
        self, usual: Synthesizer, spare: Synthesizer, is_strained: Callable[[], bool]
    ) -> None:
        self._usual = usual
        self._spare = spare
        self._is_strained = is_strained

    async def start(self) -> None:
        await self._usual.start()
        await self._spare.start()

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        """See `Synthesizer.speak`. The spare one speaks with its default voice."""
        if self._is_strained():
            spoken = self._spare.speak(text, language=language, priority=priority)
        else:
            spoken = self._usual.speak(text, language=language, voice=voice, priority=priority)
        async with aclosing(spoken):
            async for piece in spoken:
                yield piece

    async def aclose(self) -> None:
        await _close(self._usual, self._spare)


async def _close(*engines: LanguageModel | Synthesizer) -> None:
    async with AsyncExitStack() as stack:  # each is closed, even if another's closing fails
        for engine in engines:
            stack.push_async_callback(engine.aclose)
