"""The parts as a page that a person can look at: tables, targets, and each turn as a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.conversation.part import Part, Target

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --rule: #d8dee6; --dim: #5c6672;
  --met: #17693a; --missed: #a52a1f; --grid: #eef1f5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --paper: #14181e; --rule: #333b46;
  --dim: #9aa5b1; --met: #6fce95; --missed: #ff9388; --grid: #222932; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 960px; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h2 { margin-top: 2.5rem; line-height: 1.25; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0 1rem; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--rule); text-align: right; }
td { white-space: nowrap; } th { vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.words { white-space: normal; min-width: 14rem; text-align: left; }
.met { color: var(--met); } .missed { color: var(--missed); font-weight: 600; }
.legend { color: var(--dim); font-size: 13px; }
.legend span { white-space: nowrap; margin-right: 1rem; }
.legend svg { display: inline; width: 12px; height: 12px; min-width: 0; margin: 0 .35rem -1px 0;
  border: 0; }
svg { display: block; width: 100%; min-width: 760px; margin: .4rem 0 1rem;
  border: 1px solid var(--rule); box-sizing: border-box; }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); } svg .title { font-weight: 600; }
svg .inside { fill: #1c2430; } svg .tick { fill: var(--dim); font-size: 9px; }
svg .tick, svg .label { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
svg .mark { stroke: var(--missed); stroke-dasharray: 3 2; } svg .grid { stroke: var(--grid); }
.caller { fill: #9fc5e8; } .ear { fill: #ffd28a; } .wait { fill: #f6e3b4; }
.agent { fill: #a8d8b0; }
.stt { fill: #c9b6e4; } .llm { fill: #e4b6d0; } .tts { fill: #b6dde4; } .filler { fill: #d8d8a0; }
.noise { fill: #c8ccd2; } .ducked { fill: #dcefdf; } .turn { fill: #e08a80; }
"""
LEGEND = {
    "caller": "the caller speaks", "noise": "noise", "ear": "the way to the server",
    "wait": "the pause that is waited for", "stt": "transcript", "llm": "first word of the reply",
    "tts": "first sound", "filler": "filler", "agent": "the agent speaks",
    "ducked": "the agent speaks, quieter", "turn": "an interruption",
}  # fmt: skip
"""What the kinds of spans are, in the order of a turn."""
LONG = 40
"""Letters from which a cell is words, not a figure."""


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
    rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in part.rows)
    targets = "".join(f"<li>{_target(each)}</li>" for each in part.targets)
    pictures = "".join(each.svg() for each in part.pictures)
    return (
        f"<h2>{escape(part.title)}</h2><p>{escape(part.note)}</p>"
        f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div><ul>{targets}</ul>'
        f'{_legend(part)}<div class="wide">{pictures}</div>'
    )


def _cell(text: str) -> str:
    return (
        f'<td class="words">{escape(text)}</td>' if len(text) > LONG else f"<td>{escape(text)}</td>"
    )


def _legend(part: Part) -> str:
    """The colours of the part's pictures, by name."""
    kinds = {kind for each in part.pictures for kind in each.kinds}
    named = "".join(
        f'<span><svg viewBox="0 0 12 12"><rect width="12" height="12" class="{kind}"/></svg>'
        f"{escape(name)}</span>"
        for kind, name in LEGEND.items()
        if kind in kinds
    )
    return f'<p class="legend">{named}</p>' if named else ""


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
