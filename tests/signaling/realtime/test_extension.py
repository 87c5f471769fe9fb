"""What clients are told beyond the protocol, when they ask for it."""

from __future__ import annotations

import json
from typing import Any

from agent import events
from agent.events import Event, Timeline
from agent.persona import english
from agent.settings import TurnSettings
from signaling.realtime.config import SessionConfig
from signaling.realtime.session import House, Session

STAGE = {"stage": "stt", "engine": "whisper"}
FACTS: list[Event] = [
    events.CallStarted(at=10.0, language="en"),
    events.PhaseChanged(at=11.0, phase="thinking"),
    events.FillerSpoken(at=11.5, turn=1, text="Well..."),
    events.TurnFinished(
        at=14.0,
        turn=1,
        transcript="hello",
        reply="Hi.",
        interrupted=False,
        speculated=True,
        timeline=Timeline(speech_end=10.5, endpoint=10.9),
    ),
]


def session(**config: Any) -> Session:
    house = House(
        personas={"en": english()},
        language="en",
        turn=TurnSettings(),
        transport="webrtc",
        stages=[STAGE],
    )
    return Session(house, SessionConfig.model_validate(config))


def told(it: Session) -> list[dict[str, Any]]:
    """The events of our own."""
    steps = [it.tell(fact) for fact in FACTS]
    everything = [event for step in steps for event in step.events]
    return [event for event in everything if event["type"].startswith("chuimsae.")]


def test_who_does_not_ask_is_told_the_protocol_alone() -> None:
    it = session()
    assert told(it) == []
    assert "chuimsae" not in it.render()


def test_who_asks_is_told_what_happens() -> None:
    it = session(chuimsae={"events": True})
    started, phase, filler, finished = told(it)
    assert started["type"] == "chuimsae.call.started"
    assert started["stages"] == [STAGE] and started["persona"] == english().name
    assert (phase["type"], phase["at"], phase["phase"]) == ("chuimsae.phase", 1.0, "thinking")
    assert filler["text"] == "Well..."
    assert finished["timeline"]["endpoint"] == 0.4
    assert len({event["event_id"] for event in (started, phase, filler, finished)}) == 4
    assert it.render()["chuimsae"] == {"events": True, "silence": False}


def test_it_can_be_asked_for_later_and_no_longer() -> None:
    it = session()
    for wish in (True, False):
        update = {"type": "session.update", "session": {"chuimsae": {"events": wish}}}
        (updated,) = it.take(json.dumps(update)).events
        assert updated["type"] == "session.updated"
        assert bool(told(it)) is wish


def test_who_asks_later_is_told_what_serves_and_what_the_server_goes_without() -> None:
    it = session()
    encodings = [
        events.EncodingChanged(at=12.0, bitrate=rate, fec=False, loss=0.0)
        for rate in (32_000, 24_000)
    ]
    load = events.LoadChanged(at=13.0, rung=2, name="brief", cause="loop")
    for fact in (*FACTS, *encodings, load):
        it.tell(fact)
    update = {"type": "session.update", "session": {"chuimsae": {"events": True}}}
    told = it.take(json.dumps(update)).events
    assert [event["type"] for event in told] == [
        "session.updated",
        "chuimsae.call.started",
        "chuimsae.encoding",
        "chuimsae.load",
    ]
    assert told[1]["stages"] == [STAGE]
    assert told[2]["bitrate"] == 24_000
    assert (told[3]["name"], told[3]["at"]) == ("brief", 3.0)
    assert len(it.take(json.dumps(update)).events) == 1, "it has been told"


def test_a_load_that_is_over_is_not_told_later() -> None:
    it = session()
    it.tell(events.LoadChanged(at=13.0, rung=2, name="brief", cause="loop"))
    it.tell(events.LoadChanged(at=14.0, rung=0, name="easy", cause=""))
    update = {"type": "session.update", "session": {"chuimsae": {"events": True}}}
    assert len(it.take(json.dumps(update)).events) == 1


def test_what_is_not_there_cannot_be_asked_for() -> None:
    update = {"type": "session.update", "event_id": "x", "session": {"chuimsae": {"song": True}}}
    (refused,) = session().take(json.dumps(update)).events
    assert refused["error"]["param"] == "session.chuimsae.song"


def test_a_silent_caller_is_asked_only_on_wish() -> None:
    assert not session().turn.silence.enabled
    assert session(chuimsae={"silence": True}).turn.silence == TurnSettings().silence
