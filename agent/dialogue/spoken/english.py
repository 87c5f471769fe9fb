"""Written English as it is spoken. `LANGUAGE.rules` is read from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.dialogue.spoken.language import Language
from agent.dialogue.spoken.markup import AddressWords
from agent.dialogue.spoken.numbers_en import (
    cardinal,
    clock,
    decade,
    digits,
    fraction,
    grouped,
    ordinal,
    year,
)
from agent.dialogue.spoken.rewriting import Rule, Spell
from agent.dialogue.spoken.tables_en import (
    ABBREVIATIONS,
    CURRENCIES,
    CURRENCY_CODES,
    MAGNITUDES,
    MONTHS,
    UNITS,
)

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_START = r"(?<![\w.,])"
_MONTH = (
    r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?\.?|July?\.?"
    r"|Aug(?:ust|\.)?|Sept?(?:ember|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_ENDS_SENTENCE = re.compile(r"\Z|\s*\Z|\s+[\"'“‘]?[A-Z]")
"""What follows a full stop that ends a sentence as well as an abbreviation."""
_BEFORE_YEAR = (
    r"in|since|from|by|until|till|of|year|after|before|during|late|early|mid|around|circa"
    r"|spring|summer|autumn|fall|winter|class|and|to|or|January|February|March|April|May|June|July"
    r"|August|September|October|November|December"
)


def _rule(pattern: str, spell: Spell, flags: int = 0) -> Rule:
    return re.compile(pattern, flags | re.ASCII), spell


def _plain(pattern: str, said: str) -> Rule:
    return _rule(pattern, lambda match: said)


def _month(written: str) -> str:
    return MONTHS[written[:3].lower()]


def _month_number(number: str) -> str | None:
    return list(MONTHS.values())[int(number) - 1] if 1 <= int(number) <= 12 else None


def _date(month: str | None, day: str, of_year: str | None) -> str | None:
    if month is None or not 1 <= int(day) <= 31:
        return None
    said = f"{month} {ordinal(str(int(day)))}"
    return f"{said}, {year(of_year)}" if of_year else said


def _money(match: re.Match[str]) -> str:
    one, many, small, smalls = CURRENCIES[match["sign"]]
    amount, magnitude = match["amount"].replace(",", ""), match["magnitude"]
    minus = "minus " if match["minus"] else ""
    if magnitude:
        magnitude = magnitude.strip().lower()
        return f"{minus}{cardinal(amount)} {MAGNITUDES.get(magnitude, magnitude)} {many}"
    whole, _, part = amount.partition(".")
    if len(part) != 2:
        return f"{minus}{cardinal(amount)} {one if amount == '1' else many}"
    cents = f"{cardinal(str(int(part)))} {small if int(part) == 1 else smalls}"
    if not int(whole):
        return minus + (cents if int(part) else f"zero {many}")
    main = f"{cardinal(whole)} {one if int(whole) == 1 else many}"
    return minus + (f"{main} and {cents}" if int(part) else main)


def _time(match: re.Match[str]) -> str | None:
    hour, minute, half = match["hour"], match["minute"], match["half"]
    if int(hour) > 24 or int(minute or 0) > 59:
        return None
    seconds = f" and {cardinal(match['second'])} seconds" if match["second"] else ""
    if not half:
        return clock(hour, minute) + seconds
    exact = cardinal(str(int(hour))) if not int(minute or 0) else clock(hour, minute)
    return f"{exact}{seconds} {half[0].upper()}M{_full_stop(match)}"


def _hour(match: re.Match[str]) -> str | None:
    if not 1 <= int(match["hour"]) <= 12:
        return None
    return f"{cardinal(match['hour'])} {match['half'][0].upper()}M{_full_stop(match)}"


def _full_stop(match: re.Match[str]) -> str:
    """The full stop of an abbreviation that ends its sentence as well."""
    ends = match.group().endswith(".") and _ENDS_SENTENCE.match(match.string, match.end())
    return "." if ends else ""


def _unit(match: re.Match[str]) -> str:
    one, many = UNITS[match["unit"]]
    return f"{cardinal(match['amount'])} {one if match['amount'] == '1' else many}"


def _degrees(match: re.Match[str]) -> str:
    scale = {"C": " Celsius", "F": " Fahrenheit"}.get(match["scale"] or "", "")
    number = match["amount"].replace("−", "-")
    return f"{cardinal(number)} degree{'' if number in {'1', '-1'} else 's'}{scale}"


def _abbreviation(match: re.Match[str]) -> str:
    short = match["short"]
    said = ABBREVIATIONS[short.lower()]
    if short.lower() in {"st"} and re.match(r"\s+[A-Z]", match.string[match.end() :]):
        said = "Saint"
    if short[0].isupper():
        said = said[0].upper() + said[1:]
    titles_last = {"etc", "inc", "ltd", "corp", "jr", "sr", "ave", "blvd", "rd", "st"}
    is_last = short.lower() in titles_last and said != "Saint"
    return said + (_full_stop(match) if is_last else "")


def _initials(match: re.Match[str]) -> str:
    is_last = not match.string[match.end() :].strip()
    # Written together a voice spells them; alone, an "A" would be the article.
    return match.group().replace(".", "").upper() + ("." if is_last else "")


def _either(first: str, second: Callable[[str], str]) -> Spell:
    return lambda match: f"{first} {second(match[1])}"


def _mixed(match: re.Match[str]) -> str | None:
    above, below = match["above"], match["below"]
    if not 2 <= int(below) <= 100 or not 0 < int(above) < int(below):
        return None
    part = fraction(above, below)
    if not match["whole"]:
        return part
    return f"{cardinal(match['whole'])} and {'a half' if part == 'one half' else part}"


_SIGN = r"(?P<minus>-)?(?P<sign>[$€£¥₩])\s?"
_AMOUNT = (
    rf"(?P<amount>{_NUMBER})(?P<magnitude>\s(?:hundred|thousand|million|billion|trillion)\b"
    r"|(?:[kKmMbBtT]|bn)\b)?"
)
_HALF = r"(?P<half>[aApP]\.?[mM]\b\.?)"

_DATES: tuple[Rule, ...] = (
    _rule(
        rf"{_START}(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}})(?![\d-])",
        lambda match: _date(_month_number(match[2]), match[3], match[1]),
    ),
    _rule(
        rf"{_START}(\d{{1,2}})/(\d{{1,2}})/(\d{{4}})(?!\d)",
        lambda match: _date(_month_number(match[1]), match[2], match[3]),
    ),
    _rule(
        rf"\b({_MONTH})\s(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(\d{{4}}))?(?![\d:,]\d|\d)",
        lambda match: _date(_month(match[1]), match[2], match[3]),
    ),
    _rule(
        rf"{_START}(\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?({_MONTH})(?:,?\s(\d{{4}}))?(?![\w])",
        lambda match: _date(_month(match[2]), match[1], match[3]),
    ),
)
_DECADES: tuple[Rule, ...] = (
    _rule(r"(?<!\w)['’](\d0)s\b", lambda match: decade("19" + match[1]).partition(" ")[2]),
    _rule(r"\b(1\d\d0|20\d0)['’]?s\b", lambda match: decade(match[1])),
)
_TIMES: tuple[Rule, ...] = (
    _rule(
        rf"{_START}(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?"
        rf"(?:\s?{_HALF})?(?![\d:])",
        _time,
    ),
    _rule(rf"{_START}(?P<hour>\d{{1,2}})\s?{_HALF}", _hour),
)
_LONG_DIGITS: tuple[Rule, ...] = (
    _rule(r"\b\d{4}(?:[ -]\d{4}){2,3}\b", lambda match: grouped(match.group())),
    _rule(
        r"(?<![\w.])(\+?\d{1,3}[-. ])?\(?\d{2,4}\)?[-. ]\d{3,4}[-. ]\d{4}(?![\w-]|\.\d)",
        lambda match: ("plus " if match.group()[0] == "+" else "") + grouped(match.group()),
    ),
    _rule(r"(?<![\w.$€£¥₩,-])\d{3}-\d{4}(?![\w-]|\.\d)", lambda match: grouped(match.group())),
    _rule(r"\+\d{7,15}\b", lambda match: "plus " + digits(match.group())),
    _rule(
        r"\b\d{1,3}(?:\.\d{1,3}){3}\b",
        lambda match: " dot ".join(cardinal(part) for part in match.group().split(".")),
    ),
    _rule(
        r"\b[vV]?(\d+(?:\.\d+){2,})\b",
        lambda match: " point ".join(cardinal(part) for part in match[1].split(".")),
    ),
    _rule(r"(?<![\w.,$€£¥₩])\d{8,}(?![\w,]|\.\d)", lambda match: digits(match.group())),
)
_AMOUNTS: tuple[Rule, ...] = (
    _rule(
        rf"([$€£¥₩])({_NUMBER})\s?[-–—]\s?\1?({_NUMBER})",
        lambda match: f"{cardinal(match[2])} to {cardinal(match[3])} {CURRENCIES[match[1]][1]}",
    ),
    _rule(
        rf"\b(?P<code>{'|'.join(CURRENCY_CODES)})\s?(?=\d)",
        lambda match: CURRENCY_CODES[match["code"]],
    ),
    _rule(
        rf"{_START}(?P<amount>{_NUMBER})\s?(?P<code>{'|'.join(CURRENCY_CODES)})\b",
        lambda match: CURRENCY_CODES[match["code"]] + match["amount"],
    ),
    _rule(rf"(?<!\w){_SIGN}{_AMOUNT}", _money),
    _rule(
        rf"(?P<amount>(?<![\w.])[-−]?{_NUMBER})\s?°\s?(?P<scale>[CF]\b)?",
        _degrees,
    ),
    _plain(r"(?<![\w)])[-−](?=\d)", "minus "),
    _rule(rf"({_NUMBER})\s?%", lambda match: f"{cardinal(match[1])} percent"),
    _rule(
        rf"(?<![\w.,])(?P<amount>{_NUMBER})\s?"
        rf"(?P<unit>{'|'.join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))})"
        r"(?![\w/²³'])",
        _unit,
    ),
)
_NUMBERS: tuple[Rule, ...] = (
    _plain(r"\b24/7\b", "twenty-four seven"),
    _rule(r"\b(\d)'(\d{1,2})\"", lambda match: f"{cardinal(match[1])} foot {cardinal(match[2])}"),
    _rule(r"\b(\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b", lambda match: ordinal(match[1])),
    _rule(
        r"\b(1[1-9]\d\d|20\d\d)\s?[-–—]\s?(1[1-9]\d\d|20\d\d)\b",
        lambda match: f"{year(match[1])} to {year(match[2])}",
    ),
    _rule(r"\b(1[1-9]\d\d|20\d\d)[-–—](\d\d)\b", lambda m: f"{year(m[1])} to {cardinal(m[2])}"),
    _rule(
        rf"\b({_BEFORE_YEAR}|year)(,?\s)(1[1-9]\d\d|20\d\d)(?![\w%-]|[.,]\d)",
        lambda match: f"{match[1]}{match[2]}{year(match[3])}",
        re.IGNORECASE,
    ),
    _rule(r"\b(1[1-9]\d\d|20\d\d)(?=\s*(?:[.!?]|\Z))(?!\.\d)", lambda match: year(match[1])),
    _rule(r"(?:\bNos?\.|#)\s?(\d+)", _either("number", cardinal)),
    _rule(
        r"(?<![\w./])(?:(?P<whole>\d{1,3})\s)?(?P<above>\d{1,2})[/⁄](?P<below>\d{1,3})(?![\w/])",
        _mixed,
    ),
    _rule(rf"({_NUMBER})\s?(?:x|×)\s?(?=\d)", lambda match: f"{cardinal(match[1])} by "),
    _rule(rf"({_NUMBER})\s?[-–—~]\s?(?=\d)", lambda match: f"{cardinal(match[1])} to "),
    _rule(rf"({_NUMBER})[kK]\b", lambda match: f"{cardinal(match[1])} thousand"),
    _rule(r"\bA-?(\d+)\b", lambda match: f"A-{cardinal(match[1])}"),  # else it is an article
    _rule(r"(?<=[A-Za-z])-?(?=\d)|(?<=\d)-?(?=[A-Za-z])", lambda match: " "),
    _rule(
        _NUMBER,
        lambda match: f" {cardinal(match.group())} ",
    ),
)
_SYMBOLS: tuple[Rule, ...] = (
    _plain(r"\s*&\s*", " and "),
    _plain(r"\s*\+\s*", " plus "),
    _plain(r"\s*=\s*", " equals "),
    _plain(r"\s*%", " percent"),
    _plain(r"\s*°", " degrees"),
    _plain(r"(?<=\w)\s*@\s*(?=\w)", " at "),
    _plain(r"\bw/o\b", "without"),
    _plain(r"\bw/(?=\s)", "with"),
    _plain(r"(?<=\w)/(?=\w)", " or "),
    _plain(r"\$", " dollars "),
)
_WORDS: tuple[Rule, ...] = (
    _rule(
        rf"\b(?P<short>{'|'.join(re.escape(short) for short in ABBREVIATIONS)})\.(?!\w)",
        _abbreviation,
        re.IGNORECASE,
    ),
    _plain(r"\bvs\b", "versus"),
    _rule(rf"\b({_MONTH})(?<=\.)", lambda match: _month(match[1])),
    _rule(r"\b(?:[A-Za-z]\.){2,}", _initials),
    _plain(r"\bPh\.?D\b\.?", "PhD"),
)
# Other scripts' digits and superscripts; what the rules above did not take.
_LAST: tuple[Rule, ...] = (
    (re.compile(r"²"), lambda match: " squared "),
    (re.compile(r"³"), lambda match: " cubed "),
    (re.compile(r"½"), lambda match: " 1/2 "),
    (re.compile(r"[^\W_]"), lambda match: _odd_digit(match.group())),
)


def _odd_digit(char: str) -> str | None:
    return f" {digits(char)} " if char.isdigit() else None


LANGUAGE = Language(
    address=AddressWords(
        dot=" dot ",
        at=" at ",
        slash=" slash ",
        dash=" dash ",
        underscore=" underscore ",
        plus=" plus ",
    ),
    rules=(
        (re.compile(r"\s?½"), lambda match: " 1/2"),
        (re.compile(r"\s?¼"), lambda match: " 1/4"),
        (re.compile(r"\s?¾"), lambda match: " 3/4"),
        *_DATES,
        *_DECADES,
        *_TIMES,
        *_LONG_DIGITS,
        *_AMOUNTS,
        *_WORDS,
        *_NUMBERS,
        *_SYMBOLS,
        *_LAST,
    ),
)
