"""How fast a model reads and speaks, and what a caller who asks now would have to wait for.

Told of every step as it was made; forgets old steps by and by. Pure but for its sums, and cheap
enough for every step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.engines.llama.parts import AT_ONCE

_KEPT = 0.98
"""Share of the past that is left after one more step: it is about the last 50."""

_NEW = 0.2
"""What one more step counts in what reading costs."""


@dataclass(frozen=True, slots=True)
class Readings:
    """A language model's load at one moment."""

    replying: int = 0
    """Replies that are being made."""
    waiting: int = 0
    """Committed replies without a token yet."""
    oldest: float = 0.0
    """Seconds that the oldest of these has waited."""
    tokens_per_second: float = 0.0
    """Of replies, all together, while any is made; 0 before the first."""
    first_token: float = 0.0
    """Seconds in which a reply that is asked for now would begin; 0 before the first."""


class Pace:
    """The pace of one model's steps. `gap`: seconds of a step in which prompts are read beside
    replies, at most; `beside`: its tokens of prompts, 0: as many as that leaves."""

    def __init__(self, *, gap: float, beside: int = 0) -> None:
        self._gap = gap
        self._beside = beside
        self._reading = 0.0
        self._seconds = self._tokens = 0.0
        self._replied_seconds = self._replied = 0.0
        self._new = 0.0

    def step(self, seconds: float, read: int, replied: int) -> None:
        """A step that took so long, of so many tokens of prompts and of replies."""
        self._seconds = self._seconds * _KEPT + seconds
        self._tokens = self._tokens * _KEPT + read + replied
        if read >= AT_ONCE:
            new = seconds / (read + replied)
            self._reading += (new - self._reading) * (_NEW if self._reading else 1)
        if replied:
            self._replied_seconds = self._replied_seconds * _KEPT + seconds
            self._replied = self._replied * _KEPT + replied

    def asked(self, unread: int) -> None:
        """A committed reply whose prompt had so many tokens to be read."""
        self._new += (unread - self._new) * 0.2

    @property
    def beside(self) -> int:
        """Tokens of prompts that the next step may read beside replies."""
        if self._beside:
            return self._beside
        affordable = int(self._gap / self._reading) if self._reading else 0
        return max(affordable - affordable % AT_ONCE, AT_ONCE)

    @property
    def tokens_per_second(self) -> float:
        return self._replied / self._replied_seconds if self._replied_seconds else 0.0

    def first_token(self, unread: int, replying: int) -> float:
        """Seconds until a reply asked for now begins, after `unread` tokens of committed prompts
        and beside `replying` replies."""
        if not self._tokens:
            return 0.0
        tokens = unread + self._new + 1
        if replying:
            tokens += math.ceil(tokens / self.beside) * replying
        return tokens * self._seconds / self._tokens
