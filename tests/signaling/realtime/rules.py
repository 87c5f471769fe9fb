"""What every stream of server events must keep to, whatever is done to the server.

`Referee.see` is given each event as it is sent, and raises when a rule is broken; with it every
event is read by the schema of OpenAI's own SDK.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

SCHEMA: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@dataclass
class Going:
    """A response that is going on."""

    config: dict[str, Any]
    is_floor: bool
    """It is spoken, or part of the conversation: one at a time."""
    output: list[str] = field(default_factory=list)
    """Its items by index."""
    open: list[tuple[str, str]] = field(default_factory=list)
    """What was added and is not done, innermost last."""


class Referee:
    """One session's events, in order."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.going: dict[str, Going] = {}
        self.finished: set[str] = set()
        self.items: dict[str, str] = {}
        self.order: list[str] = []
        """The conversation's items as a client puts them in order, by what it is told."""
        self.apart: set[str] = set()
        """Items of responses that are no part of the conversation."""
        self.position = 0
        self.buffering: str | None = None
        self.spoken: dict[str, str] = {}
        self._ids: set[str] = set()

    @property
    def active(self) -> str | None:
        """The response that has the floor."""
        return next((each for each, it in self.going.items() if it.is_floor), None)

    def see(self, event: dict[str, Any]) -> None:
        """Judge the next event."""
        SCHEMA.validate_python(event)
        self.events.append(event)
        assert isinstance(event["event_id"], str) and event["event_id"] not in self._ids
        self._ids.add(event["event_id"])
        kind = event["type"]
        if kind.startswith("response.") and kind not in ("response.created", "response.done"):
            assert event["response_id"] in self.going, "content outside its response"
        rule = getattr(self, "_" + kind.replace(".", "_"), None)
        if rule is not None:
            rule(event)

    def _response_created(self, event: dict[str, Any]) -> None:
        response = event["response"]
        apart = response["conversation_id"] is None
        is_floor = not apart or response["output_modalities"] == ["audio"]
        assert not (is_floor and self.active), "two responses at once"
        assert response["id"] not in self.finished and response["id"] not in self.going
        self.going[response["id"]] = Going(_configuration(event), is_floor)

    def _response_done(self, event: dict[str, Any]) -> None:
        response = event["response"]
        going = self.going.pop(response["id"], None)
        assert going is not None, "a second terminal event"
        assert not going.open, f"added and never done: {going.open}"
        output = [item["id"] for item in response["output"]]
        assert output == going.output, "other items than were added, or in another order"
        assert response["status"] in ("completed", "incomplete", "cancelled", "failed")
        assert _configuration(event) == going.config, "a response's configuration changed"
        self.finished.add(response["id"])

    def _response_output_item_added(self, event: dict[str, Any]) -> None:
        self._open(event).append(("item", event["item"]["id"]))
        assert event["output_index"] == len(self.going[event["response_id"]].output)
        self.going[event["response_id"]].output.append(event["item"]["id"])
        if self.going[event["response_id"]].config["conversation_id"] is None:
            self.apart.add(event["item"]["id"])

    def _response_function_call_arguments_delta(self, event: dict[str, Any]) -> None:
        assert ("item", event["item_id"]) == self._open(event)[-1], "arguments outside their call"
        self.spoken[event["item_id"]] = self.spoken.get(event["item_id"], "") + event["delta"]

    def _response_function_call_arguments_done(self, event: dict[str, Any]) -> None:
        assert event["arguments"] == self.spoken[event["item_id"]]

    def _response_content_part_added(self, event: dict[str, Any]) -> None:
        assert event["item_id"] in {*self.items, *self.apart}, "a part before its item"
        self._open(event).append(("part", event["item_id"]))

    def _response_content_part_done(self, event: dict[str, Any]) -> None:
        assert self._open(event).pop() == ("part", event["item_id"])

    def _response_output_item_done(self, event: dict[str, Any]) -> None:
        assert self._open(event).pop() == ("item", event["item"]["id"])
        going = self.going[event["response_id"]]
        assert going.output[event["output_index"]] == event["item"]["id"]
        if event["item"]["type"] == "function_call":
            assert event["item"]["status"] == "completed" and event["item"]["call_id"]
            assert event["item"]["arguments"] == self.spoken[event["item"]["id"]]

    def _response_output_audio_transcript_delta(self, event: dict[str, Any]) -> None:
        self._in_part(event)
        self.spoken[event["item_id"]] = self.spoken.get(event["item_id"], "") + event["delta"]

    def _response_output_text_delta(self, event: dict[str, Any]) -> None:
        assert self.going[event["response_id"]].config["output_modalities"] == ["text"]
        self._response_output_audio_transcript_delta(event)

    def _response_output_audio_delta(self, event: dict[str, Any]) -> None:
        assert self.going[event["response_id"]].config["output_modalities"] == ["audio"]
        self._in_part(event)

    def _response_output_audio_transcript_done(self, event: dict[str, Any]) -> None:
        assert event["transcript"] == self.spoken.get(event["item_id"], "")

    def _response_output_text_done(self, event: dict[str, Any]) -> None:
        assert event["text"] == self.spoken.get(event["item_id"], "")

    def _conversation_item_added(self, event: dict[str, Any]) -> None:
        item_id = event["item"]["id"]
        assert item_id not in self.items, "an item added twice"
        assert item_id not in self.apart, "an item that is no part of the conversation"
        self.items[item_id] = "added"
        before = event["previous_item_id"]
        self.order.insert(0 if before is None else self.order.index(before) + 1, item_id)

    def _conversation_item_done(self, event: dict[str, Any]) -> None:
        assert self.items.get(event["item"]["id"]) == "added"
        self.items[event["item"]["id"]] = "done"

    def _conversation_item_deleted(self, event: dict[str, Any]) -> None:
        assert self.items.get(event["item_id"]) == "done"
        self.order.remove(event["item_id"])

    def _conversation_item_truncated(self, event: dict[str, Any]) -> None:
        assert event["item_id"] in self.items

    def _input_audio_buffer_committed(self, event: dict[str, Any]) -> None:
        assert self.active is None or not self.answers, (
            "committed before the response was cancelled"
        )

    answers = True
    """What is committed now is answered by itself."""

    def _input_audio_buffer_speech_started(self, event: dict[str, Any]) -> None:
        self._moment(event["audio_start_ms"])

    def _input_audio_buffer_speech_stopped(self, event: dict[str, Any]) -> None:
        self._moment(event["audio_end_ms"])

    def _input_audio_buffer_timeout_triggered(self, event: dict[str, Any]) -> None:
        self._moment(event["audio_start_ms"])
        self._moment(event["audio_end_ms"])

    def _output_audio_buffer_started(self, event: dict[str, Any]) -> None:
        assert self.buffering is None and event["response_id"] == self.active
        self.buffering = event["response_id"]

    def _output_audio_buffer_stopped(self, event: dict[str, Any]) -> None:
        assert self.buffering == event["response_id"] and self.active is None
        self.buffering = None

    _output_audio_buffer_cleared = _output_audio_buffer_stopped

    def close(self) -> None:
        """The session is over: nothing may be left open."""
        assert not self.going and self.buffering is None
        assert "added" not in self.items.values()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def _open(self, event: dict[str, Any]) -> list[tuple[str, str]]:
        return self.going[event["response_id"]].open

    def _in_part(self, event: dict[str, Any]) -> None:
        assert ("part", event["item_id"]) in self._open(event), "content outside its part"

    def _moment(self, milliseconds: int) -> None:
        assert milliseconds >= self.position, "the input went backwards"
        self.position = milliseconds


def _configuration(event: dict[str, Any]) -> dict[str, Any]:
    names = (
        "audio",
        "output_modalities",
        "max_output_tokens",
        "metadata",
        "conversation_id",
    )
    return {name: event["response"][name] for name in names}
