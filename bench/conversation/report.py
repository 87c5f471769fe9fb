"""The parts as a page that a person can look at: tables, targets, and each turn as a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.conversation.part import Part, Target

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 960px; padding: 0 1rem;
  color: #1c2430; background: #fff; }
table { border-collapse: collapse; margin: .6rem 0 1rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d8dee6; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.met { color: #17693a; } .missed { color: #a52a1f; font-weight: 600; }
svg { display: block; width: 100%; margin: .4rem 0 1rem; border: 1px solid #e4e8ee; }
svg text { font: 11px system-ui, sans-serif; fill: #1c2430; } svg .title { font-weight: 600; }
svg .tick { fill: #66707d; font-size: 9px; }
svg .mark { stroke: #a52a1f; stroke-dasharray: 3 2; }
.caller { fill: #9fc5e8; } .ear { fill: #ffd28a; } .wait { fill: #f6e3b4; }
.agent { fill: #a8d8b0; }
.stt { fill: #c9b6e4; } .llm { fill: #e4b6d0; } .tts { fill: #b6dde4; } .filler { fill: #d8d8a0; }
.noise { fill: #c8ccd2; } .ducked { fill: #dcefdf; } .turn { fill: #e08a80; }
"""


def page(parts: Sequence[Part], about: str) -> str:
    """The whole page; it needs nothing but itself."""
    body = "".join(_section(part) for part in parts)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        "<title>Conversations, measured</title>"
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>Conversations, measured</h1><p>{escape(about)}</p>{body}</html>\n"
    )


def _section(part: Part) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in part.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in part.rows
    )
    targets = "".join(f"<li>{_target(each)}</li>" for each in part.targets)
    pictures = "".join(each.svg() for each in part.pictures)
    return (
        f"<h2>{escape(part.title)}</h2><p>{escape(part.note)}</p>"
        f"<table><tr>{head}</tr>{rows}</table><ul>{targets}</ul>{pictures}"
    )


def _target(target: Target) -> str:
    kind = "met" if target.met else "missed"
    return f'<span class="{kind}">{escape(told(target))}</span>'


def told(target: Target) -> str:
    """A target as a sentence."""
    value = "not measured" if target.value is None else f"{target.value:.3g} {target.unit}".strip()
    bound = "at least" if target.at_least else "at most"
    verdict = "met" if target.met else "MISSED"
    return (
        f"{target.what}: {value} ({bound} {target.limit:g} {target.unit}".strip() + f") {verdict}"
    )
