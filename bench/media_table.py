"""The figures of `bench.media` as text: each run, ours beside the others, voice to voice."""

from __future__ import annotations

from math import isnan, nan

from bench.media_measure import Row, Wait

OURS = "short"
_COLUMNS = (
    ("CPU ms", 7, 1, "cpu"),
    ("heard %", 8, 0, "heard"),
    ("agent %", 8, 0, "said"),
    ("woken", 6, 0, "sleeps"),
    ("late p50", 9, 1, "late_p50"),
    ("p99", 7, 1, "late_p99"),
    ("detector", 9, 0, "to_detector"),
    ("2 % lost", 9, 0, "to_detector_lossy"),
    ("connected", 10, 0, "connected"),
    ("1st packet", 11, 0, "first_packet"),
    ("MB", 6, 2, "memory"),
    ("threads", 8, 1, "threads"),
)
"""Title, width, decimals and field of each figure."""


def head() -> str:
    titles = "".join(f" {title:>{width}}" for title, width, _, _ in _COLUMNS)
    return f"{'path':<14}{'talking':<10}{'calls':>5}{titles}  x floor"


def line(row: Row) -> str:
    """A run's figures, and how many times its floor it costs."""
    figures = "".join(
        f" {_figure(getattr(row, field), decimals):>{width}}"
        for _, width, decimals, field in _COLUMNS
    )
    times = _figure(row.cpu / row.floor, 1)
    return f"{row.path:<14}{row.state:<10}{row.calls:>5}{figures} {times:>8}"


def beside(rows: list[Row]) -> str:
    """Our CPU with each number of calls in each state as a multiple of the floor, and how many
    times as much the others take."""
    others = [path for path in dict.fromkeys(row.path for row in rows) if path != OURS]
    cpu = {(row.path, row.calls, row.state): row.cpu for row in rows}
    titles = "".join(f" {path:>13}" for path in others)
    lines = [f"{'talking':<10}{'calls':>5} {'here':>8} {'floor':>8} {'x floor':>8}{titles}"]
    for row in (row for row in rows if row.path == OURS):
        ratios = [cpu.get((path, row.calls, row.state), nan) / row.cpu for path in others]
        lines.append(
            f"{row.state:<10}{row.calls:>5} {row.cpu:>5.1f} ms {_figure(row.floor, 1):>5} ms "
            f"{_figure(row.cpu / row.floor, 1):>8}"
            + "".join(f" {_times(each):>13}" for each in ratios)
        )
    return "\n".join(lines)


def _figure(value: float, decimals: int) -> str:
    return "-" if isnan(value) else f"{value:.{decimals}f}"


def _times(ratio: float) -> str:
    return "-" if isnan(ratio) else f"{ratio:.1f} times"


def waits_head() -> str:
    return "voice to voice, ms    wait   clean    rest   2 % lost   rest  answers per turn"


def waits_line(wait: Wait) -> str:
    return (
        f"{wait.path:<19} {wait.wait:>6.0f} {wait.clean:>7.0f} {wait.clean - wait.wait:>7.0f} "
        f"{wait.lossy:>10.0f} {wait.lossy - wait.wait:>6.0f} "
        f"{wait.answers[0]:>10.2f} {wait.answers[1]:>6.2f}"
    )
