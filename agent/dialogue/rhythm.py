"""One caller's own rhythm: how long they pause inside what they say.

A running quantile of the pauses that turned out to lie inside a turn, started where most people
are and bounded, scales the waits of the endpointer: a slow speaker is given more time.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class RhythmSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How far the waits follow the caller's own pauses."""

    quantile: float = Field(default=0.85, gt=0, lt=1)
    """Share of the pauses inside a turn that should be shorter than the learned one."""
    usual: float = Field(default=0.45, gt=0, le=5)
    """Seconds: that quantile for a caller of whom nothing is known."""
    rate: float = Field(default=0.12, ge=0, le=1)
    """How fast it is learned; 0: never."""
    slowest: float = Field(default=2.0, ge=1, le=4)
    """Factor on the waits for the slowest caller."""
    fastest: float = Field(default=0.9, gt=0, le=1)
    """Factor on the waits for the quickest caller."""
    shortest_pause: float = Field(default=0.15, ge=0, le=2)
    """Seconds under which silence is articulation, not a pause."""


class Rhythm:
    """What has been learned of one caller."""

    def __init__(self, settings: RhythmSettings) -> None:
        self._settings = settings
        self._pause = settings.usual

    @property
    def pause(self) -> float:
        """Seconds: the learned quantile of this caller's pauses inside a turn."""
        return self._pause

    def scale(self, wait: float) -> float:
        """`wait` seconds for the usual caller, for this one.

        A wait that is longer than this caller's pauses, and a quarter more, is not made longer.
        """
        factor = self._pause / self._settings.usual
        return min(wait * factor, max(wait, 1.25 * self._pause))

    def paused(self, seconds: float) -> None:
        """The caller paused inside a turn, and went on."""
        if seconds >= self._settings.shortest_pause:
            self._learn(seconds, self._settings.rate)

    def cut_off(self, seconds: float) -> None:
        """The turn was ended in a pause that lasted `seconds`: the costliest of mistakes."""
        self._learn(seconds, 3 * self._settings.rate)

    def ended(self) -> None:
        """A turn ended: what was learned fades, slowly, towards the usual."""
        self._pause += self._settings.rate / 4 * (self._settings.usual - self._pause)

    def _learn(self, seconds: float, rate: float) -> None:
        """A step of stochastic quantile estimation (Robbins and Monro), relative in size."""
        quantile = self._settings.quantile
        up = seconds > self._pause
        self._pause *= 1 + min(0.9, rate) * (quantile if up else quantile - 1)
        limits = self._settings
        self._pause = max(limits.usual * limits.fastest, self._pause)
        self._pause = min(limits.usual * limits.slowest, self._pause)
