"""A circuit breaker (Nygard, *Release It!*): who fails again and again is left alone for a while.

Pure: the clock is handed in, so that it can be the loop's. The libraries that exist read the
wall clock.
"""

from __future__ import annotations

from enum import Enum


class Circuit(Enum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Calls go through."""
    OPEN = "open"
    """Calls are refused until the rest is over."""
    TRIAL = "trial"
    """One call is under way to see whether it works again; others are refused."""


class Breaker:
    """Opens after `failures` in a row, and after `rest` seconds lets one call try.

    Each admitted call ends with one of `succeeded`, `failed` or `abandoned`.
    """

    def __init__(self, *, failures: int, rest: float) -> None:
        self._allowed = failures
        self._rest = rest
        self._failures = 0
        self._opened = 0.0
        self.circuit = Circuit.CLOSED

    def admits(self, now: float) -> bool:
        """May a call begin? One that is told yes after the rest is the trial."""
        if self.circuit is Circuit.CLOSED:
            return True
        if self.circuit is Circuit.TRIAL or self.wait(now) > 0:
            return False
        self.circuit = Circuit.TRIAL
        return True

    def wait(self, now: float) -> float:
        """Seconds until a call may try; 0 when one may."""
        if self.circuit is Circuit.CLOSED:
            return 0.0
        return max(self._opened + self._rest - now, 0.0)

    def succeeded(self) -> None:
        """A call worked: whatever was counted is forgotten."""
        self._failures = 0
        self.circuit = Circuit.CLOSED

    def failed(self, now: float) -> None:
        """A call failed; the trial's failure opens the circuit at once."""
        self._failures += 1
        if self.circuit is Circuit.TRIAL or self._failures >= self._allowed:
            self.circuit = Circuit.OPEN
            self._opened = now

    def abandoned(self) -> None:
        """A call ended that tells nothing, such as a cancelled one: the next may be the trial."""
        if self.circuit is Circuit.TRIAL:
            self.circuit = Circuit.OPEN
