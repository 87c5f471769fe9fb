from __future__ import annotations

import pytest

from media.adaptation import Adaptation, AdaptationSettings, Choice, Report


def run(
    adaptation: Adaptation,
    seconds: int,
    loss: float,
    round_trip: float | None = 0.05,
    start: int = 0,
) -> list[Choice]:
    """One report a second; the choices that were made."""
    made = []
    for second in range(start, start + seconds):
        choice = adaptation.feed(Report(loss, round_trip), float(second))
        if choice is not None:
            made.append(choice)
    return made


def changes_of_rate(
    adaptation: Adaptation, seconds: int, loss: float, start: int = 0
) -> dict[int, int]:
    """As `run`; the seconds in which the bit rate changed, and what it became."""
    changes = {}
    for second in range(start, start + seconds):
        before = adaptation.choice.bitrate
        adaptation.feed(Report(loss, 0.05), float(second))
        if adaptation.choice.bitrate != before:
            changes[second] = adaptation.choice.bitrate
    return changes


def test_a_clean_network_gets_more_slowly_and_not_without_end() -> None:
    adaptation = Adaptation(24_000)
    assert run(adaptation, 9, 0.0) == []
    rates = [choice.bitrate for choice in run(adaptation, 600, 0.0, start=9)]
    assert rates == [28_000, 32_000]
    assert not adaptation.choice.fec


def test_heavy_loss_lowers_the_rate_step_by_step_to_the_lowest() -> None:
    adaptation = Adaptation(24_000)
    rates = [choice.bitrate for choice in run(adaptation, 60, 0.3)]
    assert sorted(rates, reverse=True) == rates
    assert rates[-1] == 12_000
    assert adaptation.choice.fec
    assert adaptation.choice.loss == 0.3


def test_after_the_loss_the_rate_rises_by_steps_from_the_lowest_to_the_highest() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 60, 0.3)
    assert adaptation.choice == Choice(12_000, True, 0.3)
    raised = changes_of_rate(adaptation, 600, 0.0, start=60)
    assert list(raised.values()) == [16_000, 20_000, 24_000, 28_000, 32_000]
    moments = list(raised)
    assert all(b - a == 10 for a, b in zip(moments, moments[1:], strict=False))
    assert adaptation.choice == Choice(32_000, False, 0.0)


def test_loss_amid_the_rise_stops_it() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 60, 0.3)
    run(adaptation, 30, 0.0, start=60)
    risen = adaptation.choice.bitrate
    assert 12_000 < risen < 24_000
    assert changes_of_rate(adaptation, 30, 0.05, start=90) == {}
    assert max(changes_of_rate(adaptation, 6, 0.3, start=120).values()) < risen


def test_a_rate_that_the_settings_put_above_the_highest_stays() -> None:
    adaptation = Adaptation(48_000)
    assert run(adaptation, 60, 0.0) == []


def test_a_lowering_is_given_time_to_show_its_effect() -> None:
    adaptation = Adaptation(32_000)
    lowered = changes_of_rate(adaptation, 13, 0.5)
    assert lowered == {0: 24_000, 3: 18_000, 6: 13_500, 9: 12_000}


def test_a_single_bad_report_changes_little() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 5, 0.0)
    assert adaptation.feed(Report(0.06, 0.05), 5.0) is None
    assert changes_of_rate(adaptation, 12, 0.0, start=6) == {16: 28_000}  # clean for 10 s again


def test_a_little_loss_is_clean_more_stops_the_rise_and_much_lowers_the_rate() -> None:
    rates = {loss: Adaptation(24_000) for loss in (0.015, 0.025, 0.07, 0.1)}
    for loss, adaptation in rates.items():
        run(adaptation, 60, loss)
    reached = {loss: adaptation.choice.bitrate for loss, adaptation in rates.items()}
    assert reached == {0.015: 32_000, 0.025: 24_000, 0.07: 24_000, 0.1: 12_000}


def test_fec_comes_with_the_second_report_of_a_loss_of_5_percent() -> None:
    adaptation = Adaptation(24_000)
    assert adaptation.feed(Report(0.05), 0.0) is None
    assert adaptation.feed(Report(0.05), 1.0) == Choice(24_000, True, 0.05)


def test_fec_comes_with_loss_that_lasts_and_stays_until_it_has_been_clean() -> None:
    adaptation = Adaptation(24_000)
    choices = run(adaptation, 10, 0.05)
    assert choices[0].fec and choices[0].loss == 0.05
    assert adaptation.choice.bitrate == 24_000
    run(adaptation, 8, 0.0, start=10)
    assert adaptation.choice == Choice(24_000, True, 0.05), "without loss to expect there is no FEC"
    run(adaptation, 10, 0.0, start=18)
    assert not adaptation.choice.fec
    assert adaptation.choice.loss == 0.0


def test_loss_that_wavers_does_not_make_the_choice_waver() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 10, 0.05)
    changes = []
    for second in range(10, 200):
        choice = adaptation.feed(Report(0.06 if second % 2 else 0.03, 0.05), float(second))
        if choice is not None:
            changes.append(choice)
    assert len(changes) <= 2


def test_a_round_trip_that_grows_lowers_the_rate_without_any_loss() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 3, 0.0, 0.05)
    choices = run(adaptation, 3, 0.0, 0.35, start=3)
    assert choices and choices[0].bitrate == 18_000
    assert not choices[0].fec


def test_a_way_that_was_congested_from_the_beginning_is_measured_by_its_best() -> None:
    adaptation = Adaptation(24_000)
    assert run(adaptation, 2, 0.0, 0.5) == []
    run(adaptation, 2, 0.0, 0.05, start=2)
    assert [choice.bitrate for choice in run(adaptation, 2, 0.0, 0.3, start=4)] == [18_000]


def test_a_round_trip_that_wavers_by_a_tenth_of_a_second_lowers_nothing() -> None:
    adaptation = Adaptation(24_000)
    for second in range(9):
        assert adaptation.feed(Report(0.0, 0.15 if second % 2 else 0.05), float(second)) is None


def test_while_the_way_is_congested_the_rate_only_falls() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 3, 0.0, 0.05)
    rates = [choice.bitrate for choice in run(adaptation, 60, 0.0, 0.35, start=3)]
    assert rates == [18_000, 13_500, 12_000]


def test_a_long_way_that_stays_long_is_no_congestion() -> None:
    adaptation = Adaptation(24_000)
    assert run(adaptation, 9, 0.0, 0.6) == []


@pytest.mark.parametrize(("absurd", "meant"), [(9.0, 1.0), (-9.0, 0.0)])
def test_an_absurd_share_counts_as_the_nearest_there_is(absurd: float, meant: float) -> None:
    choices = []
    for share in (absurd, meant):
        adaptation = Adaptation(24_000)
        adaptation.feed(Report(share), 0.0)
        made = [adaptation.choice]
        made += run(adaptation, 10, 0.05, start=1)
        choices.append([*made, *run(adaptation, 60, 0.0, start=11)])
    assert choices[0] == choices[1]


def test_an_unknown_round_trip_and_absurd_loss_are_taken() -> None:
    adaptation = Adaptation(24_000, AdaptationSettings(lowest=16_000))
    run(adaptation, 30, 9.0, None)
    assert adaptation.choice.bitrate == 16_000
    assert adaptation.choice.loss <= 0.4
