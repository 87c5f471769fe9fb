"""What was made once and is asked for again: phrases and replies, also between servers."""

from agent.engines.caches.phrases import SharedPhrases
from agent.engines.caches.replies import CachedModel, ReplyCacheSettings
from agent.engines.caches.shared import CacheSettings, Shared, SharedStore

__all__ = [
    "CacheSettings",
    "CachedModel",
    "ReplyCacheSettings",
    "Shared",
    "SharedPhrases",
    "SharedStore",
]
