"""The control channel's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent import events
from agent.events import Timeline
from signaling import control
from signaling.control import About, HangUp, Interrupt, Ping, Speak
from signaling.errors import BadMessage

ABOUT = About("c1", 100.0, "Chuimsae", ({"stage": "stt", "engine": "whisper"},))


def told(event: events.Event) -> Any:
    message = control.render(event, ABOUT)
    return None if message is None else json.loads(message)


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ('{"type":"language","language":"ko"}', Speak("ko")),
        ('{"type":"interrupt"}', Interrupt()),
        ('{"type":"hangup"}', HangUp()),
        ('{"type":"ping","more":1}', Ping()),
        (b'{"type":"ping"}', Ping()),
    ],
)
def test_a_message_is_a_command(message: str | bytes, command: control.Command) -> None:
    assert control.parse(message) == command


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_json"),
        ("hello", "bad_json"),
        (b"\xff\xfe\x00", "bad_json"),
        ("[" * 50_000, "bad_json"),
        ("[]", "bad_message"),
        ("1", "bad_message"),
        ("{}", "bad_message"),
        ('{"type":1}', "bad_message"),
        ('{"type":"sing"}', "unknown_type"),
        ('{"type":"language"}', "bad_language"),
        ('{"type":"language","language":7}', "bad_language"),
        ('{"type":"language","language":"x"}', "bad_language"),
        ('{"type":"' + "x" * 65_536 + '"}', "message_too_large"),
        ('{"type":"' + "각" * 30_000 + '"}', "message_too_large"),
        (b"x" * 1_000_000, "message_too_large"),
    ],
)
def test_anything_else_is_refused_with_its_code(message: str | bytes, code: str) -> None:
    with pytest.raises(BadMessage) as refusal:
        control.parse(message)
    assert refusal.value.code == code
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        (
            events.CallStarted(at=100.5, language="ko"),
            {
                "type": "call.started",
                "call_id": "c1",
                "language": "ko",
                "persona": "Chuimsae",
                "stages": [{"stage": "stt", "engine": "whisper"}],
            },
        ),
        (events.CallEnded(at=100.5, reason="silence"), {"type": "call.ended", "reason": "silence"}),
        (events.PhaseChanged(at=100.5, phase="hearing"), {"type": "phase", "phase": "hearing"}),
        (
            events.PartialTranscript(at=100.5, turn=1, text="what is", stable="what"),
            {"type": "transcript.partial", "turn": 1, "text": "what is", "stable": "what"},
        ),
        (
            events.FinalTranscript(at=100.5, turn=1, text="네", language="ko", confidence=0.91234),
            {
                "type": "transcript.final",
                "turn": 1,
                "text": "네",
                "language": "ko",
                "confidence": 0.912,
            },
        ),
        (
            events.TurnDropped(at=100.5, turn=2, reason="noise"),
            {"type": "turn.dropped", "turn": 2, "reason": "noise"},
        ),
        (
            events.ReplySpoken(at=100.5, turn=1, text="Sure.", seconds=0.61),
            {"type": "reply.spoken", "turn": 1, "text": "Sure.", "seconds": 0.61},
        ),
        (
            events.FillerSpoken(at=100.5, turn=1, text="Well…"),
            {"type": "filler.spoken", "turn": 1, "text": "Well…"},
        ),
        (
            events.KeyPressed(at=100.5, key="#", seconds=0.12),
            {"type": "key", "key": "#", "seconds": 0.12},
        ),
        (
            events.EncodingChanged(at=100.5, bitrate=16_000, fec=True, loss=0.0512),
            {"type": "encoding", "bitrate": 16_000, "fec": True, "loss": 0.051},
        ),
        (
            events.LoadChanged(at=100.5, rung=2, name="brief", cause="stt"),
            {"type": "load", "rung": 2, "name": "brief", "cause": "stt"},
        ),
        (
            events.BargedIn(at=100.5, turn=1, heard="Sure"),
            {"type": "barge_in", "turn": 1, "heard": "Sure"},
        ),
        (
            events.ReplyDucked(at=100.5, turn=1, ducked=True),
            {"type": "duck", "turn": 1, "ducked": True},
        ),
        (
            events.StageFailed(
                at=100.5, turn=1, stage="llm", message="the model is late", recovered=True
            ),
            {
                "type": "error",
                "turn": 1,
                "code": "llm_failed",
                "message": "the model is late",
                "recovered": True,
                "fatal": False,
            },
        ),
    ],
)
def test_an_event_is_a_message(event: events.Event, fields: dict[str, Any]) -> None:
    assert told(event) == {**fields, "at": 0.5}


def test_a_finished_turn_tells_its_times_after_the_last_speech() -> None:
    timeline = Timeline(speech_end=110.0, endpoint=110.3, transcript=110.2, audible=110.35)
    finished = events.TurnFinished(
        at=112.0,
        turn=1,
        transcript="what is the weather",
        reply="I don't know.",
        interrupted=False,
        speculated=True,
        timeline=timeline,
    )
    assert told(finished)["timeline"] == {
        "endpoint": 0.3,
        "transcript": 0.2,
        "first_token": None,
        "first_sound": None,
        "audible": 0.35,
        "filler": None,
        "end": None,
    }


@pytest.mark.parametrize(
    "event",
    [
        events.SpeechStarted(at=1.0, turn=1, onset=0.9),
        events.SpeechStopped(at=1.0, turn=1, speech_end=0.9),
        events.SpeculationEnded(at=1.0, turn=1, outcome="played"),
        events.HistoryChanged(at=1.0, messages=()),
    ],
)
def test_what_is_not_the_clients_business_is_not_told(event: events.Event) -> None:
    assert told(event) is None


def test_korean_stays_readable() -> None:
    message = control.render(
        events.ReplySpoken(at=100.0, turn=1, text="안녕하세요", seconds=1.0), ABOUT
    )
    assert message is not None
    assert "안녕하세요" in message
