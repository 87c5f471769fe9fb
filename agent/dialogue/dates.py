"""Dates as they are said: with its year one is whole, and no number being spelled.

"November ninth sixty five" ends in what elsewhere is the beginning of a telephone number.
"""

from __future__ import annotations

import re

from agent.dialogue.reading import Reading, complete, unsure

_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ORDINAL = (
    r"(?:(?:twenty|thirty) )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth"
    r"|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth"
    r"|nineteenth|twentieth|thirtieth|\d{1,2}(?:st|nd|rd|th)"
)
_CARDINAL = rf"(?:twenty|thirty) (?:{_ONES})|{_ONES}|{_TEENS}|twenty|thirty|\d{{1,2}}"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)"
)
_DAY = rf"(?:{_MONTH} (?:the )?(?:{_ORDINAL}|{_CARDINAL})|(?:{_ORDINAL})(?: of)? {_MONTH})"

_TO_ITS_LAST = rf"(?:{_TENS}) (?:{_ONES})|{_TEENS}|(?:oh|o) (?:{_ONES})"
_YEAR = (
    rf"(?:nineteen|twenty) (?:{_TO_ITS_LAST})|(?:{_TENS}) (?:{_ONES})|nineteen hundred"
    rf"|two thousand (?:and )?(?:{_ONES}|{_TO_ITS_LAST})|\d{{4}}"
)
_DECADE = rf"(?:nineteen|twenty) (?:{_TENS})|two thousand"

_NUMBER_KO = r"[\d영공일이삼사오육륙칠팔구십백천]+"
_WHOLE = {
    "en": re.compile(rf"(?:.* )?{_DAY} (?:{_YEAR})"),
    "ko": re.compile(rf"(?:.* )?{_NUMBER_KO}년 (?:{_NUMBER_KO}|유|시)월 {_NUMBER_KO}일"),
}
_TO_ITS_DECADE = re.compile(rf"(?:.* )?{_DAY} (?:{_DECADE})")


def dated(line: str, language: str) -> Reading | None:
    """The reading of a line (its words, by a space) that ends in a day with its year."""
    whole = _WHOLE.get(language)
    if whole is not None and whole.fullmatch(line):
        return complete("a whole date")
    if language == "en" and _TO_ITS_DECADE.fullmatch(line):
        return unsure("a date, or its year without the last digit")
    return None
