from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent.load import Rung
from server.load.ladder import Ladder, LoadBounds, LoadSettings, Reading, Strain, strain

SETTINGS = LoadSettings(
    sparing=0.5, brief=0.7, canned=0.85, closed=1.0, release=0.7, up_after=1.0, down_after=5.0
)


def climb(*felt: tuple[float, float], ladder: Ladder | None = None) -> list[tuple[float, Rung]]:
    """The moves of a ladder that is fed a strain every quarter second, each for some seconds."""
    ladder = ladder or Ladder(SETTINGS)
    moves, now = [], 0.0
    for share, seconds in felt:
        for _ in range(round(seconds / 0.25)):
            if (rung := ladder.feed(Strain(share, "tts"), now)) is not None:
                moves.append((now, rung))
            now += 0.25
    return moves


@pytest.mark.parametrize(
    ("share", "rung"),
    [
        (0.0, Rung.EASY),
        (0.49, Rung.EASY),
        (0.5, Rung.SPARING),
        (0.7, Rung.BRIEF),
        (0.85, Rung.CANNED),
        (1.0, Rung.CLOSED),
        (9.0, Rung.CLOSED),
    ],
)
def test_a_strain_that_lasts_leads_to_its_rung_in_one_step(share: float, rung: Rung) -> None:
    ladder = Ladder(SETTINGS)
    moves = climb((share, 3.0), ladder=ladder)
    assert ladder.rung is rung
    assert len(moves) <= 1


def test_a_strain_that_passes_moves_nothing() -> None:
    assert climb((0.2, 2.0), (3.0, 0.75), (0.2, 10.0)) == []


def test_a_higher_step_is_waited_for_on_its_own() -> None:
    assert climb((0.6, 2.0), (1.2, 2.0)) == [(1.0, Rung.SPARING), (3.0, Rung.CLOSED)]


def test_it_comes_down_a_rung_at_a_time_after_a_calm_each() -> None:
    moves = climb((1.1, 1.25), (0.1, 30.0))
    assert [rung for _, rung in moves] == [
        Rung.CLOSED,
        Rung.CANNED,
        Rung.BRIEF,
        Rung.SPARING,
        Rung.EASY,
    ]
    times = [at for at, _ in moves[1:]]
    assert [after - before for before, after in zip(times, times[1:], strict=False)] == [5.0] * 3


def test_it_stays_where_it_is_a_little_below_its_step() -> None:
    """At 0.8 the doors stay closed that closed at 1.0: 0.7 is what opens them."""
    assert climb((1.0, 2.0), (0.8, 60.0)) == [(1.0, Rung.CLOSED)]


def test_a_calm_that_is_broken_begins_anew() -> None:
    moves = climb((0.5, 2.0), (0.1, 4.0), (0.4, 0.25), (0.1, 4.0), (0.4, 0.25), (0.1, 5.5))
    assert moves == [(1.0, Rung.SPARING), (15.5, Rung.EASY)]


def test_the_reading_that_is_nearest_to_its_bound_is_the_strain() -> None:
    bounds = LoadBounds(packets=0.04, first_sound=2.0)
    felt = strain(Reading(packets=0.03, first_sound=1.0), bounds)
    assert felt == Strain(0.75, "packets")


def test_steps_that_fall_are_refused() -> None:
    with pytest.raises(ValidationError, match="must rise"):
        LoadSettings(sparing=0.8, brief=0.7)
