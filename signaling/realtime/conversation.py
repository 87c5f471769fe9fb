"""What a client does to the conversation's items: puts in, asks for, cuts, takes out. Pure.

Every method gives the events to send and what the call is to do; it raises Refused, and then
nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from signaling.realtime import client
from signaling.realtime.commands import Command, Interrupt, Remember, Step
from signaling.realtime.items import Item, Items
from signaling.realtime.refusal import Refused, unsupported


class Conversation:
    """The items of one session, as its client edits them."""

    def __init__(self, items: Items, new_id: Callable[[str], str]) -> None:
        self.system = ""
        """What the client told the model in the system's name, besides the instructions."""
        self._items = items
        self._new_id = new_id

    def create(self, event: client.CreateItem) -> Step:
        """A message of the client's. One of the user's is pending until it is answered."""
        item = self._typed(event.item)
        self._items.add(item)
        told, place = item.render(), {"previous_item_id": item.previous}
        commands: list[Command] = []
        if item.role == "assistant":
            commands = [Remember("assistant", item.text)]
        elif item.role == "system":
            self.system = f"{self.system}\n{item.text}".strip()
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

    def truncate(self, event: client.TruncateItem, *, is_speaking: bool) -> Step:
        item = self._items.get(event.item_id)
        if item.part != "output_audio" or event.content_index != 0:
            raise Refused(
                "invalid_value", "only the audio the agent said can be truncated", param="item_id"
            )
        told = {
            "type": "conversation.item.truncated",
            "item_id": item.id,
            "content_index": 0,
            "audio_end_ms": event.audio_end_ms,
        }
        # What the caller did not hear is dropped with the interruption, exact to the word.
        going_on = is_speaking and item.status == "in_progress"
        return Step([told], [Interrupt()] if going_on else [])

    def delete(self, event: client.DeleteItem) -> Step:
        item = self._items.get(event.item_id)
        if not item.is_pending:
            raise unsupported("forgetting what was already said", "item_id")
        self._items.remove(item.id)
        return Step([{"type": "conversation.item.deleted", "item_id": item.id}])

    def take_pending(self) -> list[Item]:
        """The typed items that are to be answered now."""
        pending = [item for item in self._items if item.is_pending]
        for item in pending:
            item.is_pending = False
        return pending

    def _typed(self, new: client.NewItem) -> Item:
        if new.type != "message":
            raise unsupported("calling functions", "item.type")
        if new.role is None or not new.content:
            raise Refused("missing_required_parameter", "a message needs a role and content")
        part: Literal["output_text", "input_text"] = (
            "output_text" if new.role == "assistant" else "input_text"
        )
        if any(each.type not in (part, "text") for each in new.content):
            raise unsupported("content other than text in a created item", "item.content")
        text = " ".join(each.text or "" for each in new.content).strip()
        if not text:
            raise Refused("invalid_value", "the item's text is empty", param="item.content")
        item_id = new.id or self._new_id("item")
        if item_id in self._items:
            raise Refused("duplicate_item_id", f"there is an item {item_id!r}", param="item.id")
        return Item(item_id, new.role, part, text, is_pending=new.role == "user")
