"""Replies to frequent first questions, made once.

`CachedModel` wraps any `LanguageModel`. What is kept is the reply to a call's first question, under
the model's mark, the persona's instructions and the offered tools to the letter (another version of
them is another key), and the question as far as its words go. Never kept: what speaks of the caller
or of this moment, what a tool had a part in, what was broken off, and anything in a session whose
instructions are not those of a persona of the server.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from cachetools import TTLCache
from pydantic import BaseModel, Field

from agent.engines.caches.general import asked, is_general
from agent.engines.caches.meaning import MeaningSettings
from agent.engines.caches.shared import SharedStore
from agent.engines.protocols import LanguageModel, ReplyRequest
from agent.messages import Toolbox, ToolCall


class ReplyCacheSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Replies to frequent first questions."""

    enabled: bool = True
    """Whether they are kept at all."""
    capacity: int = Field(default=1000, ge=0, le=1_000_000)
    """Replies that are kept in memory; the least recently used goes first."""
    lifetime: float = Field(default=86_400.0, gt=0)
    """Seconds that a reply is kept in memory."""
    longest: int = Field(default=160, ge=1)
    """Characters of the longest question whose reply is kept."""
    meaning: MeaningSettings = MeaningSettings()


@dataclass(frozen=True, slots=True)
class ReplyKey:
    """`question` is normalised; `mark` names the model and its adapter, `instructions` is the
    system prompt.

    `tools`: a digest of what was offered, and how; empty where there was nothing."""

    mark: str
    instructions: str
    question: str
    tools: str = ""

    def __str__(self) -> str:
        return "\0".join((self.mark, self.instructions, self.tools, self.question))


@dataclass(frozen=True, slots=True)
class KnownReply:
    """A complete reply, and the limit of tokens it was made within."""

    text: str
    max_tokens: int


@dataclass
class ReplyCounts:
    """What the cache was good for so far."""

    hits: int = 0
    misses: int = 0
    passed: int = 0
    """Requests that are none of the cache's business."""
    by_meaning: int = 0
    """Hits whose question had other words."""


class Likeness(Protocol):
    """Finds a question of the same meaning among those that were answered. Never raises."""

    async def start(self) -> None: ...

    async def like(self, key: ReplyKey) -> ReplyKey | None: ...

    def learn(self, key: ReplyKey) -> None: ...

    async def aclose(self) -> None: ...


class CachedModel:
    """A `LanguageModel` that remembers. `mark` must differ where the wrapped model does."""

    def __init__(
        self,
        inner: LanguageModel,
        settings: ReplyCacheSettings,
        *,
        instructions: Collection[str],
        mark: str = "",
        shared: SharedStore | None = None,
        likeness: Likeness | None = None,
        keeps: Callable[[], bool] = lambda: True,
    ) -> None:
        """`instructions`: the system prompts whose replies may be kept. `keeps`: whether one that
        begins to be made now is kept; those that are known serve in any case."""
        self._inner = inner
        self._settings = settings
        self._instructions = frozenset(instructions)
        self._mark = mark
        self._shared = shared
        self._likeness = likeness
        self._keeps = keeps
        self._replies: TTLCache[ReplyKey, KnownReply] = TTLCache(
            settings.capacity, settings.lifetime
        )
        self.counts = ReplyCounts()

    def __len__(self) -> int:
        """Replies that are held in memory."""
        return len(self._replies)

    async def start(self) -> None:
        await self._inner.start()
        if self._likeness is not None:
            await self._likeness.start()

    async def reply(self, request: ReplyRequest) -> AsyncGenerator[str, None]:
        """See `LanguageModel.reply`. A known reply comes in one piece."""
        key = self._key(request)
        if key is None:
            self.counts.passed += 1
        elif (known := await self._known(key, request.max_tokens)) is not None:
            self.counts.hits += 1
            yield known.text
            return
        else:
            self.counts.misses += 1
        made: list[str] = []
        calls: list[ToolCall] = []

        def note(call: ToolCall) -> None:
            calls.append(call)
            request.call(call)

        is_kept = key is not None and self._keeps()
        async with aclosing(self._inner.reply(replace(request, call=note))) as pieces:
            async for piece in pieces:
                made.append(piece)
                yield piece
        if key is not None and is_kept and not calls:
            self._keep(key, KnownReply("".join(made), request.max_tokens))

    async def prefill(self, request: ReplyRequest) -> None:
        await self._inner.prefill(request)

    def commit(self, conversation: str) -> None:
        self._inner.commit(conversation)

    def forget(self, conversation: str) -> None:
        self._inner.forget(conversation)

    async def aclose(self) -> None:
        if self._likeness is not None:
            await self._likeness.aclose()
        await self._inner.aclose()

    def _key(self, request: ReplyRequest) -> ReplyKey | None:
        """What the reply may be known under; None when it must be made."""
        question = first_question(request)
        if not self._settings.enabled or question is None:
            return None
        instructions = request.messages[0].text if request.messages[0].role == "system" else ""
        if len(question) > self._settings.longest or instructions not in self._instructions:
            return None
        if not is_general(question):
            return None
        mark = f"{self._mark} with {request.adapter}" if request.adapter else self._mark
        return ReplyKey(mark, instructions, asked(question), _digest(request.tools))

    async def _known(self, key: ReplyKey, max_tokens: int) -> KnownReply | None:
        known = await self._kept(key)
        if known is None and self._likeness is not None:
            alike = await self._likeness.like(key)
            known = await self._kept(alike) if alike is not None else None
            self.counts.by_meaning += known is not None
        # Made within a lower limit (a server under load), it may be shorter than is wanted now.
        return known if known is not None and known.max_tokens >= max_tokens else None

    async def _kept(self, key: ReplyKey) -> KnownReply | None:
        known = self._replies.get(key)
        if known is not None or self._shared is None:
            return known
        stored = await self._shared.get("reply", str(key))
        known = _unpacked(stored) if stored is not None else None
        if known is not None:
            self._replies[key] = known
        return known

    def _keep(self, key: ReplyKey, made: KnownReply) -> None:
        if not made.text.strip() or not self._settings.capacity:
            return
        self._replies[key] = made
        if self._likeness is not None:
            self._likeness.learn(key)
        if self._shared is not None:
            self._shared.put("reply", str(key), _packed(made))


def first_question(request: ReplyRequest) -> str | None:
    """The caller's words when they are the call's first ones; None otherwise."""
    words = [message.text for message in request.messages if message.role == "user"]
    if len(words) != 1 or request.messages[-1].role != "user":
        return None
    return words[0].strip() or None


def _digest(box: Toolbox) -> str:
    if not box.tools:
        return ""
    tools = [(tool.name, tool.description, dict(tool.parameters)) for tool in box.tools]
    told = json.dumps([tools, box.choice, box.named, box.parallel], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _packed(reply: KnownReply) -> bytes:
    return json.dumps({"text": reply.text, "max_tokens": reply.max_tokens}).encode()


def _unpacked(stored: bytes) -> KnownReply | None:
    try:
        match json.loads(stored):
            case {"text": str(text), "max_tokens": int(max_tokens)} if text.strip():
                return KnownReply(text, max_tokens)
    except ValueError:
        pass
    return None
