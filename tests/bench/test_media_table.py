"""The figures of bench.media: what stands beside what."""

from __future__ import annotations

from dataclasses import replace
from math import nan

from bench.media_measure import Row, merged
from bench.media_table import beside, head, line

ROW = Row(
    path="short", state="both", calls=10, cpu=12.0, heard=100.0, said=100.0, sleeps=50.0,
    late_p50=0.5, late_p99=1.5, to_detector=2.0, to_detector_lossy=3.0, connected=30.0,
    first_packet=40.0, memory=0.1, threads=0.0, floor=4.0,
)  # fmt: skip


def test_ours_is_told_as_a_multiple_of_the_floor_and_of_the_others() -> None:
    rows = [ROW, replace(ROW, path="aiortc", cpu=60.0), replace(ROW, path="pipecat", cpu=150.0)]
    titles, figures = beside(rows).splitlines()
    assert titles.split()[-2:] == ["aiortc", "pipecat"]
    assert figures.split() == [
        "both", "10", "12.0", "ms", "4.0", "ms", "3.0", "5.0", "times", "12.5", "times"
    ]  # fmt: skip


def test_another_is_held_against_ours_with_as_many_calls_in_the_same_state_alone() -> None:
    others = [replace(ROW, path="aiortc", calls=1), replace(ROW, path="aiortc", state="caller")]
    (figures,) = beside([ROW, *others]).splitlines()[1:]
    assert figures.split()[-1] == "-"


def test_what_was_not_measured_is_a_dash() -> None:
    row = line(replace(ROW, to_detector=nan, floor=nan))
    assert "nan" not in row
    assert row.split().count("-") == 2
    assert len(row) == len(head())


def test_rounds_are_merged_by_their_medians() -> None:
    rounds = [replace(ROW, cpu=cpu, floor=floor) for cpu, floor in ((9, 3), (30, 20), (12, 4))]
    assert merged(rounds) == ROW
