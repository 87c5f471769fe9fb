"""A sample of the corpus, damaged in many ways: the same ones each time, from a seed."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "30"))
"""Damaged copies of each sample; more of them by FUZZ_ROUNDS=1000."""
_TOKENS = (
    b"0", b"-1", b"4294967296", b"1e999", b"\x00", b"\xff\xfe", b"\r\n", b"a=", b"m=audio 9 X 0",
    b"%s%n", b'"', b"\\ud800", b"{", b"]", b"null", b"a=mid:0", b"\xf0\x9f\x98\x80", b" " * 300,
)  # fmt: skip


def samples(folder: str) -> list[Path]:
    """The corpus of one door."""
    return sorted((CORPUS / folder).iterdir())


def damaged(sample: Path, rounds: int = ROUNDS) -> Iterator[bytes]:
    """The sample itself, then `rounds` copies with one to four things wrong."""
    whole = sample.read_bytes()
    chance = random.Random(f"{sample.parent.name}/{sample.name}")
    yield whole
    for _ in range(rounds):
        copy = whole
        for _ in range(chance.randint(1, 4)):
            copy = chance.choice(_DAMAGES)(copy, chance)
        yield copy


def _flip(text: bytes, chance: random.Random) -> bytes:
    if not text:
        return text
    place = chance.randrange(len(text))
    return text[:place] + bytes([text[place] ^ (1 << chance.randrange(8))]) + text[place + 1 :]


def _insert(text: bytes, chance: random.Random) -> bytes:
    place = chance.randint(0, len(text))
    return text[:place] + chance.choice(_TOKENS) + text[place:]


def _cut(text: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randint(0, len(text)) for _ in range(2))
    return text[:first] + text[last:]


def _end_early(text: bytes, chance: random.Random) -> bytes:
    return text[: chance.randint(0, len(text))]


def _shuffle_lines(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        one, other = chance.sample(range(len(lines)), 2)
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _repeat_line(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    if lines:
        place = chance.randrange(len(lines))
        lines[place:place] = [lines[place]] * chance.choice((1, 2, 50))
    return b"".join(lines)


def _drop_line(text: bytes, chance: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    if lines:
        del lines[chance.randrange(len(lines))]
    return b"".join(lines)


_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip, _insert, _cut, _end_early, _shuffle_lines, _repeat_line, _drop_line,
)  # fmt: skip
