"""How a step's tokens are put to llama.cpp: in which calls, and filled up to which number. Pure.

With quantised weights a CPU takes 16 tokens at once, then four, then what is left over one by one:
three cost more than four, and thirteen as much as sixteen. And where each sequence has memory of
its own, llama.cpp cuts a batch of unequal sequences after the shortest, so that 4 replies and 16
tokens of a prompt become 5 and 15. So prompts are read in calls of their own there. It also cuts
between sequences whose numbers do not follow each other (`split_equal` in llama-batch.cpp): replies
in the sequences 1, 3, 2 and 5 would be made one by one. So they are put in order, and a sequence
that is missing between them takes part where that costs less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby

from agent.engines.llama.runtime import Entry

AT_ONCE, AT_LEAST = 16, 4
"""Tokens that are multiplied together, and those of what is left over."""
_COSTS = {1: 1.0, AT_LEAST: 2.0, AT_ONCE: 5.0}
"""Of so many tokens together, in the time of a single one: 10.5, 21 and 52 ms on one AVX-512 core
with a model of 0.5 B parameters; two cores take the same ratios."""


@dataclass(slots=True)
class Part:
    """The entries of one call. `answers`: the numbers of its answers among those of the step."""

    entries: list[Entry] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


def parts(batch: Sequence[Entry], *, split: bool) -> list[Part]:
    """The calls of a step. `split`: each sequence has memory of its own.

    Single tokens, replies above all, come together and last, in the order of their sequences."""
    if not split or len(batch) == 1:
        entries = list(batch)
        return [Part(entries, list(range(sum(entry.answer for entry in entries))))]
    read, single, answers = list[Part](), list[Part](), 0
    for _, run in groupby(batch, key=lambda entry: entry.sequence):
        entries = list(run)
        given = sum(entry.answer for entry in entries)
        part = Part(entries, list(range(answers, answers + given)))
        (read if len(entries) > 1 else single).append(part)
        answers += given
    single.sort(key=lambda part: part.entries[0].sequence)
    together = Part(
        [entry for part in single for entry in part.entries],
        [answer for part in single for answer in part.answers],
    )
    return [*read, together] if single else read


def filled(tokens: int) -> int:
    """How many tokens cost least, of this number and those a little above it."""
    if -tokens % AT_ONCE < AT_LEAST:
        return tokens + -tokens % AT_ONCE
    return tokens + 1 if tokens % AT_LEAST == AT_LEAST - 1 else tokens


@lru_cache(maxsize=64)
def covered(sequences: tuple[int, ...], total: int) -> tuple[int, ...]:
    """The sequences of 0 to `total` - 1 that had best take a token each, in order: these, which
    ascend, and those beside them that make it cost less. Only neighbours are multiplied together.

    The cheapest way to cover the numbers with ranges of 1, 4 and 16; of equal ones, that of the
    fewest tokens."""
    wanted = frozenset(sequences)
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    """What the first so many sequences cost, and which of them take part."""
    for end in range(1, total + 1):
        ways = [] if end - 1 in wanted else [best[end - 1]]
        for length, cost in _COSTS.items():
            if length <= end:
                before, chosen = best[end - length]
                ways.append((before + cost, (*chosen, *range(end - length, end))))
        best.append(min(ways, key=lambda way: (way[0], len(way[1]))))
    return best[total][1]
