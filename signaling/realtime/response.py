"""One response, from `response.created` to its one `response.done`. Pure.

Promises: everything added gets its done, in the opposite order; nothing comes after the terminal
event; what it was configured to be does not change while it lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from signaling.realtime.config import SessionConfig
from signaling.realtime.items import Item

Fields = dict[str, Any]
Status = Literal["completed", "cancelled", "failed"]
Reason = Literal["turn_detected", "client_cancelled"]

NO_TOKENS: Fields = {
    "total_tokens": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 0, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 0, "audio_tokens": 0},
}
"""The engines here do not count what they do in tokens; clients insist on numbers."""


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


class Response:
    """What the agent says in one go. Every method gives the events that tell of it."""

    def __init__(
        self, response_id: str, item: Item, config: SessionConfig, metadata: Fields | None
    ) -> None:
        self.id = response_id
        self.item = item
        self.has_content = False
        self.is_buffered = False
        """Its audio has begun to leave."""
        self._metadata = metadata
        self._config = config

    def created(self) -> list[Fields]:
        return [{"type": "response.created", "response": self._render("in_progress", None, ())}]

    def begin(self, previous: str | None) -> list[Fields]:
        """Its message and the message's one part begin."""
        self.has_content = True
        item = self.item.render()
        ids = {"response_id": self.id, "output_index": 0}
        part = {"type": "audio", "transcript": ""}
        return [
            {"type": "response.output_item.added", **ids, "item": item},
            {"type": "conversation.item.added", "previous_item_id": previous, "item": item},
            {"type": "response.content_part.added", **self._ids, "part": part},
        ]

    def say(self, sentence: str) -> list[Fields]:
        """A sentence begins to be audible."""
        delta = f" {sentence}" if self.item.text else sentence
        self.item.text += delta
        return [{"type": "response.output_audio_transcript.delta", **self._ids, "delta": delta}]

    def sound(self, audio: str) -> list[Fields]:
        """Audio leaves, in base64."""
        return [{"type": "response.output_audio.delta", **self._ids, "delta": audio}]

    def done(self, ending: Ending) -> list[Fields]:
        """The terminal event, and before it the ends of all that was added."""
        events: list[Fields] = []
        if self.has_content:
            self.item.status = "completed" if ending.status == "completed" else "incomplete"
            events = self._content_done()
        output = [self.item.render()] if self.has_content else []
        rendered = self._render(ending.status, ending.details(), output)
        return [*events, {"type": "response.done", "response": rendered}]

    def _content_done(self) -> list[Fields]:
        text, item = self.item.text, self.item.render()
        ids = {"response_id": self.id, "output_index": 0}
        part = {"type": "audio", "transcript": text}
        return [
            {"type": "response.output_audio.done", **self._ids},
            {"type": "response.output_audio_transcript.done", **self._ids, "transcript": text},
            {"type": "response.content_part.done", **self._ids, "part": part},
            {"type": "response.output_item.done", **ids, "item": item},
            {
                "type": "conversation.item.done",
                "previous_item_id": self.item.previous,
                "item": item,
            },
        ]

    @property
    def _ids(self) -> Fields:
        return {
            "response_id": self.id,
            "item_id": self.item.id,
            "output_index": 0,
            "content_index": 0,
        }

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
            "conversation_id": None,
            "metadata": self._metadata,
            "usage": NO_TOKENS if status != "in_progress" else None,
        }
