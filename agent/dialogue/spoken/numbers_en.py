"""English numbers in words."""

from __future__ import annotations

import re
import unicodedata

from num2words import num2words

_LONGEST = 15
"""Digits of the longest number that is said as one; longer ones are said digit by digit."""
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FRACTIONS = {2: "half", 4: "quarter"}


def cardinal(number: str) -> str:
    """`1,234`, `3.50`, `-5` or `007` in words."""
    number = number.replace(",", "")
    sign = "minus " if number.startswith("-") else ""
    whole, point, part = number.lstrip("+-").partition(".")
    said = _whole(whole or "0")
    return sign + said + (f" point {digits(part)}" if point and part else "")


def _whole(number: str) -> str:
    if len(number) > _LONGEST or (len(number) > 1 and number[0] == "0"):
        return digits(number)
    return str(num2words(int(number))).replace(",", "")


def digits(text: str) -> str:
    """Every digit by itself; other characters are left out."""
    return " ".join(_NAMES[unicodedata.digit(char)] for char in text if char.isdigit())


def grouped(text: str) -> str:
    """Digits by themselves with a pause where the writer parted them, as in a telephone number."""
    return ", ".join(digits(group) for group in re.split(r"\D+", text) if group)


def ordinal(number: str) -> str:
    number = number.replace(",", "")
    if len(number) > _LONGEST:
        return digits(number)
    return str(num2words(int(number), to="ordinal")).replace(",", "")


def year(number: str) -> str:
    return str(num2words(int(number), to="year"))


def decade(number: str) -> str:
    """`1990` as in "the 1990s"."""
    said = year(number)
    return said[:-1] + "ies" if said.endswith("y") else said + "s"


def fraction(above: str, below: str) -> str:
    """`3`/`4` as "three quarters"."""
    name = _FRACTIONS.get(int(below)) or ordinal(below)
    many = int(above) != 1
    plural = {"half": "halves"}.get(name, name + "s")
    return f"{cardinal(above)} {plural if many else name}"


def clock(hour: str, minute: str) -> str:
    """`3`:`05` as "three oh five"; a full hour as "three o'clock"."""
    hours, minutes = int(hour), int(minute)
    if (hours, minutes) == (0, 0):
        return "midnight"
    if not minutes:
        return f"{cardinal(str(hours))} o'clock" if hours <= 12 else f"{cardinal(hour)} hundred"
    oh = "oh " if minutes < 10 else ""
    return f"{cardinal(str(hours))} {oh}{cardinal(str(minutes))}"
