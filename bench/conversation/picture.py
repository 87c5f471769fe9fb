"""A turn as a picture: lanes over one axis of seconds, as SVG; the page has the colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from math import ceil
from math import floor as floor_of

WIDTH, LEFT, RIGHT, TOP, LANE = 900, 90, 24, 24, 22
LETTER = 5.9
"""How wide a letter is taken to be."""

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
        floor = TOP + LANE * len(self.lanes)

        def x(at: float) -> float:
            return LEFT + (at - begin) * (WIDTH - LEFT - RIGHT) / (end - begin)

        parts = [f'<text x="4" y="14" class="title">{escape(_cut(self.title, WIDTH - 8))}</text>']
        ticks = [(x(at), f"{at:.1f} s") for at in _ticks(begin, end)]
        parts += [_line(at, TOP, floor, "grid") for at, _ in ticks]
        for row, (name, spans) in enumerate(self.lanes.items()):
            parts += _lane(name, spans, TOP + row * LANE, x)
        marks = sorted(self.marks, key=lambda each: each.at)
        rows = [floor + 28 + 14 * number for number in range(len(marks))]
        # Lines first: what is to be read stands over all of them.
        parts += [_line(x(each.at), 20, row, "mark") for each, row in zip(marks, rows, strict=True)]
        parts += [_word(at, floor + 10, label, "tick", "middle") for at, label in ticks]
        parts += [_mark(each, x(each.at), row) for each, row in zip(marks, rows, strict=True)]
        height = floor + 22 + 14 * len(self.marks)
        return (
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(self.title)}">'
            f"{''.join(parts)}</svg>"
        )

    @property
    def kinds(self) -> set[str]:
        """The kinds of its spans: what a legend has to name."""
        return {span.kind for lane in self.lanes.values() for span in lane}

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
        if label := _cut(span.label, width - 6):
            parts.append(
                f'<text x="{left + 3:.1f}" y="{top + 13}" class="inside">{escape(label)}</text>'
            )
    return parts


def _cut(text: str, width: float) -> str:
    """`text` as far as it fits into `width`; empty where hardly a word of it does."""
    letters = int(width / LETTER)
    if len(text) <= letters:
        return text
    return f"{text[: letters - 1].rstrip()}…" if letters > 4 else ""


def _mark(mark: Mark, at: float, row: float) -> str:
    """The label below the axis, on the side of its line that has room."""
    if at > WIDTH * 0.7:
        return _word(at - 4, row, mark.label, "label", "end")
    return _word(at + 4, row, mark.label, "label", "start")


def _ticks(begin: float, end: float) -> list[float]:
    """Round seconds of the picture's own time, whose 0 is what the rest is held to."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 60)
    step = next((each for each in steps if (end - begin) / each <= 12), steps[-1])
    numbers = range(ceil(begin / step - 1e-9), floor_of(end / step + 1e-9) + 1)
    return [number * step for number in numbers]


def _line(at: float, top: float, bottom: float, kind: str) -> str:
    return f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}" class="{kind}"/>'


def _word(at: float, row: float, text: str, kind: str, anchor: str) -> str:
    return (
        f'<text x="{at:.1f}" y="{row}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )
