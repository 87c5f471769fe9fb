"""What a part of the benchmark answers: a table, targets, pictures, and everything as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.conversation.picture import Picture


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that was promised. `limit` is the most it may be, or with `at_least` the least.

    A target that `must` hold makes the benchmark fail."""

    what: str
    value: float | None
    limit: float
    unit: str = ""
    at_least: bool = False
    must: bool = False

    @property
    def met(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True, slots=True)
class Part:
    """One part's outcome. `rows` are cells of text under `columns`."""

    name: str
    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target] = ()
    pictures: Sequence[Picture] = ()
    data: dict[str, Any] = field(default_factory=dict)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value under which `share` percent of them lie; None of nothing."""
    return float(np.percentile(values, share)) if values else None


def ms(seconds: float | None) -> str:
    """Seconds as a cell of milliseconds."""
    return "–" if seconds is None else f"{1000 * seconds:.0f}"


def share(part: int, whole: int) -> str:
    """A share as a cell, with its numbers."""
    return f"{part / whole:.0%} ({part} of {whole})" if whole else "–"
