"""Where the words of a text lie in its clip, from what a voice tells about it.

Every word of the text (as `str.split` has it) gets exactly one `Word`, in order, without overlap;
so the words that a caller heard can be counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from agent.engines.protocols import Word


def spread(words: Sequence[str], start: float, end: float) -> tuple[Word, ...]:
    """The words between `start` and `end` (seconds), each by its share of the characters."""
    weights = [sum(char.isalnum() for char in word) or 0.1 for word in words]
    total = sum(weights) or 1
    marks = [start + (end - start) * part / total for part in accumulate(weights, initial=0)]
    return tuple(
        Word(word, begin, stop) for word, (begin, stop) in zip(words, pairwise(marks), strict=True)
    )


def match(sizes: Sequence[int], groups: Sequence[int]) -> list[tuple[range, range]]:
    """Which words were spoken as which groups of sounds, when a voice joins or parts some.

    `sizes` are the words' own numbers of sounds, `groups` those in the clip. Returns ranges of
    words with their ranges of groups, in order, covering both; one of a pair may be empty. The
    least total difference in size decides (dynamic programming over both sequences)."""
    until_word = list(accumulate(sizes, initial=0))
    until_group = list(accumulate(groups, initial=0))
    costs: dict[_Position, float] = {(0, 0): 0.0}
    came_from: dict[_Position, _Position] = {}
    for word in range(len(sizes) + 1):
        for group in range(len(groups) + 1):
            for words, sounds in _STEPS:
                before = (word - words, group - sounds)
                if before not in costs:
                    continue
                spoken = until_word[word] - until_word[before[0]]
                sounded = until_group[group] - until_group[before[1]]
                uneven = _UNEVEN if (words, sounds) != (1, 1) else 0.0
                cost = costs[before] + abs(spoken - sounded) + uneven
                if cost < costs.get((word, group), float("inf")):
                    costs[word, group], came_from[word, group] = cost, before
    return _path(came_from, (len(sizes), len(groups)))


_Position = tuple[int, int]
_STEPS = ((1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (1, 3), (1, 4), (1, 0), (0, 1))
_UNEVEN = 0.5
"""What a step costs that is not one to one, so that equal sizes stay apart."""


def _path(came_from: dict[_Position, _Position], position: _Position) -> list[tuple[range, range]]:
    steps = []
    while position != (0, 0):
        before = came_from[position]
        steps.append((range(before[0], position[0]), range(before[1], position[1])))
        position = before
    return steps[::-1]


def between_marks(text: str, marks: Mapping[int, float], end: float) -> tuple[Word, ...]:
    """The words of `text` when a voice tells for some characters (by index) the second at which
    they begin. Words that it passes over share the time of the one before; the last ends at `end`.
    """
    times = sorted((at, second) for at, second in marks.items() if 0 <= at < len(text))
    # A mark inside a word, as for the second half of a compound, is not that word's beginning.
    starts = {match.start() for match in re.finditer(r"\S+", text)}
    times = [(at, second) for at, second in times if at in starts]
    if not times or text[: times[0][0]].strip():
        times.insert(0, (0, times[0][1] if times else 0.0))
    times.append((len(text), end))
    words: list[Word] = []
    for (at, begin), (until, stop) in pairwise(times):
        begin = min(max(begin, 0.0), end)
        words.extend(spread(text[at:until].split(), begin, min(max(stop, begin), end)))
    return tuple(words)
