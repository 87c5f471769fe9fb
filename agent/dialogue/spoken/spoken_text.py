"""A spoken form, and the way back from its words to those that were written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Protocol


class TimedWord(Protocol):
    """A word that a voice spoke, in seconds of its clip."""

    @property
    def text(self) -> str: ...

    @property
    def start(self) -> float: ...

    @property
    def end(self) -> float: ...


class SpokenText:
    """`text` is for the voice, plain words with `,.?!`; empty when there is nothing to say.

    `spans` has for each character of `text` the stretch of the `original` that it stands for."""

    def __init__(self, original: str, text: str, spans: Sequence[tuple[int, int]]) -> None:
        self.original = original
        self.text = text
        self._units = _units(original, text, spans)
        self._passed = 0
        self._unit_start: float | None = None

    def written(self, words: Sequence[TimedWord]) -> list[tuple[str, float, float]]:
        """The written words for the next words that the voice spoke, `(text, start, end)`.

        Give it the words of each piece of this text, in order; it goes on where it stood. A
        written word appears when the last word that says it is spoken."""
        found = []
        for word in words:
            self._passed += 1
            if self._unit_start is None:
                self._unit_start = word.start
            if (text := self._units.get(self._passed)) is not None:
                found.append((text, min(self._unit_start, word.end), word.end))
                self._unit_start = None
        # A word that goes on in the next piece begins there at its very start.
        self._unit_start = None if self._unit_start is None else 0.0
        return found

    def heard(self, count: int) -> str:
        """What was written for the first `count` spoken words; a word half spoken is left out."""
        return " ".join(text for at, text in self._units.items() if at <= count)


def _units(original: str, text: str, spans: Sequence[tuple[int, int]]) -> dict[int, str]:
    """For the number of a spoken word the written stretches that are complete with it."""
    words = list(_words(original))
    begins = [min(start for start, _ in spans[slice(*word.span())]) for word in _words(text)]
    # Where the words spoken later begin: what ends before that is said.
    later = list(accumulate(reversed([*begins[1:], len(original)]), min))[::-1]
    ends: dict[int, str] = {}
    done = 0
    for number, until in enumerate(later, 1):
        first = done
        while done < len(words) and words[done].end() <= until:
            done += 1
        if done > first:
            ends[number] = original[words[first].start() : words[done - 1].end()]
    return ends


def _words(text: str) -> Iterator[re.Match[str]]:
    return re.finditer(r"\S+", text)
