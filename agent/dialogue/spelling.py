"""Digits and letters read out one by one: is there more to come?

A telephone number, a postcode, a name spelled, an e-mail address: people pause between groups
longer than between words. A number whose expected length is known (from the words before it, or
from how it begins) is whole when that length is reached, an address when it has its last label.
"""

from __future__ import annotations

import re

from agent.dialogue.dates import dated
from agent.dialogue.reading import Reading, complete, spelling, unsure
from agent.dialogue.words import final_consonant, words

_DIGITS_EN = {
    name: "0123456789"[value]
    for names, value in (
        ("zero oh o", 0), ("one", 1), ("two", 2), ("three", 3), ("four", 4), ("five", 5),
        ("six", 6), ("seven", 7), ("eight", 8), ("nine", 9),
    )
    for name in names.split()
}  # fmt: skip
_DIGITS_KO = dict(zip("영공일이삼사오육륙칠팔구", "001234566789", strict=True))
_LETTERS_KO = frozenset(
    """에이 비 씨 시 디 에프 쥐 지 에이치 아이 제이 케이 엘 엠 엔 피 큐 알 에스 티 유 브이
    더블유 엑스 와이 제트""".split()
)
"""Names of Latin letters, most of them words besides: three in a row are letters. (이 and 오 are
taken for digits; it comes to the same.)"""
_REPEATS = {"double": 2, "triple": 3}
_TENS = frozenset(
    """ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty
    thirty forty fifty sixty seventy eighty ninety""".split()
)

_TELEPHONE = (10,)
"""Where the first digits say nothing else."""
LOCAL = 7
"""Digits of an American number without its area: one with it is not said in groups that pause
there, unless it begins with a 1 (and one of other countries, unless it begins with a 0)."""

_LENGTHS: dict[str, tuple[tuple[str, tuple[int, ...]], ...]] = {
    "en": (
        (r"\b(zip|postal) ?code\b", (5,)),
        (r"\bpin\b", (4,)),
        (r"\b(verification|confirmation|security|one time)\b", (6,)),
        (r"\b(card|credit|debit)\b", (16,)),
        (r"\b(phone|telephone|mobile|cell|call me|reach me|number)\b", _TELEPHONE),
    ),
    "ko": (
        (r"우편\s*번호", (5,)),
        (r"비밀\s*번호", (4,)),
        (r"인증\s*번호", (6,)),
        (r"주민\s*(등록)?\s*번호", (13,)),
        (r"카드\s*번호", (16,)),
        (r"번호|연락처|전화", _TELEPHONE),
    ),
}
"""What a number is called, and how many digits it then has."""

_ENTERING = re.compile(r".*\b(?:enter|dial|type|key in|punch in)((?: \S+){1,4})")
"""Digits are what is entered, one by one or in tens, and seldom one alone."""

_BEHIND = ("입니다", "인데요", "인데", "예요", "에요", "고요", "구요", "고", "요", "에")
"""What Korean puts behind a group of digits, after a consonant most of it with 이 before: the
hyphen is spoken 에, the rest is courtesy or goes on."""

_ADDRESS = re.compile(
    r"(?:\be ?mail\b|이메일|메일).* (?:at|골뱅이)\b|\b(?:e ?mail|이메일).* (?:dot|점)$"
)
"""An e-mail address that has been begun."""
_DOT = re.compile(r"\b(?:dot|점|닷|쩜) (?P<label>\S+)$")
_LAST_LABELS = frozenset("com net org edu gov io kr uk de jp 컴 넷 오알지 케이알".split())


def spelled(text: str, language: str) -> Reading | None:
    """The reading when `text` ends in a run of digits or letters; otherwise None."""
    tokens = _tokens(text, language)
    if address := _address(" ".join(tokens)):
        return address
    if date := dated(" ".join(tokens), language):
        return date
    run = _run(tokens, language)
    if not run:
        return _entered(" ".join(tokens)) if language == "en" else None
    before, digits, letters = run
    if not digits or letters:
        return spelling(f"{letters + len(digits)} letters and digits being spelled")
    expected = _expected(before, digits, language)
    if len(digits) in expected:
        return complete(f"a number of {len(digits)} digits is whole")
    if expected == _TELEPHONE and len(digits) == LOCAL and digits[0] not in "01":
        return unsure("a telephone number without its area, or 7 of 10 digits")
    if expected and len(digits) < max(expected):
        return spelling(f"{len(digits)} of {max(expected)} digits")
    return spelling(f"{len(digits)} digits")


def _address(line: str) -> Reading | None:
    """The reading of a line that ends in an e-mail address."""
    dot = _DOT.search(line)
    if dot and dot["label"] in _LAST_LABELS:
        return complete(f"an address with its last label: {dot['label']}")
    return spelling("an address without its end") if _ADDRESS.search(line) else None


def _entered(line: str) -> Reading | None:
    """The reading of a command to enter a number, of which no more than a few digits are said."""
    command = _ENTERING.fullmatch(line)
    if command and all(word in _DIGITS_EN or word in _TENS for word in command[1].split()):
        return spelling(f"a number being entered:{command[1]}")
    return None


def _tokens(text: str, language: str) -> list[str]:
    tokens = words(text)
    if language != "ko":
        return tokens
    split: list[str] = []
    for token in tokens:
        # "공일공에" (or 공일공 다시) is "010-", "공일공이고요" a polite caller's.
        bare = _bare(token)
        if (
            len(bare) > 1
            and all(c in _DIGITS_KO for c in bare)
            and (_plain_digits(bare) or (split and split[-1] in _DIGITS_KO))
        ):
            split += list(bare)
        elif token != "다시" or not split or split[-1] not in _DIGITS_KO:
            split.append(token)
    return split


def _bare(token: str) -> str:
    """`token` without what is spoken behind digits."""
    behind = next((each for each in _BEHIND if token.endswith(each)), "")
    bare = token.removesuffix(behind)
    if behind not in ("", "에") and bare.endswith("이") and final_consonant(bare[-2:-1]):
        bare = bare.removesuffix("이")
    return bare or token


def _plain_digits(token: str) -> bool:
    """Korean digits are one syllable each, and words besides: 이사, 오이, 일이 are no numbers."""
    return len(token) >= 3 or any(c in "영공륙" for c in token)


def _run(tokens: list[str], language: str) -> tuple[list[str], str, int] | None:
    """The trailing run: words before it, its digits, how many letters it has; None: no run."""
    digits: list[str] = []
    letters = groups = 0
    index = len(tokens)
    while index:
        token = tokens[index - 1]
        if token in _REPEATS and digits:
            digits.insert(0, digits[0] * (_REPEATS[token] - 1))
            groups += 1
        elif (value := _value(token, language)) is not None:
            digits.insert(0, value)
            groups += 1
        elif _is_letter(token, language):
            letters += 1
            groups += 1
        elif token == "hundred" and groups:
            digits.insert(0, "00")
        elif token in _TENS:
            groups += 1
            digits.insert(0, "00"[: 1 if digits and len(digits[0]) == 1 else 2])
        else:
            break
        index -= 1
    before, run = tokens[:index], "".join(digits)
    if letters == 1 and tokens[index] in ("a", "i") and (before or not run):
        # An article or a pronoun, not a letter: "i'd like a two", "i".
        before, letters, groups = tokens[: index + 1], 0, groups - 1
    if groups < 3 and (tokens[-1] in _TENS or _LETTERS_KO.intersection(tokens[index:])):
        return None
    if not _is_run(before, run, letters, groups, language):
        return None
    return before, run, letters


def _is_run(before: list[str], digits: str, letters: int, groups: int, language: str) -> bool:
    if letters:
        return letters + len(digits) >= 2 or not before
    if groups >= 3 or len(digits) >= 7 or (groups == 2 and len(digits) not in (3, 4)):
        return True
    return bool(digits) and bool(_named(before, language))


def _is_letter(token: str, language: str) -> bool:
    if language == "ko" and token in _LETTERS_KO:
        return True
    return len(token) == 1 and token.isascii() and token.isalpha()


def _value(token: str, language: str) -> str | None:
    if token.isascii() and token.isdigit():
        return token
    return (_DIGITS_KO if language == "ko" else _DIGITS_EN).get(token)


def _named(before: list[str], language: str) -> tuple[int, ...]:
    context = " ".join(before[-8:])
    for pattern, lengths in _LENGTHS.get(language, ()):
        if re.search(pattern, context):
            return lengths
    return ()


def _expected(before: list[str], digits: str, language: str) -> tuple[int, ...]:
    """The lengths at which a number that begins like this is whole; empty: not known."""
    named = _named(before, language)
    if named and named != _TELEPHONE:
        return named
    if language == "ko":
        return _expected_korean(digits)
    if digits.startswith("1") and len(digits) > 10:
        return (11,)
    return named or ((10,) if len(digits) >= 6 else ())


def _expected_korean(digits: str) -> tuple[int, ...]:
    if digits.startswith("01"):
        return (11,)
    if digits.startswith("02"):
        return (10,)
    if digits.startswith("0") and len(digits) > 1:
        return (11,) if digits.startswith("070") else (10, 11)
    if digits[:2] in ("15", "16", "18"):
        return (8,)
    return ()
