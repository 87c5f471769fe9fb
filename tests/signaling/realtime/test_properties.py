"""Whatever a client and a conversation do, in whatever order: the protocol's rules hold."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import events
from agent.events import Event, Timeline
from agent.messages import ToolCall, Usage
from agent.persona import english, korean
from agent.settings import TurnSettings
from signaling.realtime import items
from signaling.realtime.commands import Configure, Interrupt
from signaling.realtime.session import House, Session, Transport
from tests.signaling.realtime.rules import Referee

TURNS = st.integers(1, 2)
ASIDES = st.integers(1, 40).map(lambda number: f"resp_{number}")
USAGE = st.builds(
    Usage,
    prompt=st.integers(0, 99),
    cached=st.integers(0, 99),
    generated=st.integers(0, 99),
    is_cut=st.booleans(),
)
CALL_IDS = st.sampled_from(["c1", "c2"])
TEXTS = st.sampled_from(["", "what time is it", "what time", "It is noon.", "안녕하세요"])


def session(transport: Transport = "websocket") -> Session:
    """A session with predictable ids."""
    count = itertools.count(1)
    return Session(
        House(
            personas={"en": english(), "ko": korean()},
            language="en",
            turn=TurnSettings(),
            transport=transport,
            new_id=lambda kind: f"{kind}_{next(count)}",
        )
    )


def facts() -> st.SearchStrategy[Event]:
    """Any fact of a call's: likely orders and impossible ones alike."""
    at = st.floats(1000, 1100)
    flags, place = st.booleans(), st.floats(0, 100)
    line = Timeline(speech_end=1000.0)
    return st.one_of(
        st.builds(events.SpeechStarted, at=at, turn=TURNS, onset=at, by_hand=flags, position=place),
        st.builds(
            events.SpeechStopped,
            at=at,
            turn=TURNS,
            speech_end=at,
            answered=flags,
            by_hand=flags,
            position=place,
        ),
        st.builds(events.CallerIdle, at=at, turn=TURNS, seconds=place, position=place),
        st.builds(events.AnswerBegun, at=at, turn=st.integers(0, 2)),
        st.builds(events.PartialTranscript, at=at, turn=TURNS, text=TEXTS, stable=TEXTS),
        st.builds(
            events.FinalTranscript,
            at=at,
            turn=TURNS,
            text=TEXTS,
            language=st.just("en"),
            confidence=st.just(1.0),
            answered=flags,
        ),
        st.builds(
            events.TurnDropped, at=at, turn=TURNS, reason=st.sampled_from(["noise", "cleared"])
        ),
        st.builds(events.ReplyWritten, at=at, turn=TURNS, text=TEXTS),
        st.builds(
            events.FunctionCalled,
            at=at,
            turn=TURNS,
            call=st.builds(
                ToolCall, CALL_IDS, st.just("weather"), st.sampled_from(["{}", '{"city": "Seoul"}'])
            ),
            after_words=flags,
        ),
        st.builds(events.ReplyCounted, at=at, turn=TURNS, usage=USAGE),
        st.builds(events.ReplyTruncated, at=at, turn=TURNS, heard=st.none() | TEXTS),
        st.builds(events.AsideWritten, at=at, aside=ASIDES, text=TEXTS),
        st.builds(
            events.AsideEnded,
            at=at,
            aside=ASIDES,
            outcome=st.sampled_from(["completed", "cancelled", "failed"]),
            error=st.just(""),
            usage=st.none() | USAGE,
        ),
        st.builds(events.FillerSpoken, at=at, turn=TURNS, text=TEXTS),
        st.builds(events.ReplySpoken, at=at, turn=TURNS, text=TEXTS, seconds=st.just(1.0)),
        st.builds(events.BargedIn, at=at, turn=TURNS, heard=TEXTS),
        st.builds(events.HistoryChanged, at=at, messages=st.just(())),
        st.builds(
            events.TurnFinished,
            at=at,
            turn=TURNS,
            transcript=TEXTS,
            reply=TEXTS,
            interrupted=flags,
            speculated=flags,
            timeline=st.just(line),
        ),
        st.builds(
            events.StageFailed,
            at=at,
            turn=TURNS,
            stage=st.sampled_from(["stt", "llm", "tts"]),
            message=st.just("it broke"),
            recovered=flags,
        ),
    )


QUIET = {
    "type": "server_vad",
    "create_response": False,
    "interrupt_response": False,
    "idle_timeout_ms": 6000,
}
APART = {"conversation": "none", "output_modalities": ["text"], "metadata": {"topic": "x"}}
HI = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
WEATHER = {"type": "function", "name": "weather"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "21"}
ITEM_IDS = st.sampled_from(["mine", "item_1", "item_3", "item_9", "nobody's"])


def requests() -> st.SearchStrategy[dict[str, Any]]:
    """What clients send, and what they should not."""
    message = HI
    changes = st.sampled_from(
        [
            {"instructions": "Be brief."},
            {"max_output_tokens": 20},
            {"audio": {"output": {"voice": "marin", "format": {"type": "audio/pcmu"}}}},
            {"audio": {"input": {"transcription": None}}},
            {"audio": {"input": {"transcription": {"language": "ko"}}}},
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.4}}}},
            {"tools": [WEATHER], "tool_choice": "required"},
            {"tools": [{**WEATHER, "parameters": {"type": "nonsense"}}]},
            {"tool_choice": {"type": "function", "name": "nobody"}},
            {"audio": {"input": {"turn_detection": None}}},
            {"audio": {"input": {"turn_detection": QUIET}}},
            {"output_modalities": ["text"]},
            {"output_modalities": ["audio"]},
            {"output_modalities": ["text", "audio"]},
            {"temperature": 2},
            {"nonsense": 1},
        ]
    )
    return st.one_of(
        st.builds(lambda each: {"type": "session.update", "session": each}, changes),
        st.sampled_from(
            [
                {"type": "response.cancel"},
                {"type": "response.create"},
                {"type": "response.create", "response": {"metadata": {"a": "b"}}},
                {"type": "response.create", "response": APART},
                {"type": "response.create", "response": {**APART, "input": [HI]}},
                {"type": "response.create", "response": {"conversation": "none"}},
                {"type": "response.create", "response": {"output_modalities": ["text"]}},
                {"type": "response.create", "response": {"input": [], "max_output_tokens": 5}},
                {"type": "response.create", "response": {"max_output_tokens": 0}},
                {"type": "output_audio_buffer.clear"},
                {"type": "input_audio_buffer.append", "audio": "AAAA" * 1600},
                {"type": "input_audio_buffer.append", "audio": "?"},
                {"type": "input_audio_buffer.commit"},
                {"type": "input_audio_buffer.clear"},
                {"type": "conversation.item.create", "item": message},
                {"type": "conversation.item.create", "item": {**message, "id": "mine"}},
                {"type": "conversation.item.create", "item": {**message, "role": "assistant"}},
                {"type": "conversation.item.create", "item": {**message, "role": "system"}},
                {"type": "conversation.item.create", "item": message, "previous_item_id": "root"},
                {"type": "conversation.item.create", "item": message, "previous_item_id": "mine"},
                {"type": "conversation.item.create", "item": RESULT},
                {"type": "conversation.item.create", "item": {**RESULT, "call_id": "c2"}},
                {
                    "type": "conversation.item.create",
                    "item": {
                        "type": "function_call",
                        "id": "mine",
                        "call_id": "c1",
                        "name": "weather",
                        "arguments": "{}",
                    },
                },
                {"type": "response.create", "response": {"tools": [WEATHER]}},
                {"type": "response.create", "response": {"tool_choice": "none"}},
                {"type": "no.such.event"},
                {"no": "type"},
            ]
        ),
        st.builds(lambda i: {"type": "response.cancel", "response_id": i}, ASIDES),
        st.builds(lambda i: {"type": "conversation.item.retrieve", "item_id": i}, ITEM_IDS),
        st.builds(lambda i: {"type": "conversation.item.delete", "item_id": i}, ITEM_IDS),
        st.builds(
            lambda i, n: {
                "type": "conversation.item.truncate",
                "item_id": i,
                "content_index": n,
                "audio_end_ms": 20,
            },
            ITEM_IDS,
            st.integers(-1, 1),
        ),
    )


SOUND = st.sampled_from([("sound", True), ("sound", False)])
HAPPENINGS = st.lists(st.one_of(facts(), facts(), requests(), SOUND), max_size=60)


def happen(session: Session, referee: Referee, each: Any, number: int) -> None:
    """Let one thing happen, and see what the client is told."""
    if isinstance(each, Event):
        step = session.tell(each)
    elif isinstance(each, tuple):
        step = session.sound(b"\0\0", fresh=each[1])
    else:
        step = session.take(json.dumps({"event_id": f"client-{number}", **each}))
        errors = [told["error"] for told in step.events if told["type"] == "error"]
        assert all(error["event_id"] == f"client-{number}" for error in errors)
        is_heeded = step.events or step.commands or session.is_waiting
        assert is_heeded or each["type"] == "output_audio_buffer.clear", (
            "a control event was dropped"
        )
    referee.answers = isinstance(each, events.SpeechStopped) and each.answered
    for told in step.events:
        referee.see(told)


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
