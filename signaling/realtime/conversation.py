"""What a client does to the conversation's items: puts in, asks for, cuts, takes out. Pure.

Every method gives the events to send and what the call is to do; it raises Refused, and then
nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from agent.messages import Message
from signaling.realtime import client
from signaling.realtime.commands import Amend, Command, Fields, Remember, Step, Truncate
from signaling.realtime.items import Item, Items
from signaling.realtime.refusal import Refused, unsupported


class Conversation:
    """The items of one session, as its client edits them."""

    def __init__(self, items: Items, new_id: Callable[[str], str]) -> None:
        self._items = items
        self._new_id = new_id

    @property
    def system(self) -> str:
        """What the client told the model in the system's name, besides the instructions."""
        return "\n".join(item.text for item in self._items if item.role == "system")

    def create(self, event: client.CreateItem) -> Step:
        """A message of the client's."""
        item = self._typed(event.item)
        self._items.add(item, event.previous_item_id)
        told, place = item.render(), {"previous_item_id": item.previous}
        commands: list[Command] = []
        if item.role != "system":
            item.key = item.id
            keys = tuple(each.key for each in self._items.before(item.id) if each.key)
            last = self._items.last == item.id
            commands = [Remember(item.role, item.text, item.key, None if last else keys)]
        return Step(
            [
                {"type": "conversation.item.added", "item": told, **place},
                {"type": "conversation.item.done", "item": told, **place},
            ],
            commands,
        )

    def retrieve(self, event: client.RetrieveItem) -> Step:
        item = self._items.get(event.item_id)
        return Step([{"type": "conversation.item.retrieved", "item": item.render()}])

    def truncate(self, event: client.TruncateItem) -> Step:
        """`truncated` is told when the call has done it, and knows what is left."""
        item = self._items.get(event.item_id)
        if item.part != "output_audio" or item.turn is None:
            raise Refused(
                "invalid_value", "only the audio the agent said can be truncated", param="item_id"
            )
        if event.content_index != 0:
            raise Refused("invalid_value", "there is no such part", param="content_index")
        return Step([], [Truncate(item.turn, event.audio_end_ms / 1000)])

    def delete(self, event: client.DeleteItem) -> Step:
        """It was never said."""
        item = self._items.get(event.item_id)
        if item.status == "in_progress":
            raise Refused(
                "item_in_progress", "the item is being said: cancel its response", param="item_id"
            )
        self._items.remove(item.id)
        told: Fields = {"type": "conversation.item.deleted", "item_id": item.id}
        return Step([told], [Amend(item.key, "")] if item.key else [])

    def messages(self) -> tuple[Message, ...]:
        """What was said so far, as a model reads it, without the instructions."""
        said = [item for item in self._items if item.role != "system" and item.text]
        return tuple(Message(item.role, item.text) for item in said)

    def read(self, given: list[client.NewItem | client.ItemReference]) -> tuple[Message, ...]:
        """Items of a client's own, or references to these, as a model reads them."""
        items = [
            self._items.get(each.id)
            if isinstance(each, client.ItemReference)
            else self._typed(each, is_new=False)
            for each in given
        ]
        return tuple(Message(item.role, item.text) for item in items if item.text)

    def _typed(self, new: client.NewItem, *, is_new: bool = True) -> Item:
        if new.type != "message":
            raise unsupported("calling functions", "item.type")
        if new.role is None or not new.content:
            raise Refused(
                "missing_required_parameter",
                "a message needs a role and content",
                param="item.content" if new.role else "item.role",
            )
        part: Literal["output_text", "input_text"] = (
            "output_text" if new.role == "assistant" else "input_text"
        )
        for number, each in enumerate(new.content):
            if each.type not in (part, "text"):
                where = f"item.content.{number}.type"
                raise unsupported(f"{each.type} in a message of the {new.role}'s", where)
        text = " ".join(each.text or "" for each in new.content).strip()
        if not text:
            raise Refused("invalid_value", "the item's text is empty", param="item.content")
        item_id = new.id or self._new_id("item")
        if is_new and item_id in self._items:
            raise Refused("duplicate_item_id", f"there is an item {item_id!r}", param="item.id")
        return Item(item_id, new.role, part, text)
