"""Engines, an ear and a mouth with a script, for conversations in virtual time.

Speech is made of words that can be read back: each sample of a word is the word's number, so that
`FakeTranscriber` understands exactly the words whose audio reached it. An onset that was cut off
is a word that is missing; two parts of a turn that were merged are one text.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field

import numpy as np

from agent.engines.protocols import (
    Priority,
    ReplyRequest,
    Speech,
    Transcript,
    Urgency,
    Urgent,
    Word,
    priority_of,
)
from agent.errors import EngineError, LanguageUnsupported
from media.audio import CALLER_RATE, AudioChunk, silence
from media.microphone import Mark

CHUNK = 0.02
WORD_SECONDS = 0.24
NOISE = 30_000
"""A loudness that is voice to the detector and no word to the recogniser."""


class Vocabulary:
    """Words as numbers."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def samples(self, text: str, seconds: float = WORD_SECONDS) -> AudioChunk:
        """`text` spoken at an even pace."""
        words = text.split()
        for word in words:
            if word not in self._words:
                self._words.append(word)
        numbers = [1000 + self._words.index(word) for word in words]
        each = round(seconds * CALLER_RATE)
        return AudioChunk(np.repeat(np.array(numbers, np.int16), each))

    def text(self, audio: AudioChunk) -> str:
        """The words of which at least 60 % is there, in order."""
        heard: list[str] = []
        values = audio.samples
        starts = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
        for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
            number = int(values[start]) - 1000
            if 0 <= number < len(self._words) and stop - start >= 0.6 * WORD_SECONDS * CALLER_RATE:
                heard.append(self._words[number])
        return " ".join(heard)


class FakeDetector:
    """Anything that is not digital silence is speech."""

    async def hear(self, chunk: AudioChunk) -> float:
        return self.probability(chunk)

    def probability(self, chunk: AudioChunk) -> float:
        return 0.95 if np.any(chunk.samples) else 0.02


class FakeEar:
    """The caller: what is put is heard in real (virtual) time, silence in between."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._pending = np.zeros(0, np.int16)
        self._marks: list[tuple[int, Mark]] = []
        self._open = True
        self.last_speech = 0.0

    def say(self, text: str) -> float:
        """Say `text` from now on; how many seconds it takes."""
        return self.sound(self.vocabulary.samples(text))

    def sound(self, audio: AudioChunk) -> float:
        self._pending = np.concatenate([self._pending, audio.samples])
        return audio.seconds

    def noise(self, seconds: float) -> float:
        return self.sound(
            AudioChunk(np.full(round(seconds * CALLER_RATE), NOISE, np.int16), CALLER_RATE)
        )

    def mark(self, mark: Mark) -> None:
        """Name the moment after all that was said so far."""
        self._marks.append((len(self._pending), mark))

    def hang_up(self) -> None:
        self._open = False

    def __aiter__(self) -> AsyncIterator[AudioChunk | Mark]:
        return self._chunks()

    async def _chunks(self) -> AsyncGenerator[AudioChunk | Mark, None]:
        loop = asyncio.get_running_loop()
        size = round(CHUNK * CALLER_RATE)
        tick = loop.time()
        while self._open:
            tick += CHUNK
            await asyncio.sleep(tick - loop.time())
            head, self._pending = self._pending[:size], self._pending[size:]
            if np.any(head):
                self.last_speech = loop.time()
            yield AudioChunk(np.concatenate([head, silence(CHUNK).samples[len(head) :]]))
            for _, mark in (passed := [each for each in self._marks if each[0] <= size]):
                yield mark
            waiting = [each for each in self._marks if each not in passed]
            self._marks = [(left - size, mark) for left, mark in waiting]


@dataclass
class _FakeRecognition:
    owner: FakeTranscriber
    chunks: list[AudioChunk] = field(default_factory=list)
    closed: bool = False

    def feed(self, chunk: AudioChunk) -> None:
        self.chunks.append(chunk)

    async def partial(self) -> Transcript | None:
        if not self.owner.partials:
            return None
        return await self.final()

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        urgent = Urgency(priority) if isinstance(priority, Priority) else priority
        self.owner.finals.append(urgent.priority)
        samples = np.concatenate([chunk.samples for chunk in self.chunks] or [np.zeros(0)])
        text = self.owner.vocabulary.text(AudioChunk(samples.astype(np.int16)))
        await asyncio.sleep(self.owner.seconds)
        self.owner.ended.append(urgent.priority)
        if self.owner.error is not None:
            raise self.owner.error
        return Transcript(text, self.owner.language)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.owner.open_now -= 1


class FakeTranscriber:
    """Understands `Vocabulary` speech after `seconds`."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        seconds: float = 0.02,
        partials: bool = True,
        error: EngineError | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.seconds = seconds
        self.partials = partials
        self.error = error
        self.language = "en"
        self.languages = ("en", "ko")
        self.open_now = 0
        self.finals: list[Priority] = []
        """How urgent each was when it was asked for."""
        self.ended: list[Priority] = []
        """And when it was understood."""

    async def start(self) -> None: ...

    def open(self, *, language: str) -> _FakeRecognition:
        if language not in self.languages:
            raise LanguageUnsupported("stt", f"nothing here understands {language}")
        self.open_now += 1
        self.language = language
        return _FakeRecognition(self)

    async def aclose(self) -> None: ...


class FakeModel:
    """Replies with its script, one reply a request; the last one again and again."""

    def __init__(
        self,
        *replies: str,
        first_token: float = 0.03,
        per_token: float = 0.02,
        error: EngineError | None = None,
        error_after: int = 0,
    ) -> None:
        self.replies = list(replies) or ["All right."]
        self.first_token = first_token
        self.per_token = per_token
        self.error = error
        self.error_after = error_after
        self.requests: list[ReplyRequest] = []
        self.prefilled: list[str] = []
        self.adapters: set[str] = set()
        """Those with which it was asked to read or answer."""
        self.forgotten: list[str] = []
        self.committed: list[str] = []
        self.running = 0

    async def start(self) -> None: ...

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        text = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        self.adapters.add(request.adapter)
        self.running += 1
        try:
            await asyncio.sleep(self.first_token)
            for number, token in enumerate(_tokens(text)):
                if self.error is not None and number >= self.error_after:
                    raise self.error
                yield token
                await asyncio.sleep(self.per_token)
            if self.error is not None:
                raise self.error
        finally:
            self.running -= 1

    async def prefill(self, request: ReplyRequest) -> None:
        self.prefilled.append(request.messages[-1].text)
        self.adapters.add(request.adapter)

    def commit(self, conversation: str) -> None:
        self.committed.append(conversation)

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)

    async def aclose(self) -> None: ...

    @property
    def asked(self) -> list[str]:
        """The caller's last words in each request."""
        return [request.messages[-1].text for request in self.requests]


def _tokens(text: str) -> Iterator[str]:
    words = text.split(" ")
    for number, word in enumerate(words):
        yield word if number == 0 else f" {word}"


class FakeVoice:
    """Speaks at `pace` seconds a word, each clip after `seconds`."""

    def __init__(
        self, *, seconds: float = 0.02, pace: float = 0.3, error: EngineError | None = None
    ) -> None:
        self.seconds = seconds
        self.pace = pace
        self.error = error
        self.spoken: list[str] = []
        self.priorities: list[Priority] = []
        self.ended: list[Priority] = []
        """What the priorities had become when the sound was there."""
        self.running = 0
        self.made: list[Speech] = []

    async def start(self) -> None: ...

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        self.running += 1
        self.priorities.append(priority_of(priority))
        try:
            await asyncio.sleep(self.seconds)
            self.ended.append(priority_of(priority))
            if self.error is not None:
                raise self.error
            self.spoken.append(text)
            words = text.split()
            speech = Speech(
                AudioChunk(np.full(round(len(words) * self.pace * CALLER_RATE), 500, np.int16)),
                tuple(
                    Word(word, index * self.pace, (index + 1) * self.pace)
                    for index, word in enumerate(words)
                ),
            )
            self.made.append(speech)
            yield speech
        finally:
            self.running -= 1

    async def aclose(self) -> None: ...
