"""One response, from `response.created` to its one `response.done`. Pure.

Promises: everything added gets its done, in the opposite order; nothing comes after the terminal
event; what it was configured to be does not change while it lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.messages import Usage
from signaling.realtime.commands import Fields
from signaling.realtime.config import SessionConfig
from signaling.realtime.items import Item

Status = Literal["completed", "incomplete", "cancelled", "failed"]
Reason = Literal["turn_detected", "client_cancelled", "max_output_tokens"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ended. `error`: why it failed, in words."""

    status: Status
    reason: Reason | None = None
    error: str | None = None

    def details(self) -> Fields | None:
        if self.status == "completed":
            return None
        details: Fields = {"type": self.status}
        if self.reason is not None:
            details["reason"] = self.reason
        if self.error is not None:
            details["error"] = {
                "type": "server_error",
                "code": "stage_failed",
                "message": self.error,
            }
        return details


COMPLETED = Ending("completed")


class Response:
    """What the agent says, or writes, in one go. Every method gives the events that tell of it.

    `conversation`: the id of the one it belongs to; None: it is out of band."""

    def __init__(
        self,
        response_id: str,
        item_id: str,
        config: SessionConfig,
        *,
        metadata: Fields | None = None,
        conversation: str | None = None,
    ) -> None:
        self.id = response_id
        self.is_written = config.output_modalities == ["text"]
        part: Literal["output_text", "output_audio"] = (
            "output_text" if self.is_written else "output_audio"
        )
        self.item = Item(item_id, "assistant", part, status="in_progress")
        """What it says; there once something is said."""
        self.output: list[Item] = []
        """All that was added, in order."""
        self.conversation = conversation
        self.has_content = False
        self.is_buffered = False
        """Its audio has begun to leave."""
        self.usage: Usage | None = None
        self._metadata = metadata
        self._config = config

    def created(self) -> list[Fields]:
        return [{"type": "response.created", "response": self._render("in_progress", None, ())}]

    def begin(self, previous: str | None) -> list[Fields]:
        """Its message and the message's one part begin."""
        self.has_content = True
        self.output.append(self.item)
        item = self.item.render()
        ids = self._place(self.item)
        told: list[Fields] = [{"type": "response.output_item.added", **ids, "item": item}]
        if self.conversation is not None:
            told.append(
                {"type": "conversation.item.added", "previous_item_id": previous, "item": item}
            )
        part = self._part("")
        return [*told, {"type": "response.content_part.added", **self._ids, "part": part}]

    def say(self, sentence: str) -> list[Fields]:
        """A sentence begins to be audible."""
        delta = f" {sentence}" if self.item.text else sentence
        return self._more(delta)

    def write(self, piece: str) -> list[Fields]:
        """More of its text."""
        return self._more(piece)

    def sound(self, audio: str) -> list[Fields]:
        """Audio leaves, in base64."""
        return [{"type": "response.output_audio.delta", **self._ids, "delta": audio}]

    @property
    def has_called(self) -> bool:
        """The client is asked for something."""
        return any(item.call is not None for item in self.output)

    def call(self, item: Item) -> list[Fields]:
        """A call of one of the client's tools, whole; what is said may go on beside it."""
        assert item.call is not None
        call = item.call
        self.output.append(item)
        ids = {**self._place(item), "item_id": item.id, "call_id": call.id}
        begun = {**item.render(), "status": "in_progress", "arguments": ""}
        done = item.render()
        told: list[Fields] = [
            {"type": "response.output_item.added", **self._place(item), "item": begun}
        ]
        place = {"previous_item_id": item.previous}
        if self.conversation is not None:
            told.append({"type": "conversation.item.added", **place, "item": begun})
        arguments = {"name": call.name, "arguments": call.arguments}
        told += [
            {"type": "response.function_call_arguments.delta", **ids, "delta": call.arguments},
            {"type": "response.function_call_arguments.done", **ids, **arguments},
            {"type": "response.output_item.done", **self._place(item), "item": done},
        ]
        if self.conversation is not None:
            told.append({"type": "conversation.item.done", **place, "item": done})
        return told

    def done(self, ending: Ending) -> list[Fields]:
        """The terminal event, and before it the ends of all that was added."""
        if ending is COMPLETED and self.usage is not None and self.usage.is_cut:
            ending = Ending("incomplete", "max_output_tokens")
        events: list[Fields] = []
        if self.has_content:
            self.item.status = "completed" if ending.status == "completed" else "incomplete"
            events = self._content_done()
        output = [item.render() for item in self.output]
        rendered = self._render(ending.status, ending.details(), output)
        return [*events, {"type": "response.done", "response": rendered}]

    def _more(self, delta: str) -> list[Fields]:
        self.item.text += delta
        kind = "text" if self.is_written else "audio_transcript"
        return [{"type": f"response.output_{kind}.delta", **self._ids, "delta": delta}]

    def _content_done(self) -> list[Fields]:
        text, item = self.item.text, self.item.render()
        ids = self._place(self.item)
        told: list[Fields] = [
            {"type": "response.output_audio.done", **self._ids},
            {"type": "response.output_audio_transcript.done", **self._ids, "transcript": text},
        ]
        if self.is_written:
            told = [{"type": "response.output_text.done", **self._ids, "text": text}]
        told += [
            {"type": "response.content_part.done", **self._ids, "part": self._part(text)},
            {"type": "response.output_item.done", **ids, "item": item},
        ]
        if self.conversation is not None:
            place = {"previous_item_id": self.item.previous}
            told.append({"type": "conversation.item.done", **place, "item": item})
        return told

    def _part(self, text: str) -> Fields:
        if self.is_written:
            return {"type": "text", "text": text}
        return {"type": "audio", "transcript": text}

    @property
    def _ids(self) -> Fields:
        return {
            **self._place(self.item),
            "item_id": self.item.id,
            "content_index": 0,
        }

    def _place(self, item: Item) -> Fields:
        return {"response_id": self.id, "output_index": self.output.index(item)}

    def _render(self, status: str, details: Fields | None, output: Sequence[Fields]) -> Fields:
        sound = self._config.audio.output
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": list(output),
            "output_modalities": self._config.output_modalities,
            "audio": {"output": {"format": sound.format.model_dump(), "voice": self._config.voice}},
            "max_output_tokens": self._config.max_output_tokens,
            "conversation_id": self.conversation,
            "metadata": self._metadata,
            "usage": _rendered(self.usage) if status != "in_progress" else None,
        }


def _rendered(usage: Usage | None) -> Fields | None:
    """In the model's own tokens, which are text; null where the engine does not count them."""
    if usage is None:
        return None
    return {
        "total_tokens": usage.prompt + usage.generated,
        "input_tokens": usage.prompt,
        "output_tokens": usage.generated,
        "input_token_details": {
            "text_tokens": usage.prompt,
            "audio_tokens": 0,
            "cached_tokens": usage.cached,
            "cached_tokens_details": {"text_tokens": usage.cached, "audio_tokens": 0},
        },
        "output_token_details": {"text_tokens": usage.generated, "audio_tokens": 0},
    }
