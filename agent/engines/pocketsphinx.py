"""Speech to text by PocketSphinx: English, and its wheel carries its model, so it is always there.

It listens along: a partial, and the final above all, costs no more than what came since the last.
Only so many utterances can be followed at a time, for each takes a decoder; those beyond are
decoded from their beginning, the more seldom the longer they are. A final ends a *segment*; what is
fed after it, when the caller goes on, is a segment of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydantic import BaseModel, Field

from agent.engines.jobs import Stop
from agent.engines.protocols import Priority, Transcript, Urgent
from agent.engines.sphinx_decoder import SphinxDecoder
from agent.engines.threads import Workers
from agent.errors import EngineError, EngineFailed, LanguageUnsupported
from media.audio import CALLER_RATE, AudioChunk, Samples

LANGUAGE = "en"

DEFAULT_OPTIONS: Mapping[str, str] = MappingProxyType({"fwdflat": "no", "maxhmmpf": "5000"})
"""Measured on recordings: without the second pass and with fewer hypotheses it makes no more
mistakes, and takes half the time."""


DECODER_BYTES = 90_000_000
"""Memory of one decoder, as measured: its model is not shared."""


class PocketSphinxSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How PocketSphinx runs."""

    decoders: int = Field(2, ge=1, le=32)
    """Utterances that are worked on at the same time; about 90 MB each once it is needed."""
    followed: int = Field(2, ge=0, le=64)
    """Utterances that are decoded while they are spoken; about 90 MB each once it is needed."""
    niceness: int = Field(5, ge=0, le=19)
    """How much the workers make room for the event loop; 0: not at all."""
    first_partial: float = Field(0.9, gt=0, le=30)
    """Seconds of a segment before its first partial."""
    growth: float = Field(1.5, ge=1, le=10)
    """How many times longer than at the last partial a segment must be for another, when it is not
    followed."""
    options: dict[str, str] = {}
    """PocketSphinx's own options, over the ones that are chosen here, such as {lw = "7"}."""


@dataclass(frozen=True, slots=True)
class _Segment:
    text: str
    confidence: float


class _Followed:
    """A segment that is decoded while it is spoken. Its jobs run one after another: a cancelled one
    may still be at work when the next begins."""

    def __init__(self, engine: PocketSphinx) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._decoder: SphinxDecoder | None = None
        self._heard = 0
        self._is_abandoned = False
        self.ended: tuple[int, _Segment] | None = None
        """Of so many samples; set once it has ended, whether anybody waited for it or not."""
        self.is_broken = False

    def hear(self, samples: Samples, stop: Stop, *, last: bool) -> _Segment | None:
        """In a worker: what is understood of the segment, of which `samples` are known so far.
        None when it was stopped before it began."""
        try:
            with self._lock:
                if self.ended is not None:
                    return self.ended[1]
                return None if stop.is_set() else self._hear(samples, last=last)
        except EngineError:
            self.is_broken = self._is_abandoned = True
            raise
        finally:
            self._settle()

    def abandon(self) -> None:
        """Nobody wants to hear more of it. Never waits."""
        self._is_abandoned = True
        self._settle()

    def _hear(self, samples: Samples, *, last: bool) -> _Segment:
        if self._decoder is None:
            self._decoder = self._engine.take()
            self._decoder.begin()
        new = samples[self._heard :]
        if len(new):
            self._decoder.hear(new, self._decoder.mean(samples))
            self._heard = len(samples)
        if not last:
            return _Segment(self._decoder.text(), 0.0)
        segment = _ended(self._decoder)
        self.ended = len(samples), segment
        self._is_abandoned = True
        return segment

    def _settle(self) -> None:
        """Give the decoder back once nothing works on it; who works on it does so at the end."""
        if not self._is_abandoned or not self._lock.acquire(blocking=False):
            return
        try:
            decoder, self._decoder = self._decoder, None
        finally:
            self._lock.release()
        if decoder is not None:
            self._engine.put(decoder, broken=self.is_broken)


def _ended(decoder: SphinxDecoder) -> _Segment:
    decoder.end()
    text = decoder.text()
    # Per word, or a long utterance would always seem unlikely.
    return _Segment(text, decoder.confidence() ** (1 / max(len(text.split()), 1)))


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
        self._followed = 0
        self._loaded = 0

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker."""
        return self.workers.wait

    @property
    def later(self) -> int:
        """Bytes that decoders take which are not loaded yet."""
        most = self.settings.decoders + self.settings.followed
        return max(0, most - self._loaded) * DECODER_BYTES

    async def start(self) -> None:
        """Load one decoder; the others are loaded when they are needed. Raises EngineMissing."""
        await self.workers.run(lambda stop: self.put(self.take()))

    def open(self, *, language: str) -> PocketSphinxRecognition:
        """Begin an utterance. Raises LanguageUnsupported for anything but English."""
        if language != LANGUAGE:
            raise LanguageUnsupported("stt", f"PocketSphinx knows English only, not {language!r}")
        return PocketSphinxRecognition(self)

    async def aclose(self) -> None:
        await self.workers.aclose()
        while self._idle:
            self._idle.pop().close()

    def follow(self) -> _Followed | None:
        """A segment to be decoded as it comes, until `unfollow`; None when too many are."""
        if self._followed >= self.settings.followed:
            return None
        self._followed += 1
        return _Followed(self)

    def unfollow(self, segment: _Followed) -> None:
        """On the loop: the segment has ended, or nobody wants it."""
        self._followed -= 1
        segment.abandon()

    def decode(self, samples: Samples, stop: Stop) -> _Segment | None:
        """In a worker: the text of the samples; None when it was stopped before it began."""
        whole = _Followed(self)
        return whole.hear(samples, stop, last=True)

    def take(self) -> SphinxDecoder:
        """In a worker: a decoder that nobody uses."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            self._loaded += 1
        return SphinxDecoder({**DEFAULT_OPTIONS, **self.settings.options})

    def put(self, decoder: SphinxDecoder, *, broken: bool = False) -> None:
        """Nobody uses it any more. `broken`: nobody knows how far it came."""
        if broken:
            decoder.close()
            with self._lock:
                self._loaded -= 1
            return
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
        self._followed: _Followed | None = None

    def feed(self, chunk: AudioChunk) -> None:
        if chunk.rate != CALLER_RATE:
            raise EngineFailed("stt", f"PocketSphinx takes {CALLER_RATE} Hz, got {chunk.rate}")
        self._open.append(chunk.samples)
        self._fed += len(chunk)

    async def partial(self) -> Transcript | None:
        """None while there is too little of it, and while the workers are busy."""
        self._end_segment()
        if not self._is_worth_a_partial():
            return None
        segment = await self._understand(Priority.PARTIAL, last=False)
        return None if segment is None else self._transcript(segment)

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        """`confidence`: posterior probability of a word in the least certain segment."""
        self._end_segment()
        while self._fed:
            segment = await self._understand(priority, last=True)
            if segment is None:
                raise EngineFailed("stt", "PocketSphinx was stopped before it had understood")
            if not self._end_segment():
                self._ended.append(segment)
                self._begin_segment()
        return self._transcript()

    def close(self) -> None:
        self._ended.clear()
        self._begin_segment()

    def _is_worth_a_partial(self) -> bool:
        workers, settings = self._engine.workers, self._engine.settings
        if self._fed < settings.first_partial * CALLER_RATE:
            return False
        # One worker stays free for finals.
        if workers.free < min(2, workers.count):
            return False
        self._followed = self._followed or self._engine.follow()
        last = self._latest[0] if self._latest else 0
        return self._followed is not None or self._fed >= settings.growth * last

    async def _understand(self, priority: Urgent, *, last: bool) -> _Segment | None:
        samples, followed = self._joined(), self._followed
        if followed is not None and not followed.is_broken:
            return await self._engine.workers.run(
                lambda stop: followed.hear(samples, stop, last=last), priority=priority
            )
        if self._latest is None or self._latest[0] < len(samples):
            segment = await self._engine.workers.run(
                lambda stop: self._engine.decode(samples, stop), priority=priority
            )
            if segment is None:
                return None
            self._latest = len(samples), segment
        return self._latest[1]

    def _end_segment(self) -> bool:
        """Close a followed segment that has ended, perhaps when nobody waited for it any more.

        What was fed since is another segment. False: there is none that has ended."""
        if self._followed is None or self._followed.ended is None:
            return False
        samples, (length, segment) = self._joined(), self._followed.ended
        self._ended.append(segment)
        self._begin_segment()
        if len(samples) > length:
            self._open.append(samples[length:])
            self._fed = len(samples) - length
        return True

    def _begin_segment(self) -> None:
        self._open.clear()
        self._fed = 0
        self._latest = None
        if self._followed is not None:
            self._engine.unfollow(self._followed)
            self._followed = None

    def _transcript(self, *more: _Segment) -> Transcript:
        segments = [segment for segment in (*self._ended, *more) if segment.text]
        text = " ".join(segment.text for segment in segments)
        confidence = min((segment.confidence for segment in segments), default=0.0)
        return Transcript(text, LANGUAGE, confidence)

    def _joined(self) -> Samples:
        if len(self._open) > 1:
            self._open[:] = [np.concatenate(self._open)]
        return self._open[0]
