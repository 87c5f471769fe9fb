"""When the first sound is to be expected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialogue.forecast import STAGES, Forecast, ForecastSettings


def test_priors_speak_before_anything_was_seen() -> None:
    assert 0.5 < Forecast().first_sound() < 2.0


def test_what_is_seen_outweighs_the_priors_at_once() -> None:
    forecast = Forecast()
    for stage, seconds in zip(STAGES, (0.05, 2.0, 0.1), strict=True):
        forecast.observe(stage, seconds)

    assert forecast.first_sound() == pytest.approx(2.15, rel=0.2)


def test_stages_that_are_behind_no_longer_count() -> None:
    forecast = Forecast()
    for _ in range(20):
        for stage, seconds in zip(STAGES, (0.5, 1.0, 0.25), strict=True):
            forecast.observe(stage, seconds)

    assert forecast.first_sound() == pytest.approx(1.75, rel=0.05)
    assert forecast.first_sound({"transcript"}) == pytest.approx(1.25, rel=0.05)
    assert forecast.first_sound({"transcript", "first_token"}) == pytest.approx(0.25, rel=0.1)
    assert forecast.first_sound(STAGES) == 0.0


def test_one_slow_reply_does_not_spoil_the_estimate() -> None:
    forecast = Forecast()
    for _ in range(20):
        forecast.observe("first_token", 0.3)
    before = forecast.first_sound()

    forecast.observe("first_token", 10.0)

    assert forecast.first_sound() - before < 1.5


def test_a_lasting_change_is_learned() -> None:
    forecast = Forecast()
    for seconds in [0.3] * 20 + [2.0] * 20:
        forecast.observe("first_token", seconds)

    assert forecast.expected("first_token") > 1.5


def test_time_spent_in_the_running_stage_counts() -> None:
    forecast = Forecast(ForecastSettings(caution=0))
    for stage in STAGES:
        forecast.observe(stage, 1.0)

    assert forecast.first_sound(elapsed=0.5) == pytest.approx(2.5)
    assert forecast.first_sound(elapsed=3.0) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("elapsed", "left"),
    [
        (0.0, 4.0),
        (3.0, 1.0),  # what is nearly there is not expected to take long, however long it took
        (3.8, 0.2),
        (4.0, 0.1),  # any moment
        (4.5, 0.6),  # the later it is, the later it will be
        (9.0, 3.0),
    ],
)
def test_a_stage_that_always_takes_as_long_is_expected_to(elapsed: float, left: float) -> None:
    forecast = Forecast(ForecastSettings(caution=0))
    for _ in range(60):
        forecast.observe("first_token", 3.9)
        forecast.observe("first_token", 4.1)
    only = ("transcript",)
    rest = forecast.first_sound(only, elapsed=elapsed) - forecast.expected("first_sound")

    assert rest == pytest.approx(left, abs=0.12)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="no stage is called 'lunch'; the stages are transcript"):
        Forecast().observe("lunch", 1.0)


@given(st.lists(st.tuples(st.sampled_from(STAGES), st.floats(0, 60)), max_size=60))
def test_a_forecast_is_never_negative_and_shrinks_stage_by_stage(
    seen: list[tuple[str, float]],
) -> None:
    forecast = Forecast()
    for stage, seconds in seen:
        forecast.observe(stage, seconds)

    expected = [forecast.first_sound(STAGES[:done]) for done in range(4)]

    assert expected == sorted(expected, reverse=True)
    assert expected[-1] == 0.0
