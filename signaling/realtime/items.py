"""The conversation's items, in order, as a client sees them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.messages import ToolCall
from signaling.realtime.refusal import Refused

Fields = dict[str, Any]
ROOT = "root"
"""What precedes the first item."""
MAX_ITEMS = 1000
"""Items that can be retrieved; older ones are forgotten."""


@dataclass(slots=True)
class Item:
    """A message, a call of one of the client's tools, or the result of one. `text` is what was said
    or typed, or the result."""

    id: str
    role: Literal["user", "assistant", "system", "tool"]
    part: Literal[
        "input_text",
        "input_audio",
        "output_text",
        "output_audio",
        "function_call",
        "function_call_output",
    ]
    text: str = ""
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    key: str = ""
    """Its name in the conversation's history; empty: it is not there, or not yet."""
    turn: int | None = None
    """The call's number of it, where the agent said it."""
    is_awaited: bool = False
    """Its words are not known yet."""
    call: ToolCall | None = None
    """What was asked for."""
    call_id: str = ""
    """Of a result: what it answers."""
    previous: str | None = field(default=None, init=False)

    def render(self) -> Fields:
        """As the protocol writes it; an assistant's message that has not begun has no content."""
        base: Fields = {
            "id": self.id,
            "object": "realtime.item",
            "type": self.part,
            "status": self.status,
        }
        if self.call is not None:
            called = {"name": self.call.name, "arguments": self.call.arguments}
            return {**base, "call_id": self.call.id, **called}
        if self.part == "function_call_output":
            return {**base, "call_id": self.call_id, "output": self.text}
        content: list[Fields] = []
        if self.part == "input_audio":
            content = [{"type": self.part, "transcript": self.text or None}]
        elif self.part == "output_audio" and (self.text or self.status != "in_progress"):
            content = [{"type": self.part, "transcript": self.text}]
        elif self.part in ("input_text", "output_text"):
            content = [{"type": self.part, "text": self.text}]
        return {**base, "type": "message", "role": self.role, "content": content}


class Items:
    """All items of a session that can still be asked for."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._later: list[str] | None = None
        """What came at the end since the agent's next words were begun; None: they were not."""

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def holds(self, item: Item) -> bool:
        """This very one is there, and none that came after it under its id."""
        return self._items.get(item.id) is item

    @property
    def last(self) -> str | None:
        """The id of the newest."""
        return next(reversed(self._items), None)

    def add(self, item: Item, after: str | None = None) -> Item:
        """Put an item at the end, or after another (`root`: at the beginning); the oldest is
        forgotten when there are too many. Raises Refused when there is no such other."""
        if self._later is not None and after in (None, self.last):
            self._later.append(item.id)
        return self._add(item, after)

    def hold_place(self) -> None:
        """The agent's next words are made from what is here: what comes at the end from now on
        comes after them."""
        self._later = []

    def give_up_place(self) -> None:
        """All that was to be said in that place is here, or never will be."""
        self._later = None

    def add_reply(self, item: Item) -> Item:
        """Put in what the agent says or asks for: in the place that was held for it."""
        later = next((each for each in self._later or () if each in self._items), None)
        if later is None:
            return self._add(item)
        before = self.before(later)
        return self._add(item, before[0].id if before else ROOT)

    def call(self, call_id: str) -> Item | None:
        """The newest call of that id."""
        calls = (item for item in reversed(self._items.values()) if item.call is not None)
        return next((item for item in calls if item.call and item.call.id == call_id), None)

    def result(self, call_id: str) -> Item | None:
        """The newest result of the call of that id, of those after it."""
        for item in reversed(self._items.values()):
            if item.part == "function_call_output" and item.call_id == call_id:
                return item
            if item.call is not None and item.call.id == call_id:
                return None
        return None

    def before(self, item_id: str) -> list[Item]:
        """The items that precede it, the nearest first."""
        if item_id not in self._items:
            return []  # Too old the moment it came.
        ids = list(self._items)
        return [self._items[each] for each in reversed(ids[: ids.index(item_id)])]

    def _add(self, item: Item, after: str | None = None) -> Item:
        if after is None:
            item.previous = self.last
            self._items[item.id] = item
        else:
            self._insert(item, after)
        if len(self._items) > MAX_ITEMS:
            del self._items[next(iter(self._items))]
        return item

    def _insert(self, item: Item, after: str) -> None:
        items = list(self._items.values())
        place = 0
        if after != ROOT:
            if after not in self._items:
                raise Refused(
                    "item_not_found", f"there is no item {after[:64]!r}", param="previous_item_id"
                )
            place = 1 + list(self._items).index(after)
        item.previous = None if after == ROOT else after
        items.insert(place, item)
        self._items = {each.id: each for each in items}

    def get(self, item_id: str) -> Item:
        """Raises Refused."""
        if item_id not in self._items:
            raise Refused("item_not_found", f"there is no item {item_id[:64]!r}", param="item_id")
        return self._items[item_id]

    def remove(self, item_id: str) -> None:
        self._items.pop(item_id, None)
