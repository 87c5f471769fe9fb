"""Korean numbers in words: Sino-Korean (일, 이, 삼) and native (한, 두, 세)."""

from __future__ import annotations

import re
import unicodedata

from num2words import num2words

_LONGEST = 16
"""Digits of the longest number that is said as one; longer ones are said digit by digit."""
_DIGITS = "영일이삼사오육칠팔구"
_TELEPHONE_DIGITS = "공일이삼사오육칠팔구"
_NATIVE_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_ABOUT = {(1, 2): "한두", (2, 3): "두세", (3, 4): "서너", (4, 5): "네다섯", (5, 6): "대여섯"}
_MONTHS = {6: "유", 10: "시"}


def sino(number: str) -> str:
    """`12,500`, `3.14` or `-5` as "만 이천오백", "삼 점 일사", "마이너스 오"."""
    number = number.replace(",", "")
    sign = "마이너스 " if number.startswith("-") else ""
    whole, point, part = number.lstrip("+-").partition(".")
    said = _whole(whole or "0")
    return sign + said + (f" 점 {digits(part)}" if point and part else "")


def _whole(number: str) -> str:
    if len(number) > _LONGEST or (len(number) > 1 and number[0] == "0"):
        return digits(number, telephone=True)
    return str(num2words(int(number), lang="ko"))


def native(number: str) -> str:
    """As said before a counter: `3` "세", `20` "스무", `21` "스물한"; Sino from the hundreds up."""
    number = number.replace(",", "")
    if "." in number or len(number) > _LONGEST or not int(number):
        return sino(number)
    hundreds, rest = divmod(int(number), 100)
    tens, ones = divmod(rest, 10)
    small = "스무" if rest == 20 else _NATIVE_TENS[tens] + _NATIVE_ONES[ones]
    return (sino(str(hundreds * 100)) if hundreds else "") + small


def about(first: str, second: str) -> str | None:
    """`2`, `3` as "두세", said for "two or three"; None where there is no such word."""
    return _ABOUT.get((int(first), int(second)))


def digits(text: str, *, telephone: bool = False) -> str:
    """Every digit by itself; a zero is 공 in telephone and other numbers that only name."""
    names = _TELEPHONE_DIGITS if telephone else _DIGITS
    return "".join(names[unicodedata.digit(char)] for char in text if char.isdigit())


def grouped(text: str) -> str:
    """A telephone number, with a pause where the writer parted it."""
    groups = [digits(group, telephone=True) for group in re.split(r"\D+", text) if group]
    return ", ".join(groups)


def month(number: str) -> str | None:
    """`6` as "유 월"."""
    if not 1 <= int(number) <= 12:
        return None
    return _MONTHS.get(int(number), sino(str(int(number)))) + "월"


def day(number: str) -> str | None:
    return sino(str(int(number))) + " 일" if 1 <= int(number) <= 31 else None


def clock(hour: str, minute: str) -> str | None:
    """`3`:`30` as "세 시 삼십 분"; hours above twelve are Sino-Korean."""
    hours, minutes = int(hour), int(minute or 0)
    if hours > 24 or minutes > 59:
        return None
    said = native(str(hours)) if 1 <= hours <= 12 else sino(str(hours))
    return f"{said} 시" + (f" {sino(str(minutes))} 분" if minutes else "")
