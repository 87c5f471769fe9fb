"""Whatever is done to a session, the JavaScript SDK knows every event that it tells."""

from __future__ import annotations

from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from agent import events
from signaling.realtime.session import Transport
from tests.javascript.conftest import Judge
from tests.signaling.realtime.happenings import HAPPENINGS, happen, session
from tests.signaling.realtime.rules import Referee

UNHEARD = [
    events.SpeechStarted(at=1.0, turn=1, onset=1.0),
    events.SpeechStopped(at=2.0, turn=1, speech_end=2.0),
    events.StageFailed(at=2.0, turn=1, stage="stt", message="it broke", recovered=False),
]
"""What chance seldom brings."""


def test_no_event_is_taken_for_a_generic_one(generic: Judge) -> None:
    told: list[dict[str, Any]] = []

    @seed(1)
    @settings(max_examples=150, database=None)
    @given(HAPPENINGS, st.sampled_from(["websocket", "webrtc"]))
    def play(happenings: list[Any], transport: Transport) -> None:
        it, referee = session(transport), Referee()
        for number, each in enumerate(happenings):
            happen(it, referee, each, number)
        told.extend(referee.events)

    play()
    it, referee = session(), Referee()
    told.extend(it.hello().events)
    for number, each in enumerate(UNHEARD):
        happen(it, referee, each, number)
    told.extend(referee.events)
    kinds = {event["type"] for event in told}
    seldom = {"conversation.item.input_audio_transcription.failed", "conversation.created"}
    assert {*seldom, "response.done"} <= kinds
    # Told only to a client that has set an idle timeout; this SDK does not know it yet.
    unknown = {event["type"] for event in generic(told)}
    assert unknown <= {"input_audio_buffer.timeout_triggered"}
