"""Which adapter the next step is made with: a step can have but one. Pure.

Adapters take turns, so that each call gets on as fast as any other. A turn lasts a few steps while
replies are made, because llama.cpp lays out its work anew when the adapter changes; one that reads
prompts lasts one step. Who wants nothing urgent lets the others go first, but not for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.engines.llama.shares import Demand
from agent.engines.protocols import Priority

STAY = 4
"""Steps of a turn at most. (A change costs a fifth of a step on a model of 0.5 B parameters.)"""
PATIENCE = 4
"""Turns of others after which something less urgent gets one step."""


class Alternation:
    """The turns of one context's adapters."""

    def __init__(self) -> None:
        self._turn = 0
        self._waits_since: dict[str, int] = {}
        self._now = ""
        self._left = 0

    def choose(self, demands: Iterable[Demand]) -> str:
        """The adapter whose demands, some of these, are served in the next step."""
        urgency: dict[str, Priority] = {}
        reading: set[str] = set()
        for demand in demands:
            named = demand.adapter
            urgency[named] = min(urgency.get(named, demand.priority), demand.priority)
            if demand.unread:
                reading.add(named)
        self._waits_since = {name: self._waits_since.get(name, self._turn) for name in urgency}
        most = min(urgency.values())
        if self._left and urgency.get(self._now) == most and self._now not in reading:
            self._left -= 1
            return self._now
        return self._next(urgency, most)

    def _next(self, urgency: dict[str, Priority], most: Priority) -> str:
        waited = {name: self._turn - since for name, since in self._waits_since.items()}
        due = [n for n, wants in urgency.items() if wants == most or waited[n] >= PATIENCE]
        last = self._now
        self._now = max(due, key=lambda name: (waited[name], name != last))
        self._left = STAY - 1 if urgency[self._now] == most else 0
        self._turn += 1
        self._waits_since[self._now] = self._turn
        return self._now
