"""What llama.cpp's cache holds, token by token: a mirror that decides without asking it.

A *sequence* is a run of tokens from position 0; a *cell* is room for one token. Sequences that
begin alike share the cells of their common beginning, so room is counted in cells, each with the
number of sequences that hold it. Pure: whoever changes the mirror does the same to llama.cpp.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence


class Cache:
    """The sequences of one context. Not told apart: whose they are is the scheduler's business."""

    def __init__(self, *, cells: int, sequences: int, rewinds: bool = True) -> None:
        self._cells = cells
        self._rewinds = rewinds
        self._numbers = itertools.count()
        self._shares: Counter[int] = Counter()
        self._tokens: dict[int, list[int]] = {}
        self._held: dict[int, list[int]] = {}
        self._unused = list(range(sequences - 1, -1, -1))

    @property
    def free(self) -> int:
        """Cells that hold nothing."""
        return self._cells - len(self._shares)

    def open(self) -> int | None:
        """A sequence that nobody uses, empty; None when there is none."""
        if not self._unused:
            return None
        sequence = self._unused.pop()
        self._tokens[sequence], self._held[sequence] = [], []
        return sequence

    def close(self, sequence: int) -> None:
        """Empty a sequence and give it back."""
        self.cut(sequence, 0)
        del self._tokens[sequence], self._held[sequence]
        self._unused.append(sequence)

    def length(self, sequence: int) -> int:
        return len(self._tokens[sequence])

    def tokens(self, sequence: int) -> tuple[int, ...]:
        return tuple(self._tokens[sequence])

    def append(self, sequence: int, tokens: Sequence[int]) -> None:
        """Tokens that were decoded at the end of a sequence."""
        cells = list(itertools.islice(self._numbers, len(tokens)))
        self._shares.update(cells)
        self._tokens[sequence].extend(tokens)
        self._held[sequence].extend(cells)

    def cut(self, sequence: int, length: int) -> None:
        """Keep the first `length` tokens."""
        for cell in self._held[sequence][length:]:
            self._shares[cell] -= 1
            if not self._shares[cell]:
                del self._shares[cell]
        del self._held[sequence][length:], self._tokens[sequence][length:]

    def copy(self, source: int, target: int, length: int) -> None:
        """`target`, which is empty, begins with the first `length` tokens of `source`."""
        cells = self._held[source][:length]
        self._shares.update(cells)
        self._held[target].extend(cells)
        self._tokens[target].extend(self._tokens[source][:length])

    def usable(self, sequence: int, prompt: Sequence[int], *, most: int) -> int:
        """How many tokens of the prompt, `most` of them, need not be read again in this sequence.

        (A reply needs the answer to its prompt's last token, which is therefore read again.)"""
        held = self._tokens[sequence]
        common = min(common_prefix(held, prompt), most)
        return common if self._rewinds or common == len(held) else 0


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    for length, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return length
    return min(len(one), len(other))
