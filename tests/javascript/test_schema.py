"""Whatever is done to a session, the JavaScript SDK knows every event that it tells."""

from __future__ import annotations

from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

from signaling.realtime.session import Transport
from tests.javascript.conftest import Judge
from tests.signaling.realtime.rules import Referee
from tests.signaling.realtime.test_properties import HAPPENINGS, happen, session


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
    kinds = {event["type"] for event in told}
    assert {"conversation.item.input_audio_transcription.failed", "response.done"} <= kinds
    assert generic(told) == []
