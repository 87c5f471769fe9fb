"""How long a silent caller is waited for: asked once, asked again, then the call is ended.

The seconds come in by `feed`; nothing here reads a clock.
"""

from __future__ import annotations

from enum import Enum

from pydantic import BaseModel, Field


class SilenceSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """When a quiet line is spoken into. Each wait begins when the line falls quiet again."""

    first_after: float = Field(default=8.0, gt=0, le=600)
    """Seconds of quiet before the caller is asked for the first time."""
    second_after: float = Field(default=10.0, gt=0, le=600)
    """Seconds of quiet after the first question before the caller is asked again."""
    end_after: float = Field(default=12.0, gt=0, le=600)
    """Seconds of quiet after the second question before the call is ended."""
    enabled: bool = True
    """False: a silent caller is never asked, and the call is never ended for silence."""


class Patience(Enum):
    """What to do about a silent caller."""

    ASK_FIRST = "ask_first"
    ASK_SECOND = "ask_second"
    END = "end"


_STEPS = (Patience.ASK_FIRST, Patience.ASK_SECOND, Patience.END)


class Silence:
    """One caller's silence. Each step is said once, until the caller speaks (`reset`)."""

    def __init__(self, settings: SilenceSettings) -> None:
        self._enabled = settings.enabled
        self._waits = (settings.first_after, settings.second_after, settings.end_after)
        self._taken = 0

    def feed(self, quiet_seconds: float) -> Patience | None:
        """The step that is due after the line has been quiet for `quiet_seconds`.

        The quiet counts from the last word of either side, so it begins anew after a question
        was asked.
        """
        if not self._enabled or self._taken == len(_STEPS):
            return None
        if quiet_seconds < self._waits[self._taken]:
            return None
        self._taken += 1
        return _STEPS[self._taken - 1]

    def reset(self) -> None:
        """The caller spoke: the next silence is a first one again."""
        self._taken = 0
