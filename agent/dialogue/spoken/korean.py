"""Written Korean as it is spoken. `LANGUAGE.rules` is read from top to bottom."""

from __future__ import annotations

import re

from agent.dialogue.spoken.counters_ko import (
    LETTERS,
    NAMED_BY_NUMBER,
    NATIVE,
    NOT_COUNTERS,
    SINO,
    UNITS,
)
from agent.dialogue.spoken.language import Language
from agent.dialogue.spoken.markup import AddressWords
from agent.dialogue.spoken.numbers_ko import (
    about,
    clock,
    day,
    digits,
    grouped,
    month,
    native,
    sino,
)
from agent.dialogue.spoken.rewriting import Rule, Spell

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_FREE = r"(?<![\d.,])"
"""Not inside a longer number."""
_RANGE = r"\s?[~∼〜–—-]\s?"
_MONEY = {"₩": "원", "$": "달러", "€": "유로", "£": "파운드", "¥": "엔"}
_CENTS = {"$": "센트", "€": "센트"}
_CODES = {"KRW": "₩", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_DECADES = frozenset(f"{tens}0" for tens in range(2, 10))
_HALVES = {"am": "오전", "pm": "오후"}


def _rule(pattern: str, spell: Spell, flags: int = 0) -> Rule:
    return re.compile(pattern, flags), spell


def _plain(pattern: str, said: str) -> Rule:
    return _rule(pattern, lambda match: said)


def _either(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def _date(match: re.Match[str]) -> str | None:
    of_month, of_day = month(match[2]), day(match[3])
    if of_month is None or of_day is None:
        return None
    return f"{sino(match[1])} 년 {of_month} {of_day}"


def _month(match: re.Match[str]) -> str | None:
    return month(match[1])


def _time(match: re.Match[str]) -> str | None:
    said = clock(match["hour"], match["minute"])
    if said is None:
        return None
    if match["second"] and int(match["second"]):
        said += f" {sino(str(int(match['second'])))} 초"
    half = (match["before"] or match["after"] or "").strip().replace(".", "").lower()
    return f"{_HALVES[half]} {said}" if half else said


def _hour(match: re.Match[str]) -> str | None:
    said = clock(match[1], "0")
    return None if said is None else f"{_HALVES[match[2].replace('.', '').lower()]} {said}"


def _money(match: re.Match[str]) -> str:
    sign, amount, large = match["sign"], match["amount"], match["large"] or ""
    minus = "마이너스 " if match["minus"] else ""
    whole, _, part = amount.partition(".")
    if sign in _CENTS and len(part) == 2 and not large:
        cents = f"{sino(str(int(part)))} {_CENTS[sign]}" if int(part) else ""
        main = f"{sino(whole)} {_MONEY[sign]}" if int(whole.replace(",", "")) or not cents else ""
        return minus + " ".join(said for said in (main, cents) if said)
    return f"{minus}{_large(amount, large)} {_MONEY[sign]}"


def _large(amount: str, large: str) -> str:
    """`5`, `만` as "오만"; one is not said before 만, 천 and 백."""
    if not large:
        return sino(amount)
    said = sino(amount)
    if "." in amount:
        return f"{said} {large}"
    return ("" if amount == "1" and large[0] in "만천백십" else said) + large


def _larges(match: re.Match[str]) -> str:
    """`1억 2,000만원` as "일억 이천만 원"."""
    parts = re.findall(rf"({_NUMBER})\s?([조억만천백]+)", match["larges"])
    said = " ".join(_large(amount, large) for amount, large in parts)
    if match["rest"]:
        said += " " + sino(match["rest"])
    return said + (f" {match['counter']}" if match["counter"] else "")


def _counted(match: re.Match[str]) -> str | None:
    amount, counter = match["amount"], match["counter"]
    if _begins_other_word(match):
        return None
    if counter == "번" and _names_by_number(match):
        return f"{sino(amount)} 번"
    if counter == "시":
        hour = clock(amount, "0") if amount.isdecimal() else None
        return hour
    if counter == "번째" and amount == "1":
        return "첫 번째"
    is_decade = counter == "대" and amount in _DECADES  # of an age: 사십 대
    if is_decade or (counter in {"대", "건", "명"} and len(amount) > 2):
        return f"{sino(amount)} {counter}"
    return f"{native(amount)} {counter}"


def _begins_other_word(match: re.Match[str]) -> bool:
    following = match.string[match.start("counter") :]
    return following.startswith(NOT_COUNTERS.get(match["counter"], ())) or (
        match["counter"] == "시" and not match["amount"].isdecimal()
    )


def _names_by_number(match: re.Match[str]) -> bool:
    after = re.match(rf"\s?(?:{NAMED_BY_NUMBER})", match.string[match.end() :])
    return bool(after or len(match["amount"]) > 2)


def _counted_range(match: re.Match[str]) -> str:
    first, second, counter = match["first"], match["second"], match["counter"]
    if first.isdecimal() and second.isdecimal() and (said := about(first, second)):
        return f"{said} {counter}"
    if counter == "시":
        return f"{clock(first, '0') or sino(first)}에서 {clock(second, '0') or sino(second)}"
    return f"{native(first)} {counter}에서 {native(second)} {counter}"


def _degrees(match: re.Match[str]) -> str:
    number = match["amount"].replace("−", "-")
    below = number.startswith("-")
    scale = {"C": "섭씨 ", "F": "화씨 "}.get(match["scale"] or "", "")
    return f"{scale}{'영하 ' if below else ''}{sino(number.lstrip('-'))} 도"


def _unit(match: re.Match[str]) -> str:
    unit = match["unit"]
    speed = "시속 " if unit == "km/h" else ""
    return f"{speed}{sino(match['amount'])} {UNITS[unit]}"


def _fraction(match: re.Match[str]) -> str | None:
    if not int(match[2]):
        return None
    return f"{sino(match[2])}분의 {sino(match[1])}"


def _acronym(match: re.Match[str]) -> str:
    return _spelled(match.group())


def _spelled(letters: str) -> str:
    return "".join(LETTERS[letter] for letter in letters if letter in LETTERS)


_DATES: tuple[Rule, ...] = (
    _rule(r"(?<![\d.])(\d{4})[-/.]\s?(\d{1,2})[-/.]\s?(\d{1,2})\.?(?![\d-])", _date),
    _rule(r"(?<!\d)(\d{1,2})월(?!드)", _month),
)
_HALF = r"[aApP]\.?[mM]\b\.?"
_TIMES: tuple[Rule, ...] = (
    _rule(
        rf"{_FREE}(?P<before>{_HALF}\s?)?(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)"
        rf"(?::(?P<second>[0-5]\d))?(?P<after>\s?{_HALF})?(?![\d:])",
        _time,
    ),
    _rule(rf"{_FREE}(\d{{1,2}})\s?({_HALF})", _hour),
)
_LONG_DIGITS: tuple[Rule, ...] = (
    _rule(
        r"(?<![\d.])\+(\d{1,3}[-. ]\d{1,4}[-. ]\d{3,4}[-. ]\d{4})(?![\d-])",
        lambda match: f"플러스 {grouped(match[1])}",
    ),
    _rule(
        r"(?<![\d.-])(?:\(?0\d{1,2}\)?[-. ]?\d{3,4}[-. ]\d{4}|1\d{3}-\d{4}|\d{3,4}-\d{4})(?![\d-])",
        lambda match: grouped(match.group()),
    ),
    _rule(r"(?<![\d.,])01\d{8,9}(?!\d)", lambda match: grouped(match.group())),
    _rule(r"(?<!\d)\d{6}-\d{7}(?!\d)", lambda match: grouped(match.group())),
    _rule(r"(?<!\d)\d{4}(?:[ -]\d{4}){2,3}(?!\d)", lambda match: grouped(match.group())),
    _rule(r"(?<![\d.,])1(?:12|19|14|20|31)(?=에|로|번으로)", lambda m: digits(m.group())),
    _rule(
        r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.])",
        lambda match: " 점 ".join(sino(part) for part in match.group().split(".")),
    ),
    _rule(
        r"(?<![\d.,₩$€£¥])\d{9,}(?![\d,.]|\s?[조억만천백원달개명])",
        lambda match: digits(match.group(), telephone=True),
    ),
)
_AMOUNTS: tuple[Rule, ...] = (
    _rule(rf"\b({'|'.join(_CODES)})\s?(?=\d)", lambda match: _CODES[match[1]]),
    _rule(rf"({_NUMBER})\s?({'|'.join(_CODES)})\b", lambda m: _CODES[m[2]] + m[1]),
    _rule(
        rf"(?P<minus>-)?(?P<sign>[₩$€£¥])\s?(?P<amount>{_NUMBER})(?P<large>[조억만천백]+)?"
        r"(?:\s?(?:원|달러|유로|엔))?",
        _money,
    ),
    _rule(
        rf"{_FREE}(?P<larges>{_NUMBER}\s?[조억만천백]+(?:\s{_NUMBER}\s?[조억만천백]+)*)"
        rf"(?:\s(?P<rest>{_NUMBER})(?=원|명|개|\s?달러))?\s?(?P<counter>원|명|개|달러|엔)?",
        _larges,
    ),
    _rule(rf"(?P<amount>(?<![\w.])[-−]?{_NUMBER})\s?°\s?(?P<scale>[CF])?", _degrees),
    _plain(r"(?<![\w)~])[-−](?=\d)", "마이너스 "),
    _rule(
        rf"({_NUMBER}){_RANGE}(?={_NUMBER}\s?(?:{_either(tuple(UNITS))}))",
        lambda match: f"{sino(match[1])}에서 ",
    ),
    _rule(
        rf"{_FREE}(?P<amount>{_NUMBER})\s?(?P<unit>{_either(tuple(UNITS))})(?![A-Za-z/²³])",
        _unit,
    ),
)
_COUNTERS: tuple[Rule, ...] = (
    _rule(
        rf"{_FREE}(?P<first>\d+)(?:시|개|명)?{_RANGE}(?P<second>\d+)\s?"
        rf"(?P<counter>(?!시간표)(?:{_either(NATIVE)}))(?!월|러)",
        _counted_range,
    ),
    _rule(r"제\s?(\d+)(?:\s?(회|조|항|장|차|과|호|부|권|단계|기|대))?", lambda m: _numbered(m)),
    _rule(
        rf"{_FREE}(?P<amount>{_NUMBER})\s?(?P<counter>{_either(NATIVE)})",
        _counted,
    ),
    _rule(
        rf"{_FREE}({_NUMBER}){_RANGE}({_NUMBER})\s?({_either(SINO)})",
        lambda match: f"{sino(match[1])}에서 {sino(match[2])} {match[3]}",
    ),
    _rule(
        rf"{_FREE}({_NUMBER})\s?({_either(SINO)})",
        lambda match: f"{sino(match[1])} {match[2]}",
    ),
)


def _numbered(match: re.Match[str]) -> str:
    return f"제{sino(match[1])}" + (f" {match[2]}" if match[2] else "")


_NUMBERS: tuple[Rule, ...] = (
    _rule(r"(?<![\d./])(\d{1,3})[/⁄](\d{1,3})(?![\d/])", _fraction),
    _rule(rf"({_NUMBER})\s?:\s?(?=\d)", lambda match: f"{sino(match[1])} 대 "),
    _rule(rf"({_NUMBER}){_RANGE}(?=\d)", lambda match: f"{sino(match[1])}에서 "),
    _rule(rf"({_NUMBER})\s?[x×*]\s?(?=\d)", lambda match: f"{sino(match[1])} 곱하기 "),
    _rule(r"(?:\bNo\.|#)\s?(\d+)", lambda match: f"{sino(match[1])} 번"),
    _rule(r"(?<=[A-Za-z])-(?=\d)|(?<=\d)-(?=[A-Za-z])", lambda match: " "),
    _rule(r"(?<=[^\s\d.,])(?=\d)", lambda match: " "),
    _rule(_NUMBER, lambda match: sino(match.group())),
)
_SYMBOLS: tuple[Rule, ...] = (
    _plain(r"\s*&\s*", " 앤드 "),
    _plain(r"\s*\+\s*", " 더하기 "),
    _plain(r"\s*=\s*", " 는 "),
    _plain(r"\s*%", " 퍼센트"),
    _plain(r"\s*°", " 도"),
    _plain(r"(?<=\w)\s*@\s*(?=\w)", " 골뱅이 "),
    _plain(r"(?<=\w)/(?=\w)", ", "),
    _plain(r"\s*~\s*", "에서 "),
    _plain(r"₩", " 원 "),
    _plain(r"\$", " 달러 "),
    _plain(r"\bvs\b\.?", "대"),
    _plain(r"\betc\.", "등"),
    _plain(r"\bDr\.", "닥터"),
    _plain(r"\bMr\.", "미스터"),
    _plain(r"(?<=닷 )com\b", "컴"),
    _plain(r"(?<=닷 )net\b", "넷"),
    _rule(r"(?<=닷 )(?:kr|co|io|ai|org|go|ac|me)\b", lambda match: _spelled(match.group().upper())),
    _rule(r"(?<![A-Za-z])[A-Z](?:&[A-Z]|\.?[A-Z])*(?![A-Za-z])", _acronym),
)
_LAST: tuple[Rule, ...] = (
    _plain("²", " 제곱 "),
    _plain("³", " 세제곱 "),
    (re.compile(r"[^\W_]"), lambda match: _odd_digit(match.group())),
)


def _odd_digit(char: str) -> str | None:
    return f" {digits(char)} " if char.isdigit() else None


LANGUAGE = Language(
    address=AddressWords(
        dot=" 닷 ",
        at=" 골뱅이 ",
        slash=" 슬래시 ",
        dash=" 다시 ",
        underscore=" 밑줄 ",
        plus=" 플러스 ",
    ),
    rules=(
        _plain(r"(?<!\d)½", "1/2"),
        _plain(r"¼", "1/4"),
        _plain(r"¾", "3/4"),
        _rule(r"(?<=\d)½", lambda match: ".5"),
        *_DATES,
        *_TIMES,
        *_LONG_DIGITS,
        *_AMOUNTS,
        *_COUNTERS,
        *_NUMBERS,
        *_SYMBOLS,
        *_LAST,
    ),
)
