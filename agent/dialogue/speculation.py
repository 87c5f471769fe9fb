"""How much is prepared on suspicion: bounded per turn, and by the share that was in vain lately."""

from __future__ import annotations

from collections import deque
from typing import Literal

from pydantic import BaseModel, Field

Outcome = Literal["played", "discarded"]


class SpeculationSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Preparing the reply inside the pause that is waited for anyway."""

    enabled: bool = True
    """Whether a reply is prepared before the turn is surely over."""
    tries: int = Field(default=4, ge=1, le=20)
    """Replies prepared for one turn at most."""
    discarded: float = Field(default=0.7, ge=0, le=1)
    """Share of the recent speculations that may have been in vain; beyond it every second pause
    goes without one until the share has fallen."""
    memory: int = Field(default=20, ge=5, le=1000)
    """How many recent speculations that share is taken over."""


class Speculation:
    """One call's budget of replies prepared on suspicion."""

    def __init__(self, settings: SpeculationSettings) -> None:
        self._settings = settings
        self._recent: deque[Outcome] = deque(maxlen=settings.memory)
        self._tries = 0
        self._skipped = False

    @property
    def discarded(self) -> float:
        """The share of the recent speculations that was in vain; 0 before there were enough."""
        if len(self._recent) < 5:
            return 0.0
        return self._recent.count("discarded") / len(self._recent)

    def begin_turn(self) -> None:
        self._tries = 0

    def try_one(self) -> bool:
        """Whether a reply may be prepared in this pause; counts it when it may."""
        if not self._settings.enabled or self._tries >= self._settings.tries:
            return False
        if self.discarded > self._settings.discarded and not self._skipped:
            self._skipped = True
            return False
        self._skipped = False
        self._tries += 1
        return True

    def ended(self, outcome: Outcome) -> None:
        """What became of the last one."""
        self._recent.append(outcome)
