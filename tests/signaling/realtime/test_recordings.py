"""What a client brings as sound: understood, told, and remembered as the user's words."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from agent.events import RecordingRead
from signaling.realtime.commands import Amend, Read, Step
from signaling.realtime.recordings import MOST
from signaling.realtime.session import Session
from tests.server.house import spoken
from tests.signaling.realtime.asking import Asking
from tests.signaling.realtime.happenings import APART, session
from tests.signaling.realtime.rules import Referee
from tests.signaling.realtime.speaking import Talker, talker
from tests.signaling.realtime.test_events import typed
from tests.signaling.realtime.test_websocket import home

SECOND = 48_000
"""Bytes of a second of PCM."""
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def recording(sound: bytes | str, **fields: Any) -> dict[str, Any]:
    """A message that is sound, as base64 or as bytes that become it."""
    audio = sound if isinstance(sound, str) else base64.b64encode(sound).decode()
    return {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "audio": audio}],
        **fields,
    }


def take(it: Session, item: dict[str, Any], **fields: Any) -> Step:
    event = {"type": "conversation.item.create", "event_id": "e", "item": item, **fields}
    return it.take(json.dumps(event))


def asked(step: Step) -> Read:
    (command,) = step.commands
    assert isinstance(command, Read)
    return command


def configure(it: Session, **changes: Any) -> None:
    update = {"type": "session.update", "session": {"audio": {"input": changes}}}
    (told,) = it.take(json.dumps(update)).events
    assert told["type"] == "session.updated", told


def kinds(step: Step) -> list[str]:
    return [told["type"] for told in step.events]


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
def test_a_recording_is_an_item_whose_words_come_later(transport: Any) -> None:
    it, referee = session(transport), Referee()
    step = take(it, recording(bytes(2 * SECOND)))
    assert kinds(step) == ["conversation.item.added", "conversation.item.done"]
    item = step.events[0]["item"]
    assert item["content"] == [{"type": "input_audio", "transcript": None}]
    read = asked(step)
    assert read.audio.rate == 16_000 and read.audio.seconds == pytest.approx(2.0, abs=0.02)
    assert read.after is None

    words = it.tell(RecordingRead(at=1.0, key=read.key, text="what time is it"))
    assert kinds(words) == [f"{TRANSCRIPTION}.delta", f"{TRANSCRIPTION}.completed"]
    completed = words.events[1]
    assert (completed["item_id"], completed["content_index"]) == (item["id"], 0)
    assert completed["transcript"] == "what time is it"
    assert completed["usage"] == {"type": "duration", "seconds": 2.0}
    retrieve = {"type": "conversation.item.retrieve", "item_id": item["id"]}
    told = it.take(json.dumps(retrieve)).events[0]["item"]
    assert told["content"][0]["transcript"] == "what time is it"
    for event in step.events + words.events:
        referee.see(event)


@pytest.mark.parametrize(("kind", "rate"), [("audio/pcmu", 8000), ("audio/pcma", 8000)])
def test_it_comes_in_the_sessions_format(kind: str, rate: int) -> None:
    it = session()
    configure(it, format={"type": kind})
    read = asked(take(it, recording(bytes(rate))))
    assert read.audio.seconds == pytest.approx(1.0, abs=0.02)
    silent = {"audio/pcmu": 0xFF, "audio/pcma": 0xD5}[kind]
    quiet = asked(take(it, recording(bytes([silent]) * rate)))
    assert np.abs(quiet.audio.samples).max() < 20 < np.abs(read.audio.samples).max()


def test_it_is_put_where_the_client_wants_it() -> None:
    it = session()
    hello = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
    take(it, {**hello, "id": "one"})
    take(it, {**hello, "id": "two"})
    step = take(it, recording(bytes(SECOND)), previous_item_id="one")
    assert step.events[0]["previous_item_id"] == "one"
    assert asked(step).after == ("one",)
    assert take(it, recording(bytes(SECOND)), previous_item_id="no").events[0]["error"]["param"]


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        (recording("not base64!"), "invalid_value", "item.content.0.audio"),
        (recording("AAA"), "invalid_value", "item.content.0.audio"),
        (recording(bytes(SECOND + 1)), "invalid_value", "item.content.0.audio"),
        (recording(b""), "invalid_value", "item.content.0.audio"),
        (recording(bytes(SECOND // 20)), "invalid_value", "item.content.0.audio"),
        (recording(bytes(61 * SECOND)), "invalid_value", "item.content.0.audio"),
        (
            recording(b"", content=[{"type": "input_audio"}]),
            "missing_required_parameter",
            "item.content.0.audio",
        ),
        (
            recording(
                b"",
                content=[
                    {"type": "input_text", "text": "Listen:"},
                    {"type": "input_audio", "audio": "AAAA"},
                ],
            ),
            "invalid_value",
            "item.content",
        ),
        (recording(bytes(SECOND), role="assistant"), "unsupported_value", "item.content.0.type"),
        (recording(bytes(SECOND), role="system"), "unsupported_value", "item.content.0.type"),
    ],
)
def test_what_is_no_recording_is_refused_by_the_name_of_what_is_wrong(
    item: dict[str, Any], code: str, param: str
) -> None:
    it = session()
    step = take(it, item)
    (told,) = step.events
    assert (told["error"]["code"], told["error"]["param"]) == (code, param)
    assert told["error"]["event_id"] == "e" and not step.commands
    assert it._items.last is None


def test_a_recording_as_opus_is_refused() -> None:
    it = session()
    configure(it, format={"type": "audio/opus"})
    (told,) = take(it, recording(bytes(SECOND))).events
    assert told["error"]["param"] == "item.content.0.audio"


def test_an_id_that_is_taken_is_refused() -> None:
    it = session()
    take(it, recording(bytes(SECOND), id="mine"))
    (told,) = take(it, recording(bytes(SECOND), id="mine")).events
    assert told["error"]["code"] == "duplicate_item_id"


def test_only_so_many_wait_for_their_words() -> None:
    it = session()
    reads = [asked(take(it, recording(bytes(SECOND)))) for _ in range(MOST)]
    (told,) = take(it, recording(bytes(SECOND))).events
    assert told["error"]["code"] == "too_many_recordings"
    it.tell(RecordingRead(at=1.0, key=reads[0].key, text=""))
    assert asked(take(it, recording(bytes(SECOND))))


def test_a_recogniser_that_fails_is_told_of_the_item() -> None:
    it, referee = session(), Referee()
    step = take(it, recording(bytes(SECOND)))
    read = RecordingRead(at=1.0, key=asked(step).key, text="", error="no ears")
    (told,) = it.tell(read).events
    referee.see(told)
    assert told["type"] == f"{TRANSCRIPTION}.failed"
    assert told["item_id"] == step.events[0]["item"]["id"]
    assert (told["error"]["code"], told["error"]["message"]) == ("stage_failed", "no ears")


def test_a_client_that_wants_no_transcripts_is_told_none() -> None:
    it = session()
    configure(it, transcription=None)
    step = take(it, recording(bytes(SECOND), id="mine"))
    assert not it.tell(RecordingRead(at=1.0, key=asked(step).key, text="hello")).events
    (told,) = it.take('{"type": "conversation.item.retrieve", "item_id": "mine"}').events
    assert told["item"]["content"][0]["transcript"] == "hello"


def test_one_that_is_deleted_is_told_no_more_whoever_has_its_id_now() -> None:
    it = session()
    first = asked(take(it, recording(bytes(SECOND), id="mine")))
    deleted = it.take('{"type": "conversation.item.delete", "item_id": "mine"}')
    assert deleted.commands == [Amend(first.key, "")]
    second = asked(take(it, recording(bytes(SECOND), id="mine")))
    assert not it.tell(RecordingRead(at=1.0, key=first.key, text="one")).events
    told = it.tell(RecordingRead(at=1.0, key=second.key, text="two")).events
    assert told[-1]["transcript"] == "two"


def test_a_response_from_words_that_are_not_known_yet_is_refused() -> None:
    it = session()
    read = asked(take(it, recording(bytes(SECOND), id="mine")))
    apart = json.dumps({"type": "response.create", "response": APART})
    (told,) = it.take(apart).events
    assert told["error"]["code"] == "item_not_transcribed"
    assert not it._narration.asides._going_on
    it.tell(RecordingRead(at=1.0, key=read.key, text="what time is it"))
    assert it.take(apart).commands


async def put_in(it: Talker, audio: bytes) -> str:
    await it.connection.conversation.item.create(item=recording(audio))  # type: ignore[arg-type]
    return str((await it.wait_for("conversation.item.done"))["item"]["id"])


async def test_a_recording_is_answered_by_who_is_asked_at_once() -> None:
    model = Asking()
    async with home("what time is it", model=model) as (url, _), talker(url) as it:
        await it.wait_for("session.created")
        await typed(it, "Listen.")
        item_id = await put_in(it, b"".join(it.pieces(await spoken("What time is it?"))))
        await it.connection.response.create()
        done = (await it.wait_for("response.done"))["response"]
        assert done["status"] == "completed"
        assert model.requests[-1].messages[-1].text == "Listen. what time is it"
        (told,) = it.of(f"{TRANSCRIPTION}.completed")
        assert (told["item_id"], told["transcript"]) == (item_id, "what time is it")
        assert 0.5 < told["usage"]["seconds"] < 5.0
        it.referee.close()
