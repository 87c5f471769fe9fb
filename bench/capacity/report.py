"""What a level of callers came to, as figures and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.table import Table

from bench.capacity.people import Crowd, Turn

STAGES = ("endpoint", "transcript", "first_token", "first_sound", "audible")
Figures = dict[str, Any]


def figures(seen: Crowd, calls: int) -> Figures:
    """Milliseconds after the caller's last voiced packet, but for shares and counts."""
    turns = [turn for turn in seen.turns if turn.answered]
    late = np.array(seen.lateness) if seen.lateness else np.zeros(1)
    return {
        "calls": calls,
        "turns": len(seen.turns),
        "unanswered": len(seen.turns) - len(turns),
        "heard": percentiles([turn.heard for turn in turns]),
        "waited": percentiles([_after_endpoint(turn) for turn in turns]),
        **{stage: percentiles([turn.timeline.get(stage) for turn in turns]) for stage in STAGES},
        "packets_late_p99": 1000 * float(np.percentile(late, 99)),
        "refused": len(seen.refusals),
        "failures": seen.failures,
        "highest_rung": max((rung for _, rung in seen.rungs), default=0),
    }


def percentiles(seconds: Sequence[float | None]) -> dict[str, float]:
    """p50 and p95 in milliseconds; none where nothing was measured."""
    there = [each for each in seconds if each is not None]
    if not there:
        return {}
    p50, p95 = np.percentile(there, [50, 95])
    return {"p50": 1000 * float(p50), "p95": 1000 * float(p95)}


def _after_endpoint(turn: Turn) -> float | None:
    """What the server took, beyond the pause that is waited for anyway."""
    endpoint, audible = turn.timeline.get("endpoint"), turn.timeline.get("audible")
    return None if endpoint is None or audible is None else audible - endpoint


def table(title: str, rows: Sequence[Figures]) -> Table:
    """One row a level."""
    made = Table(title=f"{title}: ms after the caller's last voiced packet, p50/p95")
    for name in ("calls", "turns", "heard", *STAGES, "after endpoint"):
        made.add_column(name.replace("_", " "), justify="right")
    for name in ("late p99", "CPU", "MB", "rung"):
        made.add_column(name, justify="right")
    for row in rows:
        cells = [_pair(row[name]) for name in ("heard", *STAGES, "waited")]
        turns = f"{row['turns']}" + (f" (-{row['unanswered']})" if row["unanswered"] else "")
        made.add_row(
            str(row["calls"]),
            turns,
            *cells,
            f"{row['packets_late_p99']:.1f}",
            f"{row.get('cpu', 0):.2f}",
            f"{row.get('memory_mb', 0):.0f}",
            str(row["highest_rung"]),
        )
    return made


def _pair(measured: dict[str, float]) -> str:
    return f"{measured['p50']:.0f}/{measured['p95']:.0f}" if measured else "–"
