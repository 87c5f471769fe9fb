from __future__ import annotations

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


def test_a_lowering_is_given_time_to_show_its_effect() -> None:
    adaptation = Adaptation(32_000)
    moments = []
    for second in range(20):
        before = adaptation.choice.bitrate
        adaptation.feed(Report(0.5, 0.05), float(second))
        if adaptation.choice.bitrate < before:
            moments.append(second)
    assert all(later - earlier >= 3 for earlier, later in zip(moments, moments[1:], strict=False))


def test_a_single_bad_report_changes_little() -> None:
    adaptation = Adaptation(24_000)
    run(adaptation, 5, 0.0)
    assert adaptation.feed(Report(0.06, 0.05), 5.0) is None
    assert run(adaptation, 4, 0.0, start=6) == []


def test_fec_comes_with_loss_that_lasts_and_stays_until_it_has_been_clean() -> None:
    adaptation = Adaptation(24_000)
    choices = run(adaptation, 10, 0.05)
    assert choices[0].fec and choices[0].loss == 0.05
    assert adaptation.choice.bitrate == 24_000
    run(adaptation, 8, 0.0, start=10)
    assert adaptation.choice.fec
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


def test_a_long_way_that_stays_long_is_no_congestion() -> None:
    adaptation = Adaptation(24_000)
    assert run(adaptation, 9, 0.0, 0.6) == []


def test_an_unknown_round_trip_and_absurd_loss_are_taken() -> None:
    adaptation = Adaptation(24_000, AdaptationSettings(lowest=16_000))
    run(adaptation, 30, 9.0, None)
    assert adaptation.choice.bitrate == 16_000
    assert adaptation.choice.loss <= 0.4
