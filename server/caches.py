"""The caches of a server: what builds them, and what they were good for, for `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.engines.caches import CachedModel, Shared, SharedPhrases
from agent.engines.caches.meaning import Meaning
from agent.engines.phrases import CachedVoice, PhrasesInMemory, PhraseStore
from agent.engines.protocols import LanguageModel, Synthesizer
from server.config import Settings

Keeps = Callable[[], bool]
"""Whether what begins to be made now is remembered."""


def _always() -> bool:
    return True


@dataclass(slots=True)
class Caches:
    """What remembers for all calls. A part that is None is not there."""

    settings: Settings
    phrases: PhrasesInMemory
    shared: Shared | None = None
    voices: list[CachedVoice] = field(default_factory=list)
    model: CachedModel | None = None

    @classmethod
    async def open(cls, settings: Settings, started: AsyncExitStack) -> Caches:
        """Connected to the store that servers share, where one is configured."""
        caches = cls(settings, PhrasesInMemory(settings.tts.phrases))
        if settings.cache.url:
            caches.shared = Shared(settings.cache)
            started.push_async_callback(caches.shared.aclose)
            await caches.shared.start()
        return caches

    def over_voice(self, voice: Synthesizer, mark: str, keeps: Keeps = _always) -> Synthesizer:
        """The voice, remembering its phrases. `mark` names the engine and how it is set."""
        store: PhraseStore = self.phrases
        if self.shared is not None:
            store = SharedPhrases(store, self.shared, self.settings.speaker.opus)
        cached = CachedVoice(voice, self.settings.tts.phrases, store=store, mark=mark, keeps=keeps)
        self.voices.append(cached)
        return cached

    def over_model(self, model: LanguageModel, mark: str, keeps: Keeps = _always) -> LanguageModel:
        """The model, remembering its replies to the personas' first questions."""
        replies = self.settings.llm.replies
        if not replies.enabled:
            return model
        self.model = CachedModel(
            model,
            replies,
            instructions={persona.instructions for persona in self.settings.personas.values()},
            mark=mark,
            shared=self.shared,
            likeness=Meaning(replies.meaning) if replies.meaning.model else None,
            keeps=keeps,
        )
        return self.model

    @property
    def later(self) -> int:
        """Bytes that phrases may take which are not kept yet."""
        return self.phrases.room if self.settings.tts.phrases.enabled else 0

    async def aclose(self) -> None:
        """Let go of the shared store; the engines are closed by who holds them."""
        if self.shared is not None:
            await self.shared.aclose()


class CacheFigures(Collector):
    """The caches' hit rates, sizes and times to live, read when somebody asks."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def collect(self) -> Iterator[Metric]:
        lookups = CounterMetricFamily(
            "chuimsae_cache_lookups", "Lookups in a cache", labels=["cache", "outcome"]
        )
        entries = GaugeMetricFamily("chuimsae_cache_entries", "What is kept", labels=["cache"])
        lifetimes = GaugeMetricFamily(
            "chuimsae_cache_lifetime_seconds", "How long it is kept", labels=["cache"]
        )
        sizes = GaugeMetricFamily("chuimsae_cache_bytes", "What is kept, in bytes of audio")
        for cache, outcomes, kept, lifetime in self._tables():
            for outcome, count in outcomes.items():
                lookups.add_metric([cache, outcome], count)
            lifetimes.add_metric([cache], lifetime)
            if kept is not None:
                entries.add_metric([cache], kept)
        sizes.add_metric([], self._caches.phrases.bytes)
        yield from (lookups, entries, lifetimes, sizes)
        if (shared := self._caches.shared) is not None:
            yield GaugeMetricFamily(
                "chuimsae_shared_cache_up", "Whether it answers", value=float(shared.is_up)
            )

    def _tables(self) -> Iterator[tuple[str, dict[str, int], int | None, float]]:
        """Of each cache: its name, lookups by outcome, entries where they can be counted, and
        seconds of life."""
        caches, settings = self._caches, self._caches.settings
        spoken = [voice.counts for voice in caches.voices]
        outcomes = {
            "hit": sum(counts.hits for counts in spoken),
            "miss": sum(counts.misses for counts in spoken),
            "shared": sum(counts.shared for counts in spoken),
        }
        yield "phrases", outcomes, len(caches.phrases), settings.tts.phrases.lifetime
        if caches.model is not None:
            replies = caches.model.counts
            outcomes = {"hit": replies.hits, "miss": replies.misses, "passed": replies.passed}
            yield "replies", outcomes, len(caches.model), settings.llm.replies.lifetime
        if (shared := caches.shared) is not None:
            outcomes = {"hit": shared.hits, "miss": shared.misses, "failure": shared.failures}
            yield "store", outcomes, None, settings.cache.lifetime
