"""What was said in a call, as the language model will read it.

Holds only what was heard: a reply that was cut off keeps the words that reached the caller, one
that nobody heard leaves no trace. Promises: roles alternate after the system message (two turns
of the caller without a reply between them are read as one), `version` changes with every change,
and the length is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from agent.messages import Message, Role


class HistorySettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How much of a call the language model is given."""

    max_turns: int = Field(default=30, ge=1, le=1000)
    """Turns kept; beyond it the oldest are dropped."""
    max_characters: int = Field(default=6000, ge=100, le=1_000_000)
    """Characters kept, the system message left out; beyond it the oldest turns are dropped."""
    keep_share: float = Field(default=0.7, gt=0, le=1)
    """Share of both limits kept when turns are dropped. Dropping changes the beginning of the
    prompt, which costs the model its whole cache: so rarely and much, not a little every turn."""


@dataclass(slots=True)
class _Turn:
    heard: str
    """The caller's words; empty for what the agent said unasked, as in a greeting."""
    said: str

    @property
    def characters(self) -> int:
        return len(self.heard) + len(self.said)


class History:
    """The turns of one call."""

    def __init__(self, system: str, settings: HistorySettings | None = None) -> None:
        self._system = system
        self._settings = settings or HistorySettings()
        self._turns: list[_Turn] = []
        self._version = 0

    @property
    def version(self) -> int:
        """Changes with every change: a reply made from another version is stale."""
        return self._version

    @property
    def system(self) -> str:
        return self._system

    @system.setter
    def system(self, text: str) -> None:
        """Change the persona in the middle of the call."""
        if text != self._system:
            self._system = text
            self._version += 1

    @property
    def last_heard(self) -> str:
        """The caller's words of the last turn; empty before the first."""
        return self._turns[-1].heard if self._turns else ""

    def hear(self, text: str) -> None:
        """The caller said `text`: a turn of theirs begins. Raises ValueError when blank."""
        self._turns.append(_Turn(heard=_words(text), said=""))
        self._changed()

    def replace_last_heard(self, text: str) -> None:
        """The caller's last turn was really `text` (a soft end: its two parts are one).

        Raises ValueError when blank, or when the caller has said nothing yet.
        """
        if not self.last_heard:
            raise ValueError("there is no turn of the caller's to replace: call hear() first")
        self._turns[-1].heard = _words(text)
        self._changed()

    def say(self, text: str) -> None:
        """The caller heard `text` of the reply to their last turn; blank: nothing of it.

        Said again within the same turn, it is added to what was heard before.
        """
        text = text.strip()
        if not text:
            return
        if not self._turns:
            self._turns.append(_Turn(heard="", said=""))
        turn = self._turns[-1]
        turn.said = f"{turn.said} {text}" if turn.said else text
        self._changed()

    def messages(self, pending: str | None = None) -> tuple[Message, ...]:
        """System message and turns, oldest first; `pending` is what the caller is saying now."""
        spoken: list[Message] = []
        for turn in self._turns:
            _add(spoken, "user", turn.heard)
            _add(spoken, "assistant", turn.said)
        _add(spoken, "user", (pending or "").strip())
        system = (Message("system", self._system),) if self._system else ()
        return system + tuple(spoken)

    def _changed(self) -> None:
        self._version += 1
        limits = self._settings
        if self._fits(limits.max_turns, limits.max_characters):
            return
        turns, characters = (
            max(1, int(limit * limits.keep_share))
            for limit in (limits.max_turns, limits.max_characters)
        )
        while len(self._turns) > 1 and not self._fits(turns, characters):
            del self._turns[0]

    def _fits(self, turns: int, characters: int) -> bool:
        long = sum(turn.characters for turn in self._turns)
        return len(self._turns) <= turns and long <= characters


def _words(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("a turn of the caller's needs words; a turn without any is dropped")
    return text


def _add(messages: list[Message], role: Role, text: str) -> None:
    """Append, joined to the last message when it is of the same role: templates want turns."""
    if not text:
        return
    if messages and messages[-1].role == role:
        text = f"{messages.pop().text} {text}"
    messages.append(Message(role, text))
