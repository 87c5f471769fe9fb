"""All that a client and a conversation may do, as hypothesis draws it."""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import strategies as st

from agent import events
from agent.events import Event, Timeline
from agent.messages import ToolCall, Usage
from agent.persona import english, korean
from agent.settings import TurnSettings
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
CALLS = st.builds(
    ToolCall, CALL_IDS, st.just("weather"), st.sampled_from(["{}", '{"city": "Seoul"}'])
)
RECORDINGS = st.integers(1, 40).map(lambda number: f"recording_{number}")
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
        st.builds(events.HistoryRead, at=at),
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
            call=CALLS,
            after_words=flags,
        ),
        st.builds(events.ReplyCounted, at=at, turn=TURNS, usage=USAGE),
        st.builds(events.ReplyTruncated, at=at, turn=TURNS, heard=st.none() | TEXTS),
        st.builds(
            events.RecordingRead,
            at=at,
            key=RECORDINGS,
            text=TEXTS,
            error=st.sampled_from(["", "", "it broke"]),
        ),
        st.builds(events.AsideWritten, at=at, aside=ASIDES, text=TEXTS),
        st.builds(events.AsideCalled, at=at, aside=ASIDES, call=CALLS),
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
SPOKEN = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_audio", "audio": "AAAA" * 1600}],
}
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
                {"type": "response.create", "response": {**APART, "tools": [WEATHER]}},
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
                {"type": "conversation.item.create", "item": SPOKEN},
                {"type": "conversation.item.create", "item": {**SPOKEN, "id": "mine"}},
                {"type": "conversation.item.create", "item": SPOKEN, "previous_item_id": "root"},
                {"type": "conversation.item.create", "item": {**SPOKEN, "role": "assistant"}},
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
