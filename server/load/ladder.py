"""From readings to a rung: no clock, no I/O.

Each reading is taken as a share of its bound, counted from what a caller bears who has the server
for themselves; the largest share is the strain. A rung is climbed
when the strain has stood at its step for a moment, several at once if it stands that high, and left
one by one, after a longer calm well below it: a server that swings is worse than one that spares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field, model_validator

from agent.load import Rung

_Step = Field(gt=0, le=10)
_LEAST_ROOM = 1 / 3
"""Of a bound, that is left to load where a model alone takes nearly all of it or more."""


class LoadBounds(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How much of each reading is the most that callers should have to bear, in seconds. What a
    caller waits while nobody else speaks or waits is the models' pace, not load."""

    loop_lag: float = Field(default=0.06, gt=0, le=10)
    """How late the event loop is, 90th percentile."""
    packets: float = Field(default=0.04, gt=0, le=10)
    """How late the calls' 20 ms steps are, 95th percentile."""
    stt: float = Field(default=0.8, gt=0, le=60)
    """How long a final transcript has waited for a worker."""
    llm: float = Field(default=2.0, gt=0, le=60)
    """In how long a reply asked for now is expected to bring its first token."""
    tts: float = Field(default=0.8, gt=0, le=60)
    """How long a reply's first sentence has waited for a voice."""
    first_sound: float = Field(default=3.0, gt=0, le=60)
    """From the end of a caller's turn to the reply's first sound, 90th percentile of late."""


class LoadSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """Section `load`: what the server goes without when it has much to do."""

    enabled: bool = True
    """Whether quality is lowered, and calls are refused, by the load."""
    bounds: LoadBounds = LoadBounds()
    sparing: float = Field(default=0.5, gt=0, le=10)
    """Strain (a reading's share of its bound) from which on partial transcripts are few and nothing
    is prepared on suspicion."""
    brief: float = Field(default=0.7, gt=0, le=10)
    """Strain from which on replies are short, and encoded with the least effort."""
    canned: float = Field(default=0.85, gt=0, le=10)
    """Strain from which on replies that lie ready go first."""
    closed: float = Field(default=1.0, gt=0, le=10)
    """Strain from which on new calls are refused."""
    release: float = Field(default=0.7, gt=0, lt=1)
    """Share of a rung's step that the strain must be below before the rung is left."""
    up_after: float = Field(default=2.5, ge=0, le=60)
    """Seconds that the strain must stand at a step before the rung is climbed. Longer than the two
    seconds that a reading counts: one hiccup of the machine is no load."""
    down_after: float = Field(default=5.0, ge=0, le=600)
    """Seconds of calm before a rung is left."""
    always_admit: int = Field(default=1, ge=0, le=1000)
    """Calls that are let in whatever the load: a slow model alone refuses nobody."""
    brief_tokens: int = Field(default=24, ge=8, le=1024)
    """Tokens of a short reply at most."""

    @model_validator(mode="after")
    def _rising(self) -> LoadSettings:
        if list(self.steps.values()) != sorted(self.steps.values()):
            raise ValueError("sparing, brief, canned and closed must rise, or be equal")
        return self

    @property
    def steps(self) -> Mapping[Rung, float]:
        """The strain of each rung."""
        return {
            Rung.SPARING: self.sparing,
            Rung.BRIEF: self.brief,
            Rung.CANNED: self.canned,
            Rung.CLOSED: self.closed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was measured of late, in seconds; each has its bound, of the same name. `alone_…` is
    what it comes to for a caller while nobody else speaks or waits; 0 where that is not known."""

    loop_lag: float = 0.0
    packets: float = 0.0
    stt: float = 0.0
    llm: float = 0.0
    tts: float = 0.0
    first_sound: float = 0.0
    alone_llm: float = 0.0
    alone_first_sound: float = 0.0


@dataclass(frozen=True, slots=True)
class Strain:
    """The largest share of the room below a bound, and whose it is."""

    share: float
    cause: str


def strain(reading: Reading, bounds: LoadBounds) -> Strain:
    """How near the worst of the readings is to its bound; 1: it is there."""
    shares = {name: _share(name, reading, bounds) for name in LoadBounds.model_fields}
    cause = max(shares, key=lambda name: shares[name])
    return Strain(shares[cause], cause)


def _share(name: str, reading: Reading, bounds: LoadBounds) -> float:
    bound: float = getattr(bounds, name)
    alone: float = getattr(reading, f"alone_{name}", 0.0)
    room = max(bound - alone, bound * _LEAST_ROOM)
    return max(0.0, float(getattr(reading, name)) - alone) / room


class Ladder:
    """One server's rung over time."""

    def __init__(self, settings: LoadSettings) -> None:
        self._settings = settings
        self.rung = Rung.EASY
        self.cause = ""
        """The reading that brought it to its rung."""
        self._above: dict[Rung, float] = {}
        """Since when the strain has stood at a rung above this one."""
        self._calm_since: float | None = None

    def feed(self, felt: Strain, now: float) -> Rung | None:
        """The strain at `now` (seconds); the new rung, None while it stays."""
        self._note(felt, now)
        for rung in sorted(self._above, reverse=True):
            if now - self._above[rung] >= self._settings.up_after:
                return self._move(rung, felt.cause)
        calm = self._calm_since
        if calm is not None and now - calm >= self._settings.down_after:
            self._calm_since = now  # the next rung is left after a calm of its own
            return self._move(Rung(self.rung - 1), self.cause)
        return None

    def _note(self, felt: Strain, now: float) -> None:
        steps = self._settings.steps
        reached = {rung for rung, step in steps.items() if felt.share >= step and rung > self.rung}
        self._above = {rung: self._above.get(rung, now) for rung in reached}
        is_calm = bool(self.rung) and felt.share < steps[self.rung] * self._settings.release
        if not is_calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now

    def _move(self, rung: Rung, cause: str) -> Rung:
        if rung > self.rung:
            self._calm_since = None
        self._above = {}
        self.rung, self.cause = rung, cause
        return rung
