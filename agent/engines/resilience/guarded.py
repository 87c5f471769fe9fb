"""Each kind of engine under guard: deadlines for every wait, and a breaker."""

from __future__ import annotations

from collections.abc import AsyncGenerator

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
from agent.engines.resilience.guard import Guard, GuardSettings
from agent.errors import EngineTimeout
from media.audio import AudioChunk


class GuardedTranscriber:
    """A Transcriber under guard. Those who share it may each start it: it is started once."""

    def __init__(self, inner: Transcriber, settings: GuardSettings) -> None:
        self._inner = inner
        self._guard = Guard("stt", type(inner).__name__, settings)
        self._started = False

    async def start(self) -> None:
        if not self._started:
            await self._inner.start()
            self._started = True

    def open(self, *, language: str) -> Recognition:
        return _GuardedRecognition(self._inner.open(language=language), self._guard)

    async def aclose(self) -> None:
        self._started = False
        await self._inner.aclose()


class _GuardedRecognition:
    def __init__(self, inner: Recognition, guard: Guard) -> None:
        self._inner = inner
        self._guard = guard
        self._seconds = 0.0

    def feed(self, chunk: AudioChunk) -> None:
        self._seconds += chunk.seconds
        self._inner.feed(chunk)

    async def partial(self) -> Transcript | None:
        """None as well when it comes too late to be of use: that is no failure."""
        seconds = self._guard.settings.answer
        with self._guard.attempt():
            try:
                return await self._guard.within(seconds, self._inner.partial(), "partial")
            except EngineTimeout:
                return None

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        settings = self._guard.settings
        seconds = settings.answer + settings.audio * self._seconds
        with self._guard.attempt():
            return await self._guard.within(
                seconds, self._inner.final(priority=priority), "transcript"
            )

    def close(self) -> None:
        self._inner.close()


class GuardedModel:
    """A LanguageModel under guard."""

    def __init__(self, inner: LanguageModel, settings: GuardSettings) -> None:
        self._inner = inner
        self._guard = Guard("llm", type(inner).__name__, settings)
        self._started = False

    async def start(self) -> None:
        if not self._started:
            await self._inner.start()
            self._started = True

    def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        return self._guard.stream(self._inner.reply(request), "word")

    async def prefill(self, request: ReplyRequest) -> None:
        with self._guard.attempt():
            seconds = self._guard.settings.prefill
            await self._guard.within(seconds, self._inner.prefill(request), "prefill")

    def commit(self, conversation: str) -> None:
        self._inner.commit(conversation)

    def forget(self, conversation: str) -> None:
        self._inner.forget(conversation)

    async def aclose(self) -> None:
        self._started = False
        await self._inner.aclose()


class GuardedSynthesizer:
    """A Synthesizer under guard."""

    def __init__(self, inner: Synthesizer, settings: GuardSettings) -> None:
        self._inner = inner
        self._guard = Guard("tts", type(inner).__name__, settings)
        self._started = False

    async def start(self) -> None:
        if not self._started:
            await self._inner.start()
            self._started = True

    def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        speech = self._inner.speak(text, language=language, voice=voice, priority=priority)
        return self._guard.stream(speech, "sound")

    async def aclose(self) -> None:
        self._started = False
        await self._inner.aclose()
