"""How complete the words so far are: may the turn be over, by the text alone?

Recognisers often give lower-case English without punctuation, and punctuation that they do give
closes sentences that are not over; so the last words count for more than the full stop. Each
language has its own room (`endings_en`, `endings_ko`), digits and letters have theirs
(`spelling`); a language without a room is judged by its punctuation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from agent.dialogue import endings_en, endings_ko, spelling
from agent.dialogue.words import words


class Completeness(Enum):
    """The values name the wait that each is given."""

    COMPLETE = "complete"
    """A finished sentence, a question, a whole answer, a whole telephone number."""
    UNSURE = "unsure"
    """It may be over or go on."""
    UNFINISHED = "unfinished"
    """It goes on: a conjunction, an article, a particle, a hesitation at the end."""
    SPELLING = "spelling"
    """Digits or letters are being read out, and there may be more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the words say of the turn's end, and why, in a few words for logs and tests."""

    completeness: Completeness
    reason: str


_ENDINGS: dict[str, Callable[[list[str], str], tuple[str, str] | None]] = {
    "en": endings_en.ending,
    "ko": endings_ko.ending,
}

_TRAILING = '"”’)]» \t\n'
_GOES_ON = (",", "，", "、", ":", ";", "…", "...", "-", "–", "—", "·")  # noqa: RUF001 they are meant
_ENDS = {"?": "question", "？": "question", "!": "exclamation", "！": "exclamation"}  # noqa: RUF001 they are meant


def classify(text: str, language: str) -> Reading:
    """The completeness of an utterance's `text` so far (partial or final transcript)."""
    said = words(text)
    if not said:
        return Reading(Completeness.UNSURE, "no words")
    mark = text.rstrip(_TRAILING)
    if spelled := spelling.spelled(text, language):
        return _reading(spelled)
    if mark.endswith(_GOES_ON):
        return Reading(Completeness.UNFINISHED, "punctuation that goes on")
    stop = next((name for sign, name in _ENDS.items() if mark.endswith(sign)), None)
    found = (
        _ENDINGS[language](said, "question" if stop == "question" else "")
        if (language in _ENDINGS)
        else None
    )
    if found:
        return _reading(found)
    if stop:
        return Reading(Completeness.COMPLETE, stop)
    if mark.endswith((".", "。")):
        return Reading(Completeness.COMPLETE, "full stop")
    return Reading(Completeness.UNSURE, "no sign of an end")


def _reading(found: tuple[str, str]) -> Reading:
    kind, reason = found
    return Reading(Completeness(kind), reason)
