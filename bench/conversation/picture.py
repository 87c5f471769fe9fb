"""A turn as a picture: lanes over one axis of seconds, as SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

WIDTH, LEFT, LANE = 900, 90, 22

Scale = Callable[[float], float]
"""Seconds to where they are drawn."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted, in seconds; `kind` names its colour."""

    begin: float
    end: float
    kind: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, across all lanes."""

    at: float
    label: str


@dataclass(slots=True)
class Picture:
    """`lanes`: what happened, by who or what did it, from top to bottom."""

    title: str
    lanes: dict[str, list[Span]] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)

    def svg(self) -> str:
        begin, end = self._bounds()
        scale = (WIDTH - LEFT - 20) / (end - begin)
        height = 24 + LANE * len(self.lanes) + 26 + 12 * len(self.marks)
        floor = 24 + LANE * len(self.lanes)

        def x(at: float) -> float:
            return LEFT + (at - begin) * scale

        parts = [f'<text x="4" y="14" class="title">{escape(self.title)}</text>']
        for row, (name, spans) in enumerate(self.lanes.items()):
            parts += _lane(name, spans, 24 + row * LANE, x)
        for number, mark in enumerate(sorted(self.marks, key=lambda each: each.at)):
            parts += _mark(mark, x(mark.at), floor, floor + 24 + 12 * number)
        parts += _axis(begin, end, floor, x)
        return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'

    def _bounds(self) -> tuple[float, float]:
        spans = [span for lane in self.lanes.values() for span in lane]
        times = [at for span in spans for at in (span.begin, span.end)]
        times += [mark.at for mark in self.marks]
        begin, end = min(times, default=0.0), max(times, default=1.0)
        return begin, max(end, begin + 0.1)


def _lane(name: str, spans: list[Span], top: float, x: Scale) -> list[str]:
    parts = [f'<text x="4" y="{top + 14}">{escape(name)}</text>']
    for span in spans:
        left, width = x(span.begin), max(1.5, x(span.end) - x(span.begin))
        tip = f"{span.label or span.kind}: {1000 * (span.end - span.begin):.0f} ms"
        parts.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{LANE - 5}" '
            f'class="{span.kind}"><title>{escape(tip)}</title></rect>'
        )
        letters = int(width / 6)
        if span.label and letters > 3:
            parts.append(
                f'<text x="{left + 3:.1f}" y="{top + 13}">{escape(span.label[:letters])}</text>'
            )
    return parts


def _mark(mark: Mark, at: float, floor: float, row: float) -> list[str]:
    anchor = "end" if at > WIDTH * 0.7 else "start"
    shift = -4 if anchor == "end" else 4
    return [
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="20" y2="{row}" class="mark"/>',
        f'<text x="{at + shift:.1f}" y="{row}" text-anchor="{anchor}">{escape(mark.label)}</text>',
    ]


def _axis(begin: float, end: float, floor: float, x: Scale) -> list[str]:
    step = next(each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 60) if (end - begin) / each <= 12)
    parts = []
    number = 0
    while (at := begin + number * step) <= end:
        parts.append(
            f'<text x="{x(at):.1f}" y="{floor + 11}" class="tick">{number * step:.1f} s</text>'
        )
        number += 1
    return parts
