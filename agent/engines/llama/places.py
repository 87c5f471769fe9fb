"""Where in the cache a job works: its conversation's sequence, the opening it shares, and room.

Every change is made in the mirror and in llama.cpp at once. A conversation keeps its sequence
between its turns; when sequences or cells run short, the conversation that has been idle for
longest gives up its own, and system prompts that nobody used lately go after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent.engines.llama.cache import Cache
from agent.engines.llama.job import Job, Opening
from agent.engines.llama.runtime import Runtime

WORTH_SHARING = 8
"""Tokens from which on an opening is worth a sequence of its own."""


class Places:
    """The sequences of conversations and openings. `openings`: how many of the latter at most."""

    def __init__(self, runtime: Runtime, *, openings: int) -> None:
        self._runtime = runtime
        self._most_openings = openings
        self._begun = 0
        self.evictions = 0
        """Conversations that lost their place to others."""
        self._forget_all()

    def _forget_all(self) -> None:
        self._cache = Cache(
            cells=self._runtime.cells,
            sequences=self._runtime.sequences,
            rewinds=self._runtime.rewinds,
        )
        self._conversations: dict[str, int] = {}  # from the idlest to the latest used
        self._read_with: dict[int, str] = {}
        """The adapter of each conversation's sequence."""
        self._openings: dict[tuple[str, tuple[int, ...]], Opening] = {}

    def clear(self) -> None:
        """Forget everything, as after a failure of the library."""
        self._runtime.clear()
        self._forget_all()

    def holds(self, conversation: str) -> tuple[int, ...]:
        """The tokens that are kept of a conversation."""
        sequence = self._conversations.get(conversation)
        return () if sequence is None else self._cache.tokens(sequence)

    def reading(self) -> list[Opening]:
        """Openings that are not read to their end yet."""
        return [opening for opening in self._openings.values() if opening.unread]

    def append(self, sequence: int, tokens: Sequence[int]) -> None:
        self._cache.append(sequence, tokens)

    def length(self, sequence: int) -> int:
        return self._cache.length(sequence)

    def release(self, conversation: str) -> None:
        """The conversation is over."""
        sequence = self._conversations.pop(conversation, None)
        if sequence is not None:
            self._close(sequence)

    def opening_of(self, job: Job, step: int, busy: Iterable[Job]) -> Opening | None:
        """The opening that the job should wait for or copy; begun now if it is new."""
        tokens = job.prompt.opening
        if len(tokens) < WORTH_SHARING:
            return None
        known = self._openings.get((job.adapter, tuple(tokens)))
        if known is None:
            return None if self._goes_on(job) else self._begin(job, step, busy)
        known.priority = min(known.priority, job.priority)
        known.used = step
        return known

    def place(self, job: Job, opening: Opening | None, busy: Sequence[Job]) -> bool:
        """Give the job a sequence that holds as much of its prompt as is known. False: no room."""
        own = self._conversations.get(job.conversation)
        kept = self._kept(job)
        shared = self._known(job, opening.sequence if opening else None)
        known = max(kept, shared)
        if own is not None:
            self._cut(own, kept if kept == known else 0)
        if not self._make_room(job.outstanding - known, busy, job.conversation, opening):
            # Alone, it always has room: at worst without the opening's own sequence.
            return bool(opening and not busy) and self.place(job, None, busy)
        if own is None and (own := self._open(busy, job.conversation)) is None:
            return False
        if opening is not None and kept < known:
            self._runtime.copy(opening.sequence, own, known)
            self._cache.copy(opening.sequence, own, known)
        self._conversations.pop(job.conversation, None)
        self._conversations[job.conversation] = own  # the latest used
        self._read_with[own] = job.adapter
        job.sequence, job.read = own, known
        return True

    def _goes_on(self, job: Job) -> bool:
        """The conversation's own sequence holds the opening already."""
        return self._kept(job) >= len(job.prompt.opening)

    def _kept(self, job: Job) -> int:
        """Tokens of the job's prompt that its conversation has read already, with its adapter."""
        own = self._conversations.get(job.conversation)
        return (
            self._known(job, own) if own is not None and self._read_with[own] == job.adapter else 0
        )

    def _known(self, job: Job, sequence: int | None) -> int:
        """Tokens of the job's prompt that a sequence saves it from reading."""
        if sequence is None:
            return 0
        most = len(job.prompt.tokens) - job.replies
        return self._cache.usable(sequence, job.prompt.tokens, most=most)

    def _begin(self, job: Job, step: int, busy: Iterable[Job]) -> Opening | None:
        """A sequence for a new opening; None when there is no room to keep one."""
        busy = list(busy)
        idle = sorted((o for o in self._openings.values() if not o.unread), key=lambda o: o.used)
        if len(self._openings) >= self._most_openings:
            if not idle:
                return None
            self._drop(idle[0])
        room = len(job.prompt.opening) + job.outstanding
        if not self._make_room(room, busy, job.conversation, None):
            return None
        sequence = self._open(busy, job.conversation)
        if sequence is None:
            return None
        tokens = job.prompt.opening
        self._begun += 1
        opening = Opening(tokens, job.adapter, sequence, -self._begun, job.priority, used=step)
        self._openings[job.adapter, tuple(tokens)] = opening
        if self._runtime.restore(sequence, tokens, job.adapter):
            self._cache.append(sequence, tokens)
            opening.read = len(tokens)
        return opening

    def _make_room(
        self, need: int, busy: Iterable[Job], sparing: str, opening: Opening | None
    ) -> bool:
        """Free cells until `need` are left besides those promised to running jobs."""
        busy = list(busy)
        promised = sum(job.outstanding for job in busy) + sum(o.unread for o in self.reading())
        while self._cache.free - promised < need:
            if not (self._evict(busy, sparing) or self._drop_idlest_opening(opening)):
                return False
        return True

    def _open(self, busy: Iterable[Job], sparing: str) -> int | None:
        sequence = self._cache.open()
        while sequence is None and self._evict(busy, sparing):
            sequence = self._cache.open()
        return sequence

    def _evict(self, busy: Iterable[Job], sparing: str) -> bool:
        """Forget the conversation that has been idle for longest."""
        kept = {job.conversation for job in busy} | {sparing}
        idlest = next((name for name in self._conversations if name not in kept), None)
        if idlest is None:
            return False
        self.release(idlest)
        self.evictions += 1
        return True

    def _drop_idlest_opening(self, spared: Opening | None) -> bool:
        idle = [o for o in self._openings.values() if not o.unread and o is not spared]
        if not idle:
            return False
        self._drop(min(idle, key=lambda o: o.used))
        return True

    def _drop(self, opening: Opening) -> None:
        del self._openings[opening.adapter, tuple(opening.tokens)]
        self._close(opening.sequence)

    def _cut(self, sequence: int, length: int) -> None:
        if length < self._cache.length(sequence):
            self._runtime.cut(sequence, length)
            self._cache.cut(sequence, length)

    def _close(self, sequence: int) -> None:
        self._cut(sequence, 0)
        self._cache.close(sequence)
