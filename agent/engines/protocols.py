"""What an engine must be. Every engine streams, and is shared by all calls of the server.

Engines are built cheap and loaded by `start()`. Cancelling a coroutine, or closing an async
generator, stops the work soon (between two items of the library's) and leaves the engine usable.
Every method raises only `EngineError`s.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from agent.messages import NO_TOOLS, Message, Toolbox, ToolCall, Usage
from media.audio import AudioChunk


class Priority(IntEnum):
    """Whose work goes first when an engine is shared; lower goes first."""

    COMMITTED = 0
    SPECULATIVE = 1
    AHEAD = 2
    """Sound that is needed only when what goes before it has been heard."""
    PARTIAL = 3


class Urgency:
    """A priority that may rise while the work waits: what was prepared is wanted now."""

    __slots__ = ("priority", "since")

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.since = 0.0
        """When it rose (`time.monotonic()`): nobody waited for the work before. 0: it did not."""

    def hurry(self) -> None:
        """Somebody waits for it from now on."""
        if self.priority is not Priority.COMMITTED:
            self.priority = Priority.COMMITTED
            self.since = time.monotonic()


Urgent = Priority | Urgency
"""Of work that may wait: how urgent it is, for good or as it is at the moment."""


def priority_of(urgent: Urgent) -> Priority:
    """At the moment."""
    return urgent if isinstance(urgent, Priority) else urgent.priority


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood. `confidence` is 0..1, comparable within one engine only."""

    text: str
    language: str
    confidence: float = 1.0


class Recognition(Protocol):
    """One utterance being understood. Not shared between tasks."""

    def feed(self, chunk: AudioChunk) -> None:
        """Take the next chunk (16 kHz). Never blocks."""

    async def partial(self) -> Transcript | None:
        """What is understood of all that was fed; None when the engine is too busy to say."""

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        """The best transcript of all that was fed. May be called again after more was fed."""

    def close(self) -> None:
        """Free what it holds; idempotent."""


class Transcriber(Protocol):
    """Speech to text."""

    async def start(self) -> None:
        """Load and warm up. Raises EngineMissing."""

    def open(self, *, language: str) -> Recognition:
        """Begin an utterance in `language` (ISO 639-1). Raises LanguageUnsupported."""

    async def aclose(self) -> None: ...


def uncounted(usage: Usage) -> None:
    """Nobody wants to know."""


def uncalled(call: ToolCall) -> None:
    """No tool was offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRequest:
    """A reply to be made. `conversation` names the call, so that its cache can be found again.

    `count` is told what the reply cost when it is over or was closed, by engines that know.
    `call` is told each tool that the model asks for, before the reply's end: a reply is text, calls
    or both. `grammar` (GBNF) is what its text must follow, and `adapter` the LoRA adapter that
    makes it (empty: none), for engines that can see to it."""

    conversation: str
    messages: tuple[Message, ...]
    max_tokens: int
    priority: Priority = Priority.COMMITTED
    count: Callable[[Usage], None] = field(default=uncounted, compare=False)
    tools: Toolbox = NO_TOOLS
    call: Callable[[ToolCall], None] = field(default=uncalled, compare=False)
    grammar: str = ""
    adapter: str = ""


class LanguageModel(Protocol):
    """Text to text."""

    async def start(self) -> None:
        """Load and warm up. Raises EngineMissing."""

    def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """The reply in pieces, as they come: text, never empty, stop words and markers left out."""

    async def prefill(self, request: ReplyRequest) -> None:
        """Read the messages into the cache ahead of a reply; the last one may be unfinished.

        Does nothing when the engine is busy with something more urgent."""

    def commit(self, conversation: str) -> None:
        """What was asked for speculatively is wanted now: from here on it is served as committed.

        Idempotent, never blocks."""

    def forget(self, conversation: str) -> None:
        """The call is over: free its cache. Idempotent, never blocks."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text that was given to the voice, and where it lies in the clip (seconds)."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Speech:
    """A piece of synthesized speech, at the voice's own rate, with the words that it holds."""

    audio: AudioChunk
    words: tuple[Word, ...]


class Synthesizer(Protocol):
    """Text to speech."""

    async def start(self) -> None:
        """Load and warm up. Raises EngineMissing."""

    def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        """Speak one sentence of plain words, in pieces as they come.

        `voice` picks one of the engine's voices by name; empty: its default for the language.
        Word times count from the start of their own piece. Raises LanguageUnsupported."""

    async def aclose(self) -> None: ...


class TurnJudge(Protocol):
    """Whether a pause sounds like the end of a turn."""

    async def complete(self, audio: AudioChunk) -> float:
        """The probability (0..1) that the turn which `audio` (16 kHz) ends with is complete."""

    async def aclose(self) -> None: ...
