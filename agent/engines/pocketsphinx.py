"""Speech to text by PocketSphinx: English, and its wheel carries its model, so it is always there.

It listens along: each partial decodes what was fed since the last, and a final only the rest. A
final ends a *segment*; what is fed after it, when the caller goes on, is a segment of its own, and
nothing is decoded twice. Decoders are few (90 MB each) and lent to the utterances that are under
way; a final that finds none free takes one from an utterance that can begin again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, Field

from agent.engines.protocols import Priority, Transcript
from agent.engines.sphinx_decoder import SphinxDecoder
from agent.engines.threads import Stop, Workers
from agent.errors import EngineFailed, LanguageUnsupported
from media.audio import CALLER_RATE, AudioChunk, Samples

T = TypeVar("T")

LANGUAGE = "en"
_PIECE = CALLER_RATE // 10
"""Samples between two looks at whether to stop."""

DEFAULT_OPTIONS: Mapping[str, str] = MappingProxyType({})


class PocketSphinxSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How PocketSphinx runs."""

    decoders: int = Field(2, ge=1, le=32)
    """Utterances that are understood at the same time; about 90 MB each once it is needed."""
    niceness: int = Field(5, ge=0, le=19)
    """How much the workers make room for the event loop; 0: not at all."""
    cepstral_mean: str = Field("40,3,-1", pattern=r"^-?[\d.]+(,-?[\d.]+)*$")
    """What a channel is expected to sound like when an utterance begins; it adapts from there."""
    options: dict[str, str] = {}
    """PocketSphinx's own options, over the ones that are chosen here, such as {lw = "7"}."""


@dataclass(frozen=True, slots=True)
class _Segment:
    text: str
    confidence: float


@dataclass(eq=False)
class _Progress:
    """How far an utterance is understood. Changed in workers, under the lock of its seat."""

    segments: list[_Segment] = field(default_factory=list)
    begin: int = 0
    """Sample at which the open segment begins."""
    done: int = 0
    """Samples that were decoded."""


class _Seat:
    """A decoder, made when it is first needed, and whose utterance is open in it."""

    def __init__(self, settings: PocketSphinxSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._decoder: SphinxDecoder | None = None
        self._open: _Progress | None = None
        self.lent_to: PocketSphinxRecognition | None = None
        """Changed on the loop only."""

    def load(self) -> None:
        """In a worker: make the decoder. Raises EngineMissing."""
        with self._lock:
            self._ready()

    def listen(self, progress: _Progress, samples: Samples, stop: Stop) -> str:
        """In a worker: decode what is new, and say how the open segment reads so far."""
        with self._lock:
            decoder = self._ready()
            self._advance(decoder, progress, samples, stop)
            return decoder.text() if self._open is progress else ""

    def finish(self, progress: _Progress, samples: Samples, stop: Stop) -> None:
        """In a worker: decode what is new and end the segment."""
        with self._lock:
            decoder = self._ready()
            self._advance(decoder, progress, samples, stop)
            if progress.done < len(samples):
                return
            decoder.end()
            self._open = None
            progress.segments.append(_Segment(decoder.text(), decoder.confidence()))
            progress.begin = progress.done

    def close(self) -> None:
        """In a worker: free the decoder."""
        with self._lock:
            if self._decoder is not None:
                self._decoder.close()
            self._decoder = self._open = None

    def _advance(
        self, decoder: SphinxDecoder, progress: _Progress, samples: Samples, stop: Stop
    ) -> None:
        if self._open is not progress:
            if self._open is not None:
                decoder.end()  # somebody else's, who went away
            decoder.begin(self._settings.cepstral_mean)
            self._open = progress
            progress.done = progress.begin
        while progress.done < len(samples) and not stop.is_set():
            piece = samples[progress.done : progress.done + _PIECE]
            decoder.process(piece)
            progress.done += len(piece)

    def _ready(self) -> SphinxDecoder:
        if self._decoder is None:
            self._decoder = SphinxDecoder({**DEFAULT_OPTIONS, **self._settings.options})
        return self._decoder


class PocketSphinx:
    """A `Transcriber` of English. Once closed, it stays closed."""

    def __init__(self, settings: PocketSphinxSettings | None = None) -> None:
        settings = settings or PocketSphinxSettings()
        self._workers = Workers(
            settings.decoders, stage="stt", name="pocketsphinx", niceness=settings.niceness
        )
        self._seats = [_Seat(settings) for _ in range(settings.decoders)]
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Load one decoder; the others are loaded when they are needed. Raises EngineMissing."""
        await self._workers.run(lambda stop: self._seats[0].load())

    def open(self, *, language: str) -> PocketSphinxRecognition:
        """Begin an utterance. Raises LanguageUnsupported for anything but English."""
        if language != LANGUAGE:
            raise LanguageUnsupported("stt", f"PocketSphinx knows English only, not {language!r}")
        return PocketSphinxRecognition(self, self._workers)

    async def aclose(self) -> None:
        await self._workers.aclose()
        for seat in self._seats:
            await asyncio.to_thread(seat.close)

    def lend(self, recognition: PocketSphinxRecognition) -> _Seat | None:
        """A seat that nobody has."""
        for seat in self._seats:
            if seat.lent_to is None:
                seat.lent_to = recognition
                return seat
        return None

    async def insist(self, recognition: PocketSphinxRecognition) -> _Seat:
        """A seat, if need be one of an utterance that is not being decoded just now.

        That one will decode its open segment again. Waits while all are being decoded."""
        while (seat := self.lend(recognition) or self._take(recognition)) is None:
            self._changed.clear()
            await self._changed.wait()
        return seat

    def give_back(self, seat: _Seat) -> None:
        seat.lent_to = None
        self._changed.set()

    def rested(self) -> None:
        """An utterance is not being decoded any more: its seat may be taken."""
        self._changed.set()

    def _take(self, recognition: PocketSphinxRecognition) -> _Seat | None:
        for seat in self._seats:
            if seat.lent_to is not None and not seat.lent_to.working:
                seat.lent_to.seat = None
                seat.lent_to = recognition
                return seat
        return None


class PocketSphinxRecognition:
    """One utterance."""

    def __init__(self, engine: PocketSphinx, workers: Workers) -> None:
        self.seat: _Seat | None = None
        self.working = False
        self._engine = engine
        self._workers = workers
        self._progress = _Progress()
        self._chunks: list[Samples] = []
        self._fed = 0

    def feed(self, chunk: AudioChunk) -> None:
        if chunk.rate != CALLER_RATE:
            raise EngineFailed("stt", f"PocketSphinx takes {CALLER_RATE} Hz, got {chunk.rate}")
        self._chunks.append(chunk.samples)
        self._fed += len(chunk)

    async def partial(self) -> Transcript | None:
        """What is understood so far; its confidence says nothing."""
        if not self._fed or self._workers.busy:
            return None
        self.seat = self.seat or self._engine.lend(self)
        if self.seat is None:
            return None
        seat, progress, samples = self.seat, self._progress, self._joined()
        text = await self._work(lambda stop: seat.listen(progress, samples, stop), Priority.PARTIAL)
        return self._transcript(text)

    async def final(self, *, priority: Priority = Priority.COMMITTED) -> Transcript:
        """`confidence` is the posterior probability of the least certain segment."""
        if self._progress.begin < self._fed:
            self.seat = self.seat or await self._engine.insist(self)
            seat, progress, samples = self.seat, self._progress, self._joined()
            await self._work(lambda stop: seat.finish(progress, samples, stop), priority)
            self._give_back()
        return self._transcript()

    def close(self) -> None:
        self._give_back()
        self._chunks.clear()
        self._fed = 0
        self._progress = _Progress()

    async def _work(self, work: Callable[[Stop], T], priority: Priority) -> T:
        self.working = True
        try:
            return await self._workers.run(work, priority=priority)
        finally:
            self.working = False
            self._engine.rested()

    def _give_back(self) -> None:
        if self.seat is not None:
            self._engine.give_back(self.seat)
        self.seat = None

    def _transcript(self, more: str = "") -> Transcript:
        segments = self._progress.segments
        text = " ".join(part for part in (*(segment.text for segment in segments), more) if part)
        confidence = min((segment.confidence for segment in segments if segment.text), default=0.0)
        return Transcript(text, LANGUAGE, 1.0 if more else confidence)

    def _joined(self) -> Samples:
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0]
