"""What was said in a call, as the language model will read it.

Holds only what was heard: a reply that was cut off keeps the words that reached the caller, one
that nobody heard leaves no trace. Promises: roles alternate after the system message (two turns
of the caller without a reply between them are read as one), `version` changes with every change,
and the length is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, Field

from agent.messages import NO_RESULT, Message, Role, ToolCall


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
class _Entry:
    """Something that one side said. `key` names it for whoever wants to change it later."""

    role: Role
    text: str
    key: str
    used: tuple[Message, ...] = ()
    """Instead of a text: calls of tools and their results."""


def heard_key(turn: int) -> str:
    """The key of what the caller said in a turn."""
    return f"heard {turn}"


def said_key(turn: int) -> str:
    """The key of what the agent said in a turn."""
    return f"said {turn}"


class History:
    """What both sides of one call said, in order."""

    def __init__(self, system: str, settings: HistorySettings | None = None) -> None:
        self._system = system
        self._settings = settings or HistorySettings()
        self._entries: list[_Entry] = []
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
        """The caller's last words; empty before the first."""
        said = (entry.text for entry in reversed(self._entries) if entry.role == "user")
        return next((text for text in said if text), "")

    def hear(self, text: str, key: str = "") -> None:
        """The caller said `text`: a turn of theirs begins. Raises ValueError when blank."""
        self._entries.append(_Entry("user", _words(text), key))
        self._changed()

    def say(self, text: str, key: str = "") -> None:
        """The caller heard `text` of the reply to their last turn; blank: nothing of it.

        Said again within the same turn, it is added to what was heard before.
        """
        text = text.strip()
        if not text:
            return
        self._entries.append(_Entry("assistant", text, key))
        self._changed()

    def use(self, messages: Sequence[Message]) -> None:
        """To answer the caller, these tools were asked for, with these results."""
        if messages:
            # What was said beside the calls is written down as far as it was heard.
            used = tuple(m if m.role == "tool" else replace(m, text="") for m in messages)
            text = "".join(m.text for m in used)
            self._entries.append(_Entry("assistant", text, "", used))
            self._changed()

    def call(self, call: ToolCall, *, after: Sequence[str] | None = None) -> None:
        """A tool was asked for, without a result so far; `after`: as of `insert`."""
        asked = Message("assistant", "", calls=(call,))
        entry = _Entry("assistant", "", "", (asked, Message("tool", NO_RESULT, call_id=call.id)))
        place = len(self._entries) if after is None else self._place(after)
        self._entries.insert(place, entry)
        self._changed()

    def resolve(self, call_id: str, result: str) -> None:
        """The result of the newest call of that id. Unknown: nothing."""
        for entry in reversed(self._entries):
            if any(message.call_id == call_id for message in entry.used):
                entry.used = tuple(
                    replace(message, text=result) if message.call_id == call_id else message
                    for message in entry.used
                )
                self._reckon(entry)
                return

    def uncall(self, call_id: str) -> None:
        """The newest call of that id, and its result, never were. Unknown: nothing."""
        for entry in reversed(self._entries):
            if any(message.call_id == call_id for message in entry.used):
                left = (_without(m, call_id) for m in entry.used if m.call_id != call_id)
                entry.used = tuple(m for m in left if m.role == "tool" or m.calls)
                self._entries = [each for each in self._entries if each is not entry or each.used]
                self._reckon(entry)
                return

    def _reckon(self, entry: _Entry) -> None:
        entry.text = "".join(message.text for message in entry.used)
        self._changed()

    def _place(self, after: Sequence[str]) -> int:
        known = {entry.key: place for place, entry in enumerate(self._entries) if entry.key}
        return next((known[each] + 1 for each in after if each in known), 0)

    def insert(self, role: Role, text: str, key: str, *, after: Sequence[str]) -> None:
        """Put something said between what was said before: after the first of these keys that is
        known, at the beginning when none is. Raises ValueError when blank."""
        self._entries.insert(self._place(after), _Entry(role, _words(text), key))
        self._changed()

    def expect(self, key: str, *, after: Sequence[str] | None = None) -> None:
        """The caller said something here whose words come by `amend`; until then nothing is read
        of it. `after`: as of `insert`, unset: at the end."""
        place = len(self._entries) if after is None else self._place(after)
        self._entries.insert(place, _Entry("user", "", key))
        self._changed()

    def amend(self, key: str, text: str) -> None:
        """What has this key was really `text`; blank: it was never said. Unknown: nothing."""
        before = [entry for entry in self._entries if key and entry.key == key]
        is_so = " ".join(entry.text for entry in before) == text.strip() != ""
        if not before or is_so:
            return
        before[0].text = text.strip()
        gone = before[1:] if text.strip() else before
        self._entries = [entry for entry in self._entries if not any(entry is x for x in gone)]
        self._changed()

    def messages(self, pending: str | None = None) -> tuple[Message, ...]:
        """System message and turns, oldest first; `pending` is what the caller is saying now."""
        spoken: list[Message] = []
        for entry in self._entries:
            if entry.used:
                _use(spoken, entry.used)
            else:
                _add(spoken, entry.role, entry.text)
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
        begins = [n for n in range(1, len(self._entries)) if self._entries[n].role == "user"]
        whole = self._entries
        for begin in begins:
            self._entries = whole[begin:]
            if self._fits(turns, characters):
                break

    def _fits(self, turns: int, characters: int) -> bool:
        """A turn begins with each thing the caller says; what the agent says first is one."""
        count = sum(entry.role == "user" for entry in self._entries)
        count += bool(self._entries) and self._entries[0].role != "user"
        return count <= turns and sum(len(entry.text) for entry in self._entries) <= characters


def _words(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("a turn of the caller's needs words; a turn without any is dropped")
    return text


def _without(message: Message, call_id: str) -> Message:
    return replace(message, calls=tuple(call for call in message.calls if call.id != call_id))


def _use(messages: list[Message], used: Sequence[Message]) -> None:
    """Append calls and results; words that were said just before are of the same message."""
    first, *others = used
    if messages and messages[-1].role == first.role == "assistant" and not messages[-1].calls:
        first = replace(first, text=messages.pop().text)
    messages += [first, *others]


def _add(messages: list[Message], role: Role, text: str) -> None:
    """Append, joined to the last message when it is of the same role: templates want turns."""
    if not text:
        return
    if messages and messages[-1].role == role:
        text = f"{messages.pop().text} {text}"
    messages.append(Message(role, text))
