"""Whatever a client and a conversation do, in whatever order: the protocol's rules hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import events
from agent.persona import korean
from signaling.realtime import items
from signaling.realtime.commands import Configure, Interrupt
from signaling.realtime.session import Transport
from tests.signaling.realtime.happenings import HAPPENINGS, happen, session
from tests.signaling.realtime.rules import Referee


@settings(max_examples=200)
@given(HAPPENINGS, st.sampled_from(["websocket", "webrtc"]))
def test_the_rules_hold_in_any_order(happenings: list[Any], transport: Transport) -> None:
    it, referee = session(transport), Referee()
    for told in it.hello().events:
        referee.see(told)
    it.tell(events.CallStarted(at=1000.0, language="en"))
    for number, each in enumerate(happenings):
        if transport == "webrtc" and isinstance(each, tuple):
            continue
        happen(it, referee, each, number)
    assert referee.order == [item.id for item in it._items], "another order than was told"
    for _ in range(2):
        for told in it.tell(events.CallEnded(at=1200.0, reason="hangup")).events:
            referee.see(told)
        referee.close()
    assert not it.sound(b"\0\0", fresh=True).events, "sound after the end"


@given(HAPPENINGS, st.integers(1, 3))
def test_the_rules_hold_while_old_items_are_forgotten(happenings: list[Any], most: int) -> None:
    it, referee = session(), Referee()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items, "MAX_ITEMS", most)
        for number, each in enumerate(happenings):
            happen(it, referee, each, number)
        for told in it.tell(events.CallEnded(at=1200.0, reason="hangup")).events:
            referee.see(told)
    referee.close()


@given(HAPPENINGS)
def test_a_refused_update_changes_nothing(happenings: list[Any]) -> None:
    it, referee = session(), Referee()
    for number, each in enumerate(happenings):
        before = it.config
        happen(it, referee, each, number)
        last = referee.events[-1]["type"] if referee.events else ""
        if isinstance(each, dict) and each.get("type") == "session.update" and last == "error":
            assert it.config is before


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_message_is_too_strange(message: str | bytes) -> None:
    step = session().take(message)
    assert [told["type"] for told in step.events] == ["error"]
    assert not step.commands


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "type",
                        "audio",
                        "input",
                        "format",
                        "voice",
                        "tools",
                        "output",
                        "turn_detection",
                        "instructions",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_no_session_is_too_strange(changes: Any) -> None:
    message = {"type": "session.update", "session": changes, "event_id": "e"}
    it, referee = session(), Referee()
    step = it.take(json.dumps(message))
    for told in step.events:
        referee.see(told)
    assert [told["type"] for told in step.events][0] in ("error", "session.updated")


def test_a_cancel_is_carried_out_by_the_conversation() -> None:
    it, referee = session(), Referee()
    it.tell(events.ReplySpoken(at=1.0, turn=0, text="Hello there.", seconds=1.0))
    step = it.take('{"type": "response.cancel"}')
    assert step.commands == [Interrupt()] and not step.events
    for told in it.tell(events.BargedIn(at=1.5, turn=0, heard="Hello")).events:
        referee.events.append(told)
    done = referee.of("response.done")[0]["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"]["reason"] == "client_cancelled"
    item = done["output"][0]["id"]
    retrieve = json.dumps({"type": "conversation.item.retrieve", "item_id": item})
    told = it.take(retrieve).events[0]["item"]
    assert told["content"][0]["transcript"] == "Hello"


def test_an_update_reaches_the_conversation() -> None:
    it = session()
    step = it.take(
        json.dumps(
            {
                "type": "session.update",
                "session": {
                    "type": "realtime",
                    "instructions": "Speak like a pirate.",
                    "audio": {
                        "input": {
                            "transcription": {"model": "gpt-4o-mini-transcribe", "language": "ko"},
                            "turn_detection": {"type": "server_vad", "silence_duration_ms": 900},
                        },
                        "output": {"voice": "marin"},
                    },
                },
            }
        )
    )
    assert [told["type"] for told in step.events] == ["session.updated"]
    command = step.commands[0]
    assert isinstance(command, Configure)
    assert command.persona.language == "ko"
    assert command.persona.instructions == "Speak like a pirate."
    assert command.persona.voice == korean().voice
    assert command.turn.endpoint.waits().complete == 0.9
    assert not command.turn.silence.enabled


def test_a_barge_in_is_told_before_the_turn_that_it_began() -> None:
    it, referee = session("webrtc"), Referee()
    facts = [
        events.CallStarted(at=1.0, language="en"),
        events.ReplySpoken(at=2.0, turn=0, text="Once upon a time.", seconds=2.0),
        events.SpeechStarted(at=2.5, turn=1, onset=2.3, position=1.3),
        events.SpeechStopped(at=4.0, turn=1, speech_end=3.6),
    ]
    told = [each for fact in facts for each in it.tell(fact).events]
    for each in told:
        referee.see(each)
    kinds = [each["type"] for each in told]
    assert kinds.index("input_audio_buffer.speech_started") < kinds.index("response.done")
    assert kinds.index("output_audio_buffer.cleared") < kinds.index("input_audio_buffer.committed")
    assert referee.of("input_audio_buffer.speech_started")[0]["audio_start_ms"] == 1300


def test_an_uh_huh_is_not_told() -> None:
    it = session()
    it.tell(events.ReplySpoken(at=2.0, turn=0, text="Once upon a time.", seconds=2.0))
    assert not it.tell(events.SpeechStarted(at=2.5, turn=1, onset=2.3)).events
    assert not it.tell(events.TurnDropped(at=3.0, turn=1, reason="backchannel")).events


def test_a_turn_taken_back_leaves_no_trace() -> None:
    it, referee = session(), Referee()
    facts = [
        events.SpeechStarted(at=2.0, turn=1, onset=1.8),
        events.SpeechStopped(at=3.0, turn=1, speech_end=2.8),
        events.FinalTranscript(at=3.0, turn=1, text="what time", language="en", confidence=1.0),
        events.SpeechStarted(at=3.2, turn=1, onset=3.1),
        events.SpeechStopped(at=4.0, turn=1, speech_end=3.8),
        events.FinalTranscript(
            at=4.0, turn=1, text="what time is it", language="en", confidence=1.0
        ),
    ]
    for fact in facts:
        for each in it.tell(fact).events:
            referee.see(each)
    first, second = (each["item_id"] for each in referee.of("input_audio_buffer.committed"))
    assert [each["item_id"] for each in referee.of("conversation.item.deleted")] == [first]
    transcripts = referee.of("conversation.item.input_audio_transcription.completed")
    assert [(each["item_id"], each["transcript"]) for each in transcripts] == [
        (first, "what time"),
        (second, "what time is it"),
    ]
    assert referee.of("response.done")[0]["response"]["status"] == "cancelled"
