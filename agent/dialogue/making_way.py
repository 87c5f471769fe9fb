"""Where a filler ends when the reply comes: with a word, and so that the reply waits for little.

Positions are seconds of the speaker's content clock. A filler's words are joined to the reply by a
short breath; the silence that the filler's sound itself ends in is a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """Where a word of a filler begins and ends."""

    start: float
    end: float


def nearest_end(words: Sequence[SpokenWord], position: float) -> float:
    """Where a filler that has come to `position` can end at the soonest: there, between two words
    or behind the last, else at the end of the word that it is in."""
    inside = [word.end for word in words if word.start < position < word.end]
    return inside[0] if inside else position


def silence_before(words: Sequence[SpokenWord], position: float) -> float:
    """Seconds of silence that lie between the last word and `position`."""
    ends = [word.end for word in words if word.start < position]
    return max(0.0, position - ends[-1]) if ends else 0.0


def has_time(
    words: Sequence[SpokenWord],
    position: float,
    reply_in: float,
    *,
    breath: float,
    most_kept_back: float,
) -> bool:
    """Whether a filler at `position` says its next word before a reply that is expected in
    `reply_in` seconds: if that keeps the reply back by `most_kept_back` seconds at most."""
    ahead = [word.end for word in words if word.end > position and word.start >= position]
    return bool(ahead) and ahead[0] + breath - position <= reply_in + most_kept_back
