"""Questions of the same meaning in other words, by a small embedding model that llama.cpp runs.

Off until a model is configured. Two questions are alike when their embeddings are close, and the
numbers and negations in them are the same: "do you open on 1 May?" is not "... on 2 May?".
"""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache
from pydantic import BaseModel, Field

from agent.engines.protocols import Priority
from agent.engines.threads import Workers
from agent.errors import EngineError, WrongSetting

if TYPE_CHECKING:
    from agent.engines.caches.replies import ReplyKey

log = logging.getLogger(__name__)

Embedding = npt.NDArray[np.float32]
"""Of shape (dimensions,), of length 1."""

_DECISIVE = re.compile(r"\d+|\b(?:no|not|never|without|except)\b|n't\b|안\s|못\s|없|말고|아니|빼고")


class MeaningSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Whether a question in other words gets the same reply."""

    model: str = ""
    """Path of an embedding model (.gguf) for llama.cpp; empty: only the same words are the same."""
    similarity: float = Field(default=0.92, ge=0.5, le=1)
    """Cosine of two embeddings from which on two questions are the same; depends on the model."""
    patience: float = Field(default=0.05, gt=0, le=1)
    """Seconds that a call waits for an embedding at most."""
    questions: int = Field(default=1000, ge=1, le=100_000)
    """Questions that are compared with; the least recently asked goes first."""


class Meaning:
    """A `Likeness` over an embedding model, in a thread of its own."""

    def __init__(self, settings: MeaningSettings) -> None:
        self._settings = settings
        self._workers = Workers(1, stage="llm", name="meaning")
        self._model: Any = None
        self._learnt: LRUCache[ReplyKey, Embedding] = LRUCache(settings.questions)
        self._learning: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Load the model. Raises WrongSetting."""
        path = Path(self._settings.model)
        self._model = await self._workers.run(lambda _: _load(path))
        await self._embedding("warm up")

    async def like(self, key: ReplyKey) -> ReplyKey | None:
        """The most similar question that was answered, if it is similar enough."""
        candidates = [known for known in self._learnt if _comparable(known, key)]
        if not candidates:
            return None
        try:
            async with asyncio.timeout(self._settings.patience):
                embedding = await self._embedding(key.question)
        except (TimeoutError, EngineError):
            return None
        close = np.stack([self._learnt[known] for known in candidates]) @ embedding
        best = int(close.argmax())
        return candidates[best] if close[best] >= self._settings.similarity else None

    def learn(self, key: ReplyKey) -> None:
        """Remember a question that has an answer, some time."""
        if key in self._learnt:
            return
        task = asyncio.create_task(self._learn(key))
        self._learning.add(task)
        task.add_done_callback(self._learning.discard)

    async def aclose(self) -> None:
        for task in self._learning:
            task.cancel()
        await asyncio.gather(*self._learning, return_exceptions=True)
        await self._workers.aclose()
        self._model = None

    async def _learn(self, key: ReplyKey) -> None:
        try:
            self._learnt[key] = await self._embedding(key.question, Priority.PARTIAL)
        except EngineError as error:
            log.warning("A question could not be embedded", extra={"cause": str(error)})

    async def _embedding(self, text: str, priority: Priority = Priority.COMMITTED) -> Embedding:
        return await self._workers.run(lambda _: _embed(self._model, text), priority=priority)


def _comparable(known: ReplyKey, key: ReplyKey) -> bool:
    """Whether the two are asked of the same agent with the same tools, and have the same numbers
    and negations."""
    return (
        known.mark == key.mark
        and known.instructions == key.instructions
        and known.tools == key.tools
        and sorted(_DECISIVE.findall(known.question)) == sorted(_DECISIVE.findall(key.question))
    )


def _load(path: Path) -> Any:
    from llama_cpp import Llama

    if not path.is_file():
        raise WrongSetting("llm", f"no embedding model at {path} (llm.replies.meaning.model)")
    try:
        return Llama(str(path), embedding=True, n_ctx=512, n_threads=1, verbose=False)
    except ValueError as error:
        raise WrongSetting(
            "llm", f"{path} is no model that llama.cpp can load (llm.replies.meaning.model)"
        ) from error


def _embed(model: Any, text: str) -> Embedding:
    embedding = np.atleast_2d(np.asarray(model.embed(text, truncate=True), np.float32))
    mean: Embedding = embedding.mean(axis=0)  # a row per token where the model does not pool
    return mean / max(float(np.linalg.norm(mean)), 1e-9)
