"""How Opus is encoded, by what the caller's receiver reports: bit rate, FEC, expected loss.

No clock and no encoder: `feed()` takes a report and the time, and gives a choice when it changes.
Down at once when packets are lost or the way gets long, up slowly when it has been clean for a
while: a rate that swings is heard, a rate that is a little low is not. FEC needs Opus' speech mode,
which costs quality: it comes with loss that lasts, and stays for ten seconds after.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field


class AdaptationSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the encoding follows the network."""

    lowest: int = Field(default=12_000, ge=6_000, le=64_000)
    """Bits per second that it never goes below."""
    highest: int = Field(default=32_000, ge=6_000, le=128_000)
    """Bits per second that it never goes above."""
    heavy_loss: float = Field(default=0.08, gt=0.0, lt=1.0)
    """Share of packets lost above which the rate is lowered."""
    light_loss: float = Field(default=0.02, ge=0.0, lt=1.0)
    """Share of packets lost below which the network counts as clean."""
    fec_loss: float = Field(default=0.03, gt=0.0, lt=1.0)
    """Share of packets lost from which on packets carry a copy of the one before."""
    queueing: float = Field(default=0.15, gt=0.0, le=5.0)
    """Seconds by which the round trip grows over its least before the rate is lowered."""
    patience: float = Field(default=10.0, ge=1.0, le=600.0)
    """Seconds of a clean network before the rate rises a step or FEC is dropped."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How to encode from now on: bits per second, FEC, and the share of loss to prepare for."""

    bitrate: int
    fec: bool
    loss: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a receiver report says: shares 0..1, seconds. `round_trip` is None until it is known."""

    loss: float
    round_trip: float | None = None


_LOWER = 0.75
_HIGHER = 4_000
_SMOOTHING = 0.4
_CALM = 3.0
"""Seconds from one lowering to the next: the last one must show its effect first."""


class Adaptation:
    """One call's choice over time."""

    def __init__(self, bitrate: int, settings: AdaptationSettings | None = None) -> None:
        self._settings = settings or AdaptationSettings()
        self.choice = Choice(bitrate, False, 0.0)
        self._loss = 0.0
        self._least_round_trip: float | None = None
        self._lowered = -_CALM
        self._clean_since: float | None = None

    def feed(self, report: Report, now: float) -> Choice | None:
        """A report came in; the new choice, None when it stays as it is."""
        self._loss += (min(max(report.loss, 0.0), 1.0) - self._loss) * _SMOOTHING
        congested = self._loss > self._settings.heavy_loss or self._is_queueing(report.round_trip)
        clean = not congested and self._loss < self._settings.light_loss
        if not clean:
            self._clean_since = None
        elif self._clean_since is None:
            self._clean_since = now
        made = self._choose(now, congested)
        if made == self.choice:
            return None
        self.choice = made
        return made

    def _choose(self, now: float, congested: bool) -> Choice:
        bitrate, fec = self.choice.bitrate, self.choice.fec
        if congested and now - self._lowered >= _CALM:
            bitrate = max(round(bitrate * _LOWER), self._settings.lowest)
            self._lowered = now
        if self._loss >= self._settings.fec_loss:
            fec = True
        elif self._has_been_clean(now):
            self._clean_since = now
            fec = False
            bitrate = max(bitrate, min(bitrate + _HIGHER, self._settings.highest))
        return Choice(bitrate, fec, self._expected_loss() if fec else 0.0)

    def _expected_loss(self) -> float:
        """In steps of 5 %, so that it does not change with every report."""
        return min(max(round(self._loss * 20), 1), 8) / 20

    def _has_been_clean(self, now: float) -> bool:
        since = self._clean_since
        return since is not None and now - since >= self._settings.patience

    def _is_queueing(self, round_trip: float | None) -> bool:
        if round_trip is None:
            return False
        least = self._least_round_trip
        self._least_round_trip = round_trip if least is None else min(least, round_trip)
        return round_trip - self._least_round_trip > self._settings.queueing
