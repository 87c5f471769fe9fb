"""Each language to its own engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar

from agent.engines.protocols import Priority, Recognition, Speech, Synthesizer, Transcriber, Urgent
from agent.errors import LanguageUnsupported, Stage

ANY_LANGUAGE = "*"
"""Stands for every language that is not named."""


class _Engine(Protocol):
    async def start(self) -> None: ...
    async def aclose(self) -> None: ...


E = TypeVar("E", bound=_Engine)


class TranscriberByLanguage:
    """`engines`: language (ISO 639-1, or "*") to its Transcriber."""

    def __init__(self, engines: Mapping[str, Transcriber]) -> None:
        self._engines = dict(engines)

    async def start(self) -> None:
        await _start(self._engines.values())

    def open(self, *, language: str) -> Recognition:
        return _choose(self._engines, language, "stt").open(language=language)

    async def aclose(self) -> None:
        await _close(self._engines.values())


class SynthesizerByLanguage:
    """`engines`: language (ISO 639-1, or "*") to its Synthesizer."""

    def __init__(self, engines: Mapping[str, Synthesizer]) -> None:
        self._engines = dict(engines)

    async def start(self) -> None:
        await _start(self._engines.values())

    def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        """Raises LanguageUnsupported at once, not with the first piece."""
        engine = _choose(self._engines, language, "tts")
        return engine.speak(text, language=language, voice=voice, priority=priority)

    async def aclose(self) -> None:
        await _close(self._engines.values())


def _choose(engines: Mapping[str, E], language: str, stage: Stage) -> E:
    engine = engines.get(language, engines.get(ANY_LANGUAGE))
    if engine is None:
        known = ", ".join(sorted(engines)) or "none"
        raise LanguageUnsupported(stage, f"no engine for {language!r}; there is one for: {known}")
    return engine


async def _start(engines: Iterable[E]) -> None:
    for engine in _distinct(engines):
        await engine.start()


async def _close(engines: Iterable[E]) -> None:
    async with AsyncExitStack() as stack:  # each is closed, even if another fails to
        for engine in _distinct(engines):
            stack.push_async_callback(engine.aclose)


def _distinct(engines: Iterable[E]) -> list[E]:
    """Several languages may share an engine."""
    return list({id(engine): engine for engine in engines}.values())
