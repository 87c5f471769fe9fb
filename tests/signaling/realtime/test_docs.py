"""What docs/realtime.md lists is what is served: no event is missing, and none is made up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

from agent import events
from agent.messages import ToolCall
from signaling.realtime import client
from signaling.realtime.config import SessionConfig
from signaling.realtime.session import Transport
from tests.signaling.realtime.happenings import happen, session
from tests.signaling.realtime.rules import Referee

PAGE = (Path(__file__).parents[3] / "docs" / "realtime.md").read_text("utf-8")
NAMES = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", PAGE))
GROUPS = ("session.", "input_audio_buffer.", "conversation.", "response.", "output_audio_buffer.")
SELDOM = {"rate_limits.updated"}
"""Told where there are limits."""


def sent() -> set[str]:
    """The events that a client can send."""
    kinds = get_args(get_args(client.ClientEvent)[0])
    return {get_args(kind.model_fields["type"].annotation)[0] for kind in kinds}


def told() -> set[str]:
    """The events that are told in a call in which everything happens."""
    kinds: set[str] = set()
    transports: tuple[Transport, ...] = ("websocket", "webrtc")
    for transport in transports:
        it, referee = session(transport), Referee()
        for event in it.hello().events:
            referee.see(event)
        for number, each in enumerate(SCRIPT):
            if callable(each):
                each = each(referee)
            if transport == "websocket" or each != ("sound", True):
                happen(it, referee, each, number)
        kinds.update(event["type"] for event in referee.events)
    return kinds


def item(referee: Referee) -> str:
    """The message that the agent said last."""
    return str(referee.of("response.output_item.added")[-1]["item"]["id"])


SCRIPT: tuple[Any, ...] = (
    events.SpeechStarted(at=1.0, turn=1, onset=1.0),
    events.PartialTranscript(at=1.5, turn=1, text="what time", stable="what"),
    events.SpeechStopped(at=2.0, turn=1, speech_end=2.0, position=1.0),
    events.FinalTranscript(at=2.0, turn=1, text="what time", language="en", confidence=1.0),
    events.ReplySpoken(at=2.1, turn=1, text="It is noon.", seconds=1.0),
    ("sound", True),
    events.BargedIn(at=2.5, turn=1, heard="It is"),
    lambda referee: {
        "type": "conversation.item.truncate",
        "item_id": item(referee),
        "content_index": 0,
        "audio_end_ms": 100,
    },
    events.ReplyTruncated(at=2.6, turn=1, heard="It"),
    lambda referee: {"type": "conversation.item.retrieve", "item_id": item(referee)},
    lambda referee: {"type": "conversation.item.delete", "item_id": item(referee)},
    events.SpeechStarted(at=3.0, turn=2, onset=3.0),
    events.SpeechStopped(at=4.0, turn=2, speech_end=4.0, position=2.0),
    events.StageFailed(at=4.0, turn=2, stage="stt", message="it broke", recovered=False),
    {"type": "input_audio_buffer.clear"},
    {"type": "response.create", "response": {"output_modalities": ["text"]}},
    events.AnswerBegun(at=5.0, turn=3),
    events.ReplyWritten(at=5.0, turn=3, text="Noon."),
    events.FunctionCalled(at=5.5, turn=3, call=ToolCall("c1", "weather", "{}")),
    events.TurnFinished(
        at=6.0,
        turn=3,
        transcript="",
        reply="Noon.",
        interrupted=False,
        speculated=False,
        timeline=events.Timeline(speech_end=5.0),
    ),
    events.CallerIdle(at=9.0, turn=4, seconds=3.0, position=9.0),
    events.ReplySpoken(at=9.1, turn=4, text="Are you there?", seconds=1.0),
    events.HistoryChanged(at=10.0, messages=()),
    {"type": "session.update", "session": {"instructions": "Be brief."}},
)


def test_every_event_is_listed_and_every_event_listed_is_served() -> None:
    served = sent() | told() | SELDOM
    assert served <= NAMES, "not in docs/realtime.md"
    listed = {name for name in NAMES if name.startswith(GROUPS)}
    listed -= {"session.chuimsae.events"}
    assert listed <= served, "listed, but nobody serves it"


def test_every_field_of_a_session_is_listed() -> None:
    fields = set(SessionConfig.model_fields) - {"type", "model", "audio", "chuimsae"}
    text = PAGE.split("## The session")[1].split("## What you can send")[0]
    missing = {name for name in fields if f"`{name}`" not in text}
    assert missing <= {"reasoning"}


def test_the_module_to_copy_has_a_type_for_every_event_over_webrtc() -> None:
    types = (Path(__file__).parents[3] / "static" / "realtime.d.ts").read_text("utf-8")
    typed = set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', types))
    expected = told() | SELDOM | {"input_audio_buffer.timeout_triggered"}
    assert expected - {"error", "response.output_audio.delta"} == typed
