"""What is left when everything is spelled: words and the few marks that a voice understands."""

from __future__ import annotations

import re
import unicodedata

from agent.dialogue.spoken.rewriting import Rewriting

_ELLIPSIS = re.compile(r"\.{2,}|…")
_BREAK = re.compile(r"\s*\n\s*")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])[’ʼ`´](?=[^\W\d_])")
_HANGUL_QUOTE = re.compile(r"(?<=[가-힣])['’‘]|['’‘](?=[가-힣])")
_INNER_DOT = re.compile(r"(?<=[^\W_])\.(?=[^\W_])")
_COMMA_LIKE = re.compile(r"\s+[-–—]+\s+|[;:，、；：·()\[\]{}（）【】—–]|--+")
_STOP_LIKE = re.compile(r"[。．｡]")
_OTHER = re.compile(r"[^\w\s.,?!'-]|_")
_LOOSE = re.compile(r"(?<![^\W\d_])['-]+|['-]+(?![^\W\d_])")
_MARKS = re.compile(r"\s*[.,?!][\s.,?!]*")
_SPACES = re.compile(r"\s+")
_EDGES = re.compile(r"\A[\s.,?!]+|\s+\Z")


def tidy(text: Rewriting, dot: str) -> None:
    """Leave letters, single spaces, `,.?!` after words, hyphens and apostrophes inside them.

    `dot` is how a full stop inside a word is said, as in "node.js"."""
    text.sub(_BREAK, lambda match: ". ")
    text.sub(_ELLIPSIS, lambda match: ", " if match.string[match.end() :].strip() else ".")
    text.sub(_HANGUL_QUOTE, lambda match: "")
    text.sub(_APOSTROPHE, lambda match: "'")
    text.sub(_STOP_LIKE, lambda match: ". ")
    text.sub(_INNER_DOT, lambda match: f" {dot} ")
    text.sub(_COMMA_LIKE, lambda match: ", ")
    text.sub(_OTHER, _kept_mark)
    text.sub(_LOOSE, lambda match: " ")
    text.sub(_MARKS, lambda match: _strongest(match.group()) + " ")
    text.sub(_SPACES, lambda match: " ")
    text.sub(_EDGES, lambda match: "")


def _kept_mark(match: re.Match[str]) -> str | None:
    """Marks that belong to a letter, as vowels do in Devanagari, are kept; symbols are not."""
    after_word = match.start() and (match.string[match.start() - 1].isalpha())
    return None if after_word and unicodedata.category(match.group())[0] == "M" else " "


def _strongest(marks: str) -> str:
    return next(mark for mark in "?!.," if mark in marks)
