"""When the first sound of a reply is to be expected, from how long the stages took lately.

Stages run one after another; each has a running median and a running deviation, so that one slow
reply neither hides nor spoils the rest. Before anything was observed, priors speak.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import BaseModel, Field

STAGES = ("transcript", "first_token", "first_sound")
"""In the order in which a turn passes them; each is measured from the end of the one before."""


class ForecastSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What is expected of the stages before they were seen, and how fast that is unlearned."""

    transcript: float = Field(default=0.15, ge=0, le=30)
    """Seconds from the end of the turn to its transcript, before any was observed."""
    first_token: float = Field(default=0.4, ge=0, le=30)
    """Seconds from the transcript to the reply's first token, before any was observed."""
    first_sound: float = Field(default=0.25, ge=0, le=30)
    """Seconds from the first token to the first sound, before any was observed."""
    rate: float = Field(default=0.25, gt=0, le=1)
    """Share of the way that an estimate goes towards a new observation."""
    caution: float = Field(default=0.5, ge=0, le=3)
    """Deviations added to the medians: how much earlier than certain a filler is prepared."""


@dataclass(slots=True)
class _Estimate:
    centre: float
    deviation: float
    seen: int = 0

    def expected(self, caution: float) -> float:
        return self.centre + caution * self.deviation

    def rest(self, elapsed: float, caution: float) -> float:
        """Seconds that are left after `elapsed`. Late by no more than usual, it may end any moment;
        later than that says that this one is of another kind."""
        expected = self.expected(caution)
        late = elapsed - expected
        least = min(self.deviation, expected / 3)
        if late <= 0:
            return max(-late, least)
        return min(least + late, max(expected, elapsed) / 3)

    def observe(self, seconds: float, rate: float) -> None:
        if self.seen == 0:
            self.centre, self.deviation = seconds, seconds / 4
        else:
            miss = seconds - self.centre
            # An outlier moves the estimate little more than a usual miss does, as in a median.
            bound = max(self.deviation, self.centre / 4, 0.02)
            self.deviation += rate * (min(abs(miss), 4 * bound) - self.deviation)
            self.centre += rate * max(-bound, min(bound, miss))
        self.seen += 1


class Forecast:
    """The live estimates of a server's engines, which all of its calls make together."""

    def __init__(self, settings: ForecastSettings | None = None) -> None:
        self._settings = settings or ForecastSettings()
        self._estimates = {
            stage: _Estimate(prior, prior / 2)
            for stage in STAGES
            for prior in [float(getattr(self._settings, stage))]
        }

    def observe(self, stage: str, seconds: float) -> None:
        """`stage` took `seconds`. Raises ValueError for a stage that is not in STAGES."""
        self._of(stage).observe(max(0.0, seconds), self._settings.rate)

    def expected(self, stage: str) -> float:
        """Seconds that `stage` is expected to take. Raises ValueError when it is unknown."""
        return self._of(stage).expected(self._settings.caution)

    def first_sound(self, done: Collection[str] = (), *, elapsed: float = 0.0) -> float:
        """Seconds from now to the first sound, when the stages `done` are behind.

        `elapsed`: seconds that the stage in progress has taken already. One that takes longer
        than expected needs the longer the more it is late: in the end half of its time again.
        """
        left = [stage for stage in STAGES if stage not in done]
        if not left:
            return 0.0
        running, *later = left
        rest = self._of(running).rest(elapsed, self._settings.caution)
        return rest + sum(self.expected(stage) for stage in later)

    def _of(self, stage: str) -> _Estimate:
        if stage not in self._estimates:
            raise ValueError(f"no stage is called {stage!r}; the stages are {', '.join(STAGES)}")
        return self._estimates[stage]
