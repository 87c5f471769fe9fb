"""Deadlines and the breaker of one engine: what the three guarded engines have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, contextmanager
from enum import Enum
from functools import partial
from typing import TypeVar

from pydantic import BaseModel, Field

from agent.engines.resilience.breaker import Breaker
from agent.errors import EngineError, EngineTimeout, EngineUnavailable, LanguageUnsupported, Stage

T = TypeVar("T")


class GuardSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How long an engine may take, and when it is left alone."""

    answer: float = Field(10.0, gt=0)
    """Seconds until the first piece of a reply or of speech, or a final transcript."""
    audio: float = Field(0.5, ge=0)
    """Seconds more for a final transcript, for each second of the utterance."""
    next_piece: float = Field(5.0, gt=0)
    """Seconds between two pieces of a reply or of speech."""
    prefill: float = Field(30.0, gt=0)
    """Seconds that reading ahead may take."""
    failures: int = Field(3, ge=1)
    """Failures in a row after which the engine is left alone."""
    rest: float = Field(20.0, gt=0)
    """Seconds for which it is, until one call tries again."""


class _End(Enum):
    END = 0


class Guard:
    """Watches one engine. Deadlines count only while the engine is waited for."""

    def __init__(self, stage: Stage, name: str, settings: GuardSettings) -> None:
        self.settings = settings
        self.breaker = Breaker(failures=settings.failures, rest=settings.rest)
        self._stage: Stage = stage
        self._name = name
        self._cause = ""

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one use of the engine. Raises EngineUnavailable when it is left alone.

        A use that is cancelled, or asked for a language it does not know, counts neither way.
        """
        clock = asyncio.get_running_loop().time
        if not self.breaker.admits(clock()):
            raise EngineUnavailable(self._stage, self._unavailable(clock()))
        outcome = self.breaker.abandoned
        try:
            yield
            outcome = self.breaker.succeeded
        except EngineError as error:
            if not isinstance(error, LanguageUnsupported):
                outcome = partial(self.breaker.failed, clock())
                self._cause = str(error)
            raise
        finally:
            outcome()

    async def within(self, seconds: float, awaitable: Awaitable[T], what: str) -> T:
        """The awaitable's result. Raises EngineTimeout after `seconds`; it is cancelled then."""
        try:
            async with asyncio.timeout(seconds):
                return await awaitable
        except TimeoutError as error:
            raise EngineTimeout(
                self._stage, f"{self._name} gave no {what} within {seconds:g} s"
            ) from error

    async def stream(self, pieces: AsyncGenerator[T, None], what: str) -> AsyncGenerator[T, None]:
        """The pieces, each within its deadline. The first one tells that the engine works."""
        seconds = self.settings.answer
        with self.attempt():
            async with aclosing(pieces):
                while True:
                    piece = await self.within(seconds, anext(pieces, _End.END), what)
                    if isinstance(piece, _End):
                        return
                    self.breaker.succeeded()
                    yield piece
                    seconds = self.settings.next_piece

    def _unavailable(self, now: float) -> str:
        wait = self.breaker.wait(now)
        when = f"for another {wait:.0f} s" if wait else "while one call tries it"
        return f"{self._name} is left alone {when} after it failed repeatedly: {self._cause}"
