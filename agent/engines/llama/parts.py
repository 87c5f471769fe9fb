"""How a step's tokens are put to llama.cpp: in which calls, and filled up to which number. Pure.

With quantised weights a CPU takes 16 tokens at once, then four, then what is left over one by one:
three cost more than four, and thirteen as much as sixteen. And where each sequence has memory of
its own, llama.cpp cuts a batch of unequal sequences after the shortest, so that 4 replies and 16
tokens of a prompt become 5 and 15. So prompts are read in calls of their own there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from agent.engines.llama.runtime import Entry

AT_ONCE, AT_LEAST = 16, 4
"""Tokens that are multiplied together, and those of what is left over."""


@dataclass(slots=True)
class Part:
    """The entries of one call. `answers`: the numbers of its answers among those of the step."""

    entries: list[Entry] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


def parts(batch: Sequence[Entry], *, split: bool) -> list[Part]:
    """The calls of a step. `split`: each sequence has memory of its own.

    Single tokens, replies above all, come together and last."""
    if not split or len(batch) == 1:
        entries = list(batch)
        return [Part(entries, list(range(sum(entry.answer for entry in entries))))]
    read, single, answers = list[Part](), Part(), 0
    for _, run in groupby(batch, key=lambda entry: entry.sequence):
        entries = list(run)
        part = single
        if len(entries) > 1:
            part = Part()
            read.append(part)
        part.entries += entries
        given = sum(entry.answer for entry in entries)
        part.answers += range(answers, answers + given)
        answers += given
    return [*read, single] if single.entries else read


def filled(tokens: int) -> int:
    """How many tokens cost least, of this number and those a little above it."""
    if -tokens % AT_ONCE < AT_LEAST:
        return tokens + -tokens % AT_ONCE
    return tokens + 1 if tokens % AT_LEAST == AT_LEAST - 1 else tokens
