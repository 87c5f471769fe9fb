"""What a client does to the conversation's items: puts in, asks for, cuts, takes out. Pure.

Every method gives the events to send and what the call is to do; it raises Refused, and then
nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from agent.messages import NO_RESULT, Message, ToolCall
from media.audio import AudioChunk
from signaling.realtime import client
from signaling.realtime.commands import (
    Amend,
    Command,
    Fields,
    ForgetCall,
    Read,
    Remember,
    RememberCall,
    Resolve,
    Step,
    Truncate,
)
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
        """A message of the client's, a call from before, or what a call of its tools brought."""
        item = self._new(event.item)
        self._items.add(item, event.previous_item_id)
        return Step(_told(item), self._remembering(item))

    def record(self, event: client.CreateItem, audio: AudioChunk) -> tuple[Item, Step]:
        """A message of the client's that is a recording: its words come later."""
        item_id = event.item.id or self._new_id("item")
        item = Item(item_id, "user", "input_audio", is_awaited=True)
        self._check_id(item)
        self._items.add(item, event.previous_item_id)
        item.key = self._new_id("recording")
        return item, Step(_told(item), [Read(audio, item.key, self._after(item))])

    def _remembering(self, item: Item) -> list[Command]:
        if item.role == "system":
            return []
        if item.part == "function_call_output":
            return [Resolve(item.call_id, item.text)]
        after = self._after(item)
        if item.call is not None:
            return [RememberCall(item.call, after)]
        assert item.role != "tool"
        item.key = item.id
        return [Remember(item.role, item.text, item.key, after)]

    def _after(self, item: Item) -> tuple[str, ...] | None:
        """The keys of what it follows; None: it is the last."""
        if self._items.last == item.id:
            return None
        return tuple(each.key for each in self._items.before(item.id) if each.key)

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
        commands: list[Command] = [Amend(item.key, "")] if item.key else []
        if item.call is not None:
            commands = [ForgetCall(item.call.id)]
        elif item.call_id and self._items.result(item.call_id) is item:
            commands = [Resolve(item.call_id, NO_RESULT)]
        self._items.remove(item.id)
        told: Fields = {"type": "conversation.item.deleted", "item_id": item.id}
        return Step([told], commands)

    def messages(self) -> tuple[Message, ...]:
        """What was said so far, as a model reads it, without the instructions."""
        return self._as_read(item for item in self._items if item.role != "system")

    def read(self, given: list[client.NewItem | client.ItemReference]) -> tuple[Message, ...]:
        """Items of a client's own, or references to these, as a model reads them."""
        items = [
            self._items.get(each.id) if isinstance(each, client.ItemReference) else self._read(each)
            for each in given
        ]
        return self._as_read(items)

    def _as_read(self, items: Iterable[Item]) -> tuple[Message, ...]:
        """A call is followed by its result: a model knows no other order."""
        listed = list(items)
        results = {item.call_id: item.text for item in listed if item.call_id}
        messages: list[Message] = []
        for item in listed:
            if item.is_awaited:
                told = f"the words of {item.id!r} are not known yet: wait for its transcript"
                raise Refused("item_not_transcribed", told, param="response.input")
            if item.call is not None:
                messages.append(Message("assistant", "", calls=(item.call,)))
                result = results.get(item.call.id, NO_RESULT)
                messages.append(Message("tool", result, call_id=item.call.id))
            elif item.text and item.role != "tool":
                messages.append(Message(item.role, item.text))
        return tuple(messages)

    def _new(self, new: client.NewItem) -> Item:
        item = self._read(new)
        self._check_id(item)
        if item.call is not None and self._items.call(item.call.id) is not None:
            told = f"there is a call {item.call.id!r}"
            raise Refused("duplicate_call_id", told, param="item.call_id")
        if item.part == "function_call_output":
            call_id = item.call_id
            if self._items.call(call_id) is None:
                told = f"there is no call {call_id!r}: the call_id is that of a function_call"
                raise Refused("call_not_found", told, param="item.call_id")
            if self._items.result(call_id) is not None:
                told = f"the call {call_id!r} has its output: delete that first"
                raise Refused("duplicate_call_output", told, param="item.call_id")
        return item

    def _check_id(self, item: Item) -> None:
        if item.id in self._items:
            raise Refused("duplicate_item_id", f"there is an item {item.id!r}", param="item.id")

    def _read(self, new: client.NewItem) -> Item:
        """An item as the client gives it."""
        item_id = new.id or self._new_id("item")
        match new.type:
            case "message":
                return self._typed(new, item_id)
            case "function_call":
                call_id = new.call_id or self._new_id("call")
                name, arguments = _given(new.name, "name"), _given(new.arguments, "arguments")
                call = ToolCall(call_id, name, arguments)
                return Item(item_id, "assistant", "function_call", call=call)
            case "function_call_output":
                call_id, text = _given(new.call_id, "call_id"), _given(new.output, "output")
                return Item(item_id, "tool", "function_call_output", text, call_id=call_id)

    def _typed(self, new: client.NewItem, item_id: str) -> Item:
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
        return Item(item_id, new.role, part, text)


def _told(item: Item) -> list[Fields]:
    told, place = item.render(), {"previous_item_id": item.previous}
    return [
        {"type": "conversation.item.added", "item": told, **place},
        {"type": "conversation.item.done", "item": told, **place},
    ]


def _given(value: str | None, name: str) -> str:
    if value is None:
        told = f"item.{name} is missing"
        raise Refused("missing_required_parameter", told, param=f"item.{name}")
    return value
