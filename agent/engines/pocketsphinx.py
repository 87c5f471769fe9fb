"""Speech to text by PocketSphinx: English, and its wheel carries its model, so it is always there.

Every transcript is decoded from its whole *segment*, because that normalises the channel: of read
sentences it gets 30 % of the words wrong, and 55 % when it listens along. So a partial is made only
when the segment has grown well since the last. A final ends the segment; what is fed after it, when
the caller goes on, is a segment of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydantic import BaseModel, Field

from agent.engines.protocols import Priority, Transcript
from agent.engines.sphinx_decoder import SphinxDecoder
from agent.engines.threads import Stop, Workers
from agent.errors import EngineFailed, LanguageUnsupported
from media.audio import CALLER_RATE, AudioChunk, Samples

LANGUAGE = "en"

DEFAULT_OPTIONS: Mapping[str, str] = MappingProxyType({"fwdflat": "no", "maxhmmpf": "5000"})
"""Measured on recordings: without the second pass and with fewer hypotheses it makes no more
mistakes, and takes half the time."""


class PocketSphinxSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How PocketSphinx runs."""

    decoders: int = Field(2, ge=1, le=32)
    """Utterances that are understood at the same time; about 90 MB each once it is needed."""
    niceness: int = Field(5, ge=0, le=19)
    """How much the workers make room for the event loop; 0: not at all."""
    first_partial: float = Field(0.6, gt=0, le=30)
    """Seconds of a segment before its first partial."""
    growth: float = Field(1.5, ge=1, le=10)
    """How many times longer than at the last partial a segment must be for another."""
    options: dict[str, str] = {}
    """PocketSphinx's own options, over the ones that are chosen here, such as {lw = "7"}."""


@dataclass(frozen=True, slots=True)
class _Segment:
    text: str
    confidence: float


class PocketSphinx:
    """A `Transcriber` of English. Once closed, it stays closed."""

    def __init__(self, settings: PocketSphinxSettings | None = None) -> None:
        self.settings = settings or PocketSphinxSettings()
        self.workers = Workers(
            self.settings.decoders,
            stage="stt",
            name="pocketsphinx",
            niceness=self.settings.niceness,
        )
        self._lock = threading.Lock()
        self._idle: list[SphinxDecoder] = []

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker."""
        return self.workers.wait

    async def start(self) -> None:
        """Load one decoder; the others are loaded when they are needed. Raises EngineMissing."""
        await self.workers.run(lambda stop: self._put(self._take()))

    def open(self, *, language: str) -> PocketSphinxRecognition:
        """Begin an utterance. Raises LanguageUnsupported for anything but English."""
        if language != LANGUAGE:
            raise LanguageUnsupported("stt", f"PocketSphinx knows English only, not {language!r}")
        return PocketSphinxRecognition(self)

    async def aclose(self) -> None:
        await self.workers.aclose()
        while self._idle:
            self._idle.pop().close()

    def decode(self, samples: Samples, stop: Stop) -> _Segment | None:
        """In a worker: the text of the samples; None when it was stopped before it began."""
        if stop.is_set():
            return None
        decoder = self._take()
        try:
            decoder.decode(samples)
            text = decoder.text()
            # Per word, or a long utterance would always seem unlikely.
            confidence = decoder.confidence() ** (1 / max(len(text.split()), 1))
            segment = _Segment(text, confidence)
        except EngineFailed:
            decoder.close()  # nobody knows how far it came
            raise
        self._put(decoder)
        return segment

    def _take(self) -> SphinxDecoder:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return SphinxDecoder({**DEFAULT_OPTIONS, **self.settings.options})

    def _put(self, decoder: SphinxDecoder) -> None:
        with self._lock:
            self._idle.append(decoder)


class PocketSphinxRecognition:
    """One utterance."""

    def __init__(self, engine: PocketSphinx) -> None:
        self._engine = engine
        self._ended: list[_Segment] = []
        self._open: list[Samples] = []
        self._fed = 0
        self._latest: tuple[int, _Segment] | None = None  # of so many samples of the open segment

    def feed(self, chunk: AudioChunk) -> None:
        if chunk.rate != CALLER_RATE:
            raise EngineFailed("stt", f"PocketSphinx takes {CALLER_RATE} Hz, got {chunk.rate}")
        self._open.append(chunk.samples)
        self._fed += len(chunk)

    async def partial(self) -> Transcript | None:
        """None as well while the segment has not grown enough since the last one."""
        if not self._is_worth_a_partial():
            return None
        segment = await self._understand(Priority.PARTIAL)
        return None if segment is None else self._transcript(segment)

    async def final(self, *, priority: Priority = Priority.COMMITTED) -> Transcript:
        """`confidence`: posterior probability of a word in the least certain segment."""
        if self._fed:
            segment = await self._understand(priority)
            if segment is None:
                raise EngineFailed("stt", "PocketSphinx was stopped before it had understood")
            self._ended.append(segment)
            self._begin_segment()
        return self._transcript()

    def close(self) -> None:
        self._ended.clear()
        self._begin_segment()

    def _is_worth_a_partial(self) -> bool:
        workers, settings = self._engine.workers, self._engine.settings
        last = self._latest[0] if self._latest else 0
        least = max(settings.first_partial * CALLER_RATE, settings.growth * last)
        # One worker stays free for finals.
        return self._fed >= least and workers.free >= min(2, workers.count)

    async def _understand(self, priority: Priority) -> _Segment | None:
        samples = self._joined()
        if self._latest is None or self._latest[0] < len(samples):
            segment = await self._engine.workers.run(
                lambda stop: self._engine.decode(samples, stop), priority=priority
            )
            if segment is None:
                return None
            self._latest = len(samples), segment
        return self._latest[1]

    def _begin_segment(self) -> None:
        self._open.clear()
        self._fed = 0
        self._latest = None

    def _transcript(self, *more: _Segment) -> Transcript:
        segments = [segment for segment in (*self._ended, *more) if segment.text]
        text = " ".join(segment.text for segment in segments)
        confidence = min((segment.confidence for segment in segments), default=0.0)
        return Transcript(text, LANGUAGE, confidence)

    def _joined(self) -> Samples:
        if len(self._open) > 1:
            self._open[:] = [np.concatenate(self._open)]
        return self._open[0]
