"""Which words of the agent's the caller heard, exact to a word.

Words are laid on the speaker's content clock as their audio is queued; a barge-in asks which of
them lie before the position that had reached the caller's ear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Mark:
    text: str
    middle: float


class Heard:
    """The words of one reply on the content clock (seconds of audio handed to the speaker)."""

    def __init__(self) -> None:
        self._marks: list[_Mark] = []
        self.begins: float | None = None
        """Where the first piece begins; None before there is any."""

    def add(self, position: float, words: Sequence[tuple[str, float, float]]) -> None:
        """Words `(text, start, end)`, in seconds from the piece that begins at `position`."""
        if self.begins is None:
            self.begins = position
        self._marks += [_Mark(text, position + (start + end) / 2) for text, start, end in words]

    def text(self, until: float) -> str:
        """The words that were heard until `until`: those whose middle had been played."""
        return " ".join(mark.text for mark in self._marks if mark.middle <= until)

    def full(self) -> str:
        """All the words, heard or not."""
        return " ".join(mark.text for mark in self._marks)

    def cut(self, until: float) -> None:
        """Forget what was not heard until `until`: its audio was cleared and never leaves."""
        self._marks = [mark for mark in self._marks if mark.middle <= until]
