"""A text being rewritten that remembers, for each character, where it came from.

So the written words can be found again for words that were spoken: "12,500" was "twelve thousand
five hundred".
"""

from __future__ import annotations

import re
from collections.abc import Callable

Spell = Callable[[re.Match[str]], str | None]
"""What a match is spoken as; None leaves it as it is."""
Rule = tuple[re.Pattern[str], Spell]


class Rewriting:
    """`text` as it stands; `spans[i]` is the stretch of `written` that character `i` stands for."""

    def __init__(self, written: str) -> None:
        self.written = written
        self.text = written
        self.spans: list[tuple[int, int]] = [(at, at + 1) for at in range(len(written))]

    def sub(self, pattern: re.Pattern[str], spell: Spell) -> None:
        """Replace every match; what replaces it stands for all of it."""
        replacements = [
            (match.start(), match.end(), said)
            for match in pattern.finditer(self.text)
            if (said := spell(match)) is not None and said != match.group()
        ]
        self.replace(replacements)

    def replace(self, replacements: list[tuple[int, int, str]]) -> None:
        """Put texts in place of the stretches `(start, end, text)`, which are in order."""
        if not replacements:
            return
        texts: list[str] = []
        spans: list[tuple[int, int]] = []
        done = 0
        for start, end, said in replacements:
            texts += self.text[done:start], said
            spans += self.spans[done:start]
            spans += [self._span(start, end)] * len(said)
            done = end
        texts.append(self.text[done:])
        spans += self.spans[done:]
        self.text, self.spans = "".join(texts), spans

    def _span(self, start: int, end: int) -> tuple[int, int]:
        covered = self.spans[start:end]
        if not covered:
            at = self.spans[start][0] if start < len(self.spans) else len(self.written)
            return at, at
        return min(begin for begin, _ in covered), max(stop for _, stop in covered)
