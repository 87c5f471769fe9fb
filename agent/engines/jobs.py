"""The jobs that wait for a worker: which goes first, and which go together. Pure, not thread-safe.

The most urgent goes first, among equals the one that came first. Jobs of one kind can be done in
one go; those that do wait already, for nobody waits for others to come. A more urgent job never
goes with a less urgent one, which would only make it longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from agent.engines.protocols import Priority, Urgent, priority_of
from agent.errors import EngineError

Stop = threading.Event
"""Set when nobody waits for the job any more."""

Tell = Callable[[], None]
"""Tells whoever waits how a job went."""

Item = TypeVar("Item")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Item]):
    """One of those whose work is done in one go, and whether anybody waits for it still."""

    item: Item
    stop: Stop


@dataclass(frozen=True, slots=True)
class Batch(Generic[Item, T]):
    """Work that costs less for several than for each: those of one `kind`, at most `most`.

    `work` gives a result for each of them, in their order; for one that is stopped, anything."""

    kind: Hashable
    most: int
    work: Callable[[Sequence[Wanted[Item]]], Sequence[T]]


@dataclass(eq=False)
class Job:
    """Somebody's work. `number`: when it came, among all."""

    urgent: Urgent
    number: int
    perform: Callable[[Sequence[Job]], Sequence[Tell]]
    """Do the work of these: of this one, and of those that go with it."""
    fail: Callable[[EngineError], None]
    stop: Stop
    succeed: Callable[[Any], None] = lambda result: None
    item: Any = None
    """What a batch's work is done on."""
    kind: Hashable = None
    """Those of one kind can go together; None: it goes alone."""
    most: int = 1
    """Of its kind in one go."""
    since: float = field(default_factory=time.monotonic)

    @property
    def priority(self) -> Priority:
        """At the moment."""
        return priority_of(self.urgent)

    @property
    def waits_since(self) -> float:
        """Since when (`time.monotonic()`) it waits with this priority."""
        urgent = self.urgent
        return self.since if isinstance(urgent, Priority) else max(self.since, urgent.since)

    @property
    def turn(self) -> tuple[Priority, int]:
        """The lower, the sooner it is taken."""
        return self.priority, self.number


class Queue:
    """Jobs until they are taken. One whose stop is set waits no longer, and is never taken."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def __len__(self) -> int:
        return sum(not job.stop.is_set() for job in self._jobs)

    def add(self, job: Job) -> None:
        self._jobs.append(job)

    def take(self, *, sharers: int = 1) -> list[Job]:
        """The first job and those that go with it; empty when none waits.

        `sharers` workers take from here: of a kind each takes its share only, or one would have all
        of them and the next one nothing to do."""
        self._jobs = [job for job in self._jobs if not job.stop.is_set()]
        if not self._jobs:
            return []
        # Searched each time: they are few, and priorities rise while they wait.
        first = min(self._jobs, key=lambda job: job.turn)
        taken = [first, *self._company(first, sharers)]
        self._jobs = [job for job in self._jobs if job not in taken]
        return taken

    def oldest(self, priority: Priority) -> float | None:
        """Since when (`time.monotonic()`) the oldest job of that priority waits."""
        waiting = (j for j in self._jobs if j.priority is priority and not j.stop.is_set())
        return min((job.waits_since for job in waiting), default=None)

    def clear(self) -> list[Job]:
        """All that was in it."""
        jobs, self._jobs = self._jobs, []
        return jobs

    def _company(self, first: Job, sharers: int) -> list[Job]:
        if first.kind is None or first.most < 2:
            return []
        alike = [job for job in self._jobs if job is not first and _go_together(first, job)]
        share = -(-(1 + len(alike)) // sharers)
        return alike[: min(share, first.most) - 1]


def _go_together(one: Job, other: Job) -> bool:
    same = one.kind == other.kind and one.priority is other.priority
    return same and not other.stop.is_set()
