"""One stall of the machine is no load; one that goes on is."""

from __future__ import annotations

from agent.load import Rung
from server.load.gauge import Gauge
from server.load.ladder import Ladder, LoadBounds, LoadSettings, strain

PERIOD = 0.25


def climbed(lags: dict[float, float], seconds: float) -> Rung:
    """The highest rung over `seconds`, with the loop so late at some moments."""
    gauge, ladder, bounds = Gauge(), Ladder(LoadSettings()), LoadBounds()
    highest = Rung.EASY
    for step in range(round(seconds / PERIOD)):
        now = 1000 + PERIOD * step
        gauge.lag(lags.get(PERIOD * step, 0.001), now)
        ladder.feed(strain(gauge.read(now), bounds), now)
        highest = max(highest, ladder.rung)
    return highest


def test_one_hiccup_moves_nothing() -> None:
    assert climbed({1.0: 0.5}, 10) is Rung.EASY
    assert climbed({1.0: 0.5, 6.0: 0.9}, 12) is Rung.EASY


def test_a_loop_that_stays_late_closes_the_doors() -> None:
    assert climbed({PERIOD * step: 0.1 for step in range(40)}, 10) is Rung.CLOSED
