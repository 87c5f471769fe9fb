"""How complete the words so far are: may the turn be over, by the text alone?

Recognisers often give lower-case English without punctuation, and punctuation that they do give
closes sentences that are not over; so the last words count for more than the full stop. Each
language has its own module (`endings_en`, `endings_ko`), digits and letters have theirs
(`spelling`); a language without one is judged by its punctuation.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.dialogue import endings_en, endings_ko, spelling
from agent.dialogue.reading import Completeness, Reading
from agent.dialogue.words import words

__all__ = ["Completeness", "Reading", "classify"]


_ENDINGS: dict[str, Callable[[list[str], str], Reading | None]] = {
    "en": endings_en.ending,
    "ko": endings_ko.ending,
}

_TRAILING = '"”’)]» \t\n'
_GOES_ON = (",", "，", "、", ":", ";", "…", "...", "-", "–", "—", "·")
_ENDS = {
    "?": "question",
    "？": "question",
    "!": "exclamation",
    "！": "exclamation",
    ".": "full stop",
    "。": "full stop",
}


def classify(text: str, language: str) -> Reading:
    """The completeness of an utterance's `text` so far (partial or final transcript)."""
    said = words(text)
    if not said:
        return Reading(Completeness.UNSURE, "no words")
    mark = text.rstrip(_TRAILING)
    if spelled := spelling.spelled(text, language):
        return spelled
    if mark.endswith(_GOES_ON):
        return Reading(Completeness.UNFINISHED, "punctuation that goes on")
    stop = next((name for sign, name in _ENDS.items() if mark.endswith(sign)), "")
    ending = _ENDINGS.get(language)
    if ending and (found := ending(said, stop)):
        return found
    if stop:
        return Reading(Completeness.COMPLETE, stop)
    return Reading(Completeness.UNSURE, "no sign of an end")
