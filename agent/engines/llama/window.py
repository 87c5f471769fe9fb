"""The part of a conversation that fits into the model's context. Pure.

What is left out is left out of the middle: the system prompt stays, the oldest turns go. They go
several at a time, down to ROOM_AFTER of the room, because each time the rest of the history must be
read anew. A single message that is too long loses its beginning, and a system prompt its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.messages import Message

ROOM_AFTER = 0.6
"""Share of the room that a history takes after turns were left out."""

Count = Callable[[Sequence[Message]], int]
"""Tokens of a prompt made of these messages."""


@dataclass(frozen=True, slots=True)
class Window:
    """Where the kept part of a conversation begins: at the turn of number `start`, `first`."""

    start: int = 0
    first: Message | None = None

    def of(self, messages: Sequence[Message]) -> int:
        """Where it begins in these messages; at the beginning if they are not the same any more."""
        same = self.start < len(messages) and messages[self.start] == self.first
        return self.start if same else 0


def fit(
    messages: Sequence[Message], *, count: Count, room: int, window: Window
) -> tuple[list[Message], Window]:
    """The messages that are kept, `room` tokens at most, and the window to go on with."""
    head = [m for m in messages[:1] if m.role == "system"]
    turns = messages[len(head) :]
    start = window.of(turns)
    if count([*head, *turns[start:]]) > room:
        start = _later_start(head, turns, start, count, int(room * ROOM_AFTER))
    kept = [*head, *turns[start:]]
    if count(kept) > room:
        kept = _shortened(head, turns[start:], count, room)
    return kept, Window(start, turns[start] if start < len(turns) else None)


def _later_start(
    head: list[Message], turns: Sequence[Message], start: int, count: Count, room: int
) -> int:
    """The first turn of the caller from which on it fits; the last message if none does."""
    for at in range(start + 1, len(turns)):
        if turns[at].role == "user" and count([*head, *turns[at:]]) <= room:
            return at
    return max(len(turns) - 1, start)


def _shortened(
    head: list[Message], turns: Sequence[Message], count: Count, room: int
) -> list[Message]:
    """Texts cut to what fits: the oldest first, from its beginning; the system prompt last."""
    turns = list(turns)
    for i, turn in enumerate(turns):
        rest = turns[i + 1 :]
        if count([*head, *rest]) > room:
            continue  # not even without it
        return [*head, *_longest(turn, rest, lambda kept: count([*head, *kept]) <= room)]
    last = turns[-1:] and [replace(turns[-1], text=turns[-1].text[-_SHORT:])]
    return _longest_head(head, last, lambda kept: count(kept) <= room)


_SHORT = 40  # characters of the last message that remain beside a system prompt that is too long


def _longest(
    turn: Message, rest: list[Message], fits: Callable[[list[Message]], bool]
) -> list[Message]:
    text = turn.text

    def kept(length: int) -> list[Message]:
        return [replace(turn, text=text[len(text) - length :].lstrip()), *rest]

    return kept(_most(len(text), lambda length: fits(kept(length))))


def _longest_head(
    head: list[Message], rest: list[Message], fits: Callable[[list[Message]], bool]
) -> list[Message]:
    text = head[0].text if head else ""

    def kept(length: int) -> list[Message]:
        return [Message("system", text[:length]), *rest]

    return kept(_most(len(text), lambda length: fits(kept(length))))


def _most(most: int, fits: Callable[[int], bool]) -> int:
    """The greatest length up to `most` that fits, by halving; 0 if none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
