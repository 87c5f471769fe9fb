"""What every stream of server events must keep to, whatever is done to the server.

`Referee.see` is given each event as it is sent, and raises when a rule is broken; with it every
event is read by the schema of OpenAI's own SDK.
"""

from __future__ import annotations

from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

SCHEMA: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
OUT_OF_TURN = {"error", "rate_limits.updated", "session.created", "session.updated"}


class Referee:
    """One session's events, in order."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.active: str | None = None
        self.finished: set[str] = set()
        self.open: list[tuple[str, str]] = []
        """What was added and is not done, innermost last."""
        self.items: dict[str, str] = {}
        self.position = 0
        self.buffering: str | None = None
        self.spoken: dict[str, str] = {}
        self.config: dict[str, Any] | None = None
        self._ids: set[str] = set()

    def see(self, event: dict[str, Any]) -> None:
        """Judge the next event."""
        SCHEMA.validate_python(event)
        self.events.append(event)
        assert isinstance(event["event_id"], str) and event["event_id"] not in self._ids
        self._ids.add(event["event_id"])
        rule = getattr(self, "_" + event["type"].replace(".", "_"), None)
        if rule is not None:
            rule(event)
        if event["type"].startswith("response.") and event["type"] != "response.created":
            owner = event.get("response_id") or event["response"]["id"]
            done = event["type"] == "response.done"
            assert owner == (self.events and self._owner(done)), "content outside its response"

    def _owner(self, done: bool) -> str | None:
        return self._last_finished if done else self.active

    def _response_created(self, event: dict[str, Any]) -> None:
        assert self.active is None, "two responses at once"
        self.active = event["response"]["id"]
        assert self.active not in self.finished
        self.config = _configuration(event)

    def _response_done(self, event: dict[str, Any]) -> None:
        response = event["response"]
        assert response["id"] == self.active, "a second terminal event"
        assert not self.open, f"added and never done: {self.open}"
        assert response["status"] in ("completed", "cancelled", "failed")
        assert _configuration(event) == self.config, "a response's configuration changed"
        self._last_finished = response["id"]
        self.finished.add(response["id"])
        self.active = None

    def _response_output_item_added(self, event: dict[str, Any]) -> None:
        self.open.append(("item", event["item"]["id"]))

    def _response_content_part_added(self, event: dict[str, Any]) -> None:
        assert event["item_id"] in self.items, "a part before its item"
        self.open.append(("part", event["item_id"]))

    def _response_content_part_done(self, event: dict[str, Any]) -> None:
        assert self.open.pop() == ("part", event["item_id"])

    def _response_output_item_done(self, event: dict[str, Any]) -> None:
        assert self.open.pop() == ("item", event["item"]["id"])

    def _response_output_audio_transcript_delta(self, event: dict[str, Any]) -> None:
        assert ("part", event["item_id"]) in self.open, "words outside their part"
        self.spoken[event["item_id"]] = self.spoken.get(event["item_id"], "") + event["delta"]

    def _response_output_audio_delta(self, event: dict[str, Any]) -> None:
        assert ("part", event["item_id"]) in self.open, "sound outside its part"

    def _response_output_audio_transcript_done(self, event: dict[str, Any]) -> None:
        assert event["transcript"] == self.spoken.get(event["item_id"], "")

    def _conversation_item_added(self, event: dict[str, Any]) -> None:
        item_id = event["item"]["id"]
        assert item_id not in self.items, "an item added twice"
        self.items[item_id] = "added"

    def _conversation_item_done(self, event: dict[str, Any]) -> None:
        assert self.items.get(event["item"]["id"]) == "added"
        self.items[event["item"]["id"]] = "done"

    def _conversation_item_deleted(self, event: dict[str, Any]) -> None:
        assert self.items.get(event["item_id"]) == "done"

    def _input_audio_buffer_committed(self, event: dict[str, Any]) -> None:
        assert self.active is None, "committed before the response was cancelled"

    def _input_audio_buffer_speech_started(self, event: dict[str, Any]) -> None:
        assert event["audio_start_ms"] >= self.position, "the input went backwards"
        self.position = event["audio_start_ms"]

    def _input_audio_buffer_speech_stopped(self, event: dict[str, Any]) -> None:
        assert event["audio_end_ms"] >= self.position, "the input went backwards"
        self.position = event["audio_end_ms"]

    def _output_audio_buffer_started(self, event: dict[str, Any]) -> None:
        assert self.buffering is None and event["response_id"] == self.active
        self.buffering = event["response_id"]

    def _output_audio_buffer_stopped(self, event: dict[str, Any]) -> None:
        assert self.buffering == event["response_id"] and self.active is None
        self.buffering = None

    _output_audio_buffer_cleared = _output_audio_buffer_stopped

    def close(self) -> None:
        """The session is over: nothing may be left open."""
        assert self.active is None and not self.open and self.buffering is None
        assert "added" not in self.items.values()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


def _configuration(event: dict[str, Any]) -> dict[str, Any]:
    names = ("audio", "output_modalities", "max_output_tokens", "metadata")
    return {name: event["response"][name] for name in names}
