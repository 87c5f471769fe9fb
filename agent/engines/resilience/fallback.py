"""A second engine behind a first one.

The second is asked when the first raises before anything of its answer was handed out. Later than
that the error goes on to the caller: nothing is said twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from typing import TypeVar

from agent.engines.protocols import (
    LanguageModel,
    Priority,
    Recognition,
    ReplyRequest,
    Speech,
    Synthesizer,
    Transcriber,
    Transcript,
    Urgent,
)
from agent.errors import EngineError
from media.audio import AudioChunk

T = TypeVar("T")

OnFallback = Callable[[EngineError], None]
"""Called with the first engine's error when the second one is about to be asked."""


class FallbackTranscriber:
    """`second` understands an utterance again, from its beginning, when `first` raises."""

    def __init__(self, first: Transcriber, second: Transcriber, on_fallback: OnFallback) -> None:
        self._first = first
        self._second = second
        self._on_fallback = on_fallback

    async def start(self) -> None:
        await self._first.start()
        await self._second.start()

    def open(self, *, language: str) -> Recognition:
        def open_second(error: EngineError) -> Recognition:
            self._on_fallback(error)
            return self._second.open(language=language)

        try:
            recognition = self._first.open(language=language)
        except EngineError as error:
            return open_second(error)
        return _FallbackRecognition(recognition, open_second)

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:  # the first is closed even if the second fails to
            stack.push_async_callback(self._first.aclose)
            stack.push_async_callback(self._second.aclose)


class _FallbackRecognition:
    def __init__(
        self, first: Recognition, open_second: Callable[[EngineError], Recognition]
    ) -> None:
        self._current = first
        self._open_second: Callable[[EngineError], Recognition] | None = open_second
        self._chunks: list[AudioChunk] = []

    def feed(self, chunk: AudioChunk) -> None:
        if self._open_second is not None:
            self._chunks.append(chunk)
        try:
            self._current.feed(chunk)
        except EngineError as error:
            self._fall_back(error)

    async def partial(self) -> Transcript | None:
        try:
            return await self._current.partial()
        except EngineError as error:
            self._fall_back(error)
            return await self._current.partial()

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        try:
            return await self._current.final(priority=priority)
        except EngineError as error:
            self._fall_back(error)
            return await self._current.final(priority=priority)

    def close(self) -> None:
        self._chunks.clear()
        self._current.close()

    def _fall_back(self, error: EngineError) -> None:
        """Go on with the second engine. Raises `error` when that is what failed."""
        if self._open_second is None:
            raise error
        second, self._open_second = self._open_second(error), None
        self._current.close()
        self._current = second
        for chunk in self._chunks:
            second.feed(chunk)
        self._chunks.clear()


class FallbackModel:
    """`second` replies when `first` raises before its first word."""

    def __init__(
        self, first: LanguageModel, second: LanguageModel, on_fallback: OnFallback
    ) -> None:
        self._first = first
        self._second = second
        self._on_fallback = on_fallback

    async def start(self) -> None:
        await self._first.start()
        await self._second.start()

    def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        return _first_or_second(
            lambda: self._first.reply(request),
            lambda: self._second.reply(request),
            self._on_fallback,
        )

    async def prefill(self, request: ReplyRequest) -> None:
        """Not told when the first fails: its reply will tell, if that fails as well."""
        try:
            await self._first.prefill(request)
        except EngineError:
            await self._second.prefill(request)

    def commit(self, conversation: str) -> None:
        self._first.commit(conversation)
        self._second.commit(conversation)

    def forget(self, conversation: str) -> None:
        self._first.forget(conversation)
        self._second.forget(conversation)

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._first.aclose)
            stack.push_async_callback(self._second.aclose)


class FallbackSynthesizer:
    """`second` speaks a sentence when `first` raises before its first sound.

    `voice` is a name of the first engine's; the second speaks in its own default voice.
    """

    def __init__(self, first: Synthesizer, second: Synthesizer, on_fallback: OnFallback) -> None:
        self._first = first
        self._second = second
        self._on_fallback = on_fallback

    async def start(self) -> None:
        await self._first.start()
        await self._second.start()

    def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        return _first_or_second(
            lambda: self._first.speak(text, language=language, voice=voice, priority=priority),
            lambda: self._second.speak(text, language=language, priority=priority),
            self._on_fallback,
        )

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._first.aclose)
            stack.push_async_callback(self._second.aclose)


async def _first_or_second(
    first: Callable[[], AsyncGenerator[T, None]],
    second: Callable[[], AsyncGenerator[T, None]],
    on_fallback: OnFallback,
) -> AsyncGenerator[T, None]:
    given = False
    try:
        async with aclosing(first()) as pieces:
            async for piece in pieces:
                given = True
                yield piece
        return
    except EngineError as error:
        if given:
            raise
        on_fallback(error)
    async with aclosing(second()) as pieces:
        async for piece in pieces:
            yield piece
