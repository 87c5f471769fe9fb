"""Phrases that were spoken before come from a cache: greetings, fillers, frequent answers.

`CachedVoice` wraps any `Synthesizer`. What is kept is a phrase's complete `Speech`, under the
voice, the language, the wrapped engine's own mark (its speed and the like) and the normalised
text. While a phrase is being made for one call, another that wants the same one waits for its
pieces, and has it made only when the first gives it up or dawdles. Where phrases are kept is
behind `PhraseStore`; a store that fails costs a miss.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from cachetools import TTLCache
from pydantic import BaseModel, Field

from agent.engines.protocols import Priority, Speech, Synthesizer, Urgent, priority_of

Phrase = tuple[Speech, ...]
"""All pieces of one text, in order."""


class PhraseSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What is kept of what was spoken."""

    enabled: bool = True
    """Whether phrases are kept at all."""
    capacity: int = Field(default=32_000_000, ge=0)
    """Bytes of audio that are kept; the least recently used phrase goes first."""
    lifetime: float = Field(default=7 * 86_400.0, gt=0)
    """Seconds that a phrase is kept after it was last said."""
    longest: int = Field(default=160, ge=1)
    """Characters of the longest text that is kept: long ones are rarely said twice."""
    patience: float = Field(default=0.1, ge=0)
    """Seconds that a call waits for a phrase that is being made for another one whose playing
    holds it up, before it has the phrase made for itself."""


@dataclass(frozen=True, slots=True)
class PhraseKey:
    """What makes two phrases sound the same. `mark` names the engine and its settings."""

    mark: str
    voice: str
    language: str
    text: str


class PhraseStore(Protocol):
    """Where phrases are kept. Neither method raises: a store that is down forgets."""

    async def get(self, key: PhraseKey) -> Phrase | None: ...

    async def put(self, key: PhraseKey, phrase: Phrase) -> None: ...

    async def aclose(self) -> None: ...


class PhrasesInMemory:
    """The least recently used phrases within a number of bytes, each for a time."""

    def __init__(self, settings: PhraseSettings) -> None:
        self._phrases: TTLCache[PhraseKey, Phrase] = TTLCache(
            settings.capacity, settings.lifetime, timer=_now, getsizeof=_bytes
        )

    def __len__(self) -> int:
        """Phrases that are held."""
        return len(self._phrases)

    @property
    def bytes(self) -> float:
        """Bytes of audio that are held."""
        return self._phrases.currsize

    @property
    def room(self) -> int:
        """Bytes that are free."""
        return int(self._phrases.maxsize - self._phrases.currsize)

    async def get(self, key: PhraseKey) -> Phrase | None:
        phrase = self._phrases.get(key)
        if phrase is not None:
            self._phrases[key] = phrase  # said again: its time begins anew
        return phrase

    async def put(self, key: PhraseKey, phrase: Phrase) -> None:
        if _bytes(phrase) <= self._phrases.maxsize:
            self._phrases[key] = phrase

    async def aclose(self) -> None:
        self._phrases.clear()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _bytes(phrase: Phrase) -> int:
    return sum(speech.audio.samples.nbytes for speech in phrase)


@dataclass
class PhraseCounts:
    """What the cache was good for so far."""

    hits: int = 0
    misses: int = 0
    shared: int = 0
    """Phrases that were waited for while another made them."""


@dataclass
class _Making:
    """A phrase in the making: its pieces so far, and a signal for those who wait for more."""

    priority: Urgent
    pieces: list[Speech] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    asking: bool = True
    """The engine is at work; otherwise the maker's own reader is, which may take its time."""
    complete: bool = False
    given_up: bool = False

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class CachedVoice:
    """A `Synthesizer` that remembers. `mark` must differ where the wrapped engine's sound does."""

    def __init__(
        self,
        inner: Synthesizer,
        settings: PhraseSettings,
        *,
        store: PhraseStore | None = None,
        mark: str = "",
        keeps: Callable[[], bool] = lambda: True,
    ) -> None:
        """`keeps`: whether a phrase that begins to be made now is kept; those that are known are
        spoken in any case."""
        self._inner = inner
        self._settings = settings
        self._store = store if store is not None else PhrasesInMemory(settings)
        self._mark = mark
        self._keeps = keeps
        self._making: dict[PhraseKey, _Making] = {}
        self.counts = PhraseCounts()

    async def start(self) -> None:
        await self._inner.start()

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        """See `Synthesizer.speak`. The samples of a kept phrase are shared, thus read-only."""
        key = PhraseKey(self._mark, voice, language, normalised(text))
        if not self._settings.enabled or len(key.text) > self._settings.longest:
            pieces = self._inner.speak(text, language=language, voice=voice, priority=priority)
        else:
            pieces = self._remembered(key, priority)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        await self._store.aclose()
        await self._inner.aclose()

    async def _remembered(self, key: PhraseKey, priority: Urgent) -> AsyncGenerator[Speech, None]:
        kept = await self._store.get(key)
        if kept is not None:
            self.counts.hits += 1
            for piece in kept:
                yield piece
            return
        given = 0
        making = self._making.get(key)
        if making is not None and priority_of(making.priority) <= priority_of(priority):
            self.counts.shared += 1
            async for piece in self._followed(making):
                given += 1
                yield piece
            if making.complete:
                return
        self.counts.misses += 1
        async with aclosing(self._made(key, priority)) as pieces:
            async for piece in pieces:
                given -= 1
                if given < 0:  # what came before was heard from the other maker
                    yield piece

    async def _followed(self, making: _Making) -> AsyncGenerator[Speech, None]:
        """The pieces that another makes; ends early when it gives up or its own reader dawdles."""
        given = 0
        while True:
            while given < len(making.pieces):
                given += 1
                yield making.pieces[given - 1]
            if making.complete or making.given_up:
                return
            if not await self._progress(making):
                return

    async def _progress(self, making: _Making) -> bool:
        """Wait for the maker; False when its reader kept it from going on."""
        changed = making.changed
        patience = None if making.asking else self._settings.patience
        try:
            async with asyncio.timeout(patience):
                await changed.wait()
        except TimeoutError:
            return making.asking
        return True

    async def _made(self, key: PhraseKey, priority: Urgent) -> AsyncGenerator[Speech, None]:
        """Made by the engine, for this reader and those who follow, and kept when complete."""
        making = self._making[key] = _Making(priority)
        is_kept = self._keeps()
        spoken = self._inner.speak(
            key.text, language=key.language, voice=key.voice, priority=priority
        )
        try:
            async with aclosing(spoken):
                async for piece in spoken:
                    piece.audio.samples.setflags(write=False)
                    making.pieces.append(piece)
                    making.asking = False
                    making.tell()
                    yield piece
                    making.asking = True
                    making.tell()
            making.complete = True
            if making.pieces and is_kept:
                await self._store.put(key, tuple(making.pieces))
        finally:
            making.given_up = not making.complete
            making.tell()
            if self._making.get(key) is making:
                del self._making[key]


def normalised(text: str) -> str:
    """The text as far as it sounds: composed, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())
