"""Talking to a server by recordings: what is told of an exchange."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.events import (
    CallStarted,
    FinalTranscript,
    PhaseChanged,
    ReplySpoken,
    StageFailed,
    Timeline,
    TurnDropped,
    TurnFinished,
)
from server import talk
from server.commands.talking import _lines as lines
from server.conversation import Seat
from server.talk import Exchange, exchange, greeting
from signaling.voice_track import Said
from tests.signaling.phone import Parrot, phone, tone


class Butler(Parrot):
    """Answers each sound with a tone and the events of a turn; `outcomes` says how turns end."""

    outcomes = ("finished",)

    async def run(self) -> None:
        self.turn = 0
        self._tell(CallStarted(at=self._now(), language="en"))
        await self._speak("Good evening.")
        loud = 0
        async for chunk in self.seat.microphone:
            loud = loud + 1 if abs(chunk.samples).max() > 1000 else 0
            if loud == 5:
                await self._serve()

    async def _serve(self) -> None:
        outcome = self.outcomes[self.turn % len(self.outcomes)]
        self.turn += 1
        speech_end = self._now()
        self._tell(PhaseChanged(at=self._now(), phase="hearing"))
        await asyncio.sleep(0.3)
        if outcome == "hangup":
            return self.seat.microphone.close()
        if outcome == "dropped":
            self._tell(TurnDropped(at=self._now(), turn=self.turn, reason="noise"))
            self._tell(PhaseChanged(at=self._now(), phase="listening"))
            return None
        self._tell(
            FinalTranscript(
                at=self._now(), turn=self.turn, text="tea", language="en", confidence=1.0
            )
        )
        await self._speak("At once.")
        self._tell(
            TurnFinished(
                at=self._now(),
                turn=self.turn,
                transcript="tea",
                reply="At once.",
                interrupted=False,
                speculated=False,
                timeline=Timeline(speech_end=speech_end, endpoint=speech_end + 0.3),
            )
        )

    async def _speak(self, text: str) -> None:
        self._tell(PhaseChanged(at=self._now(), phase="speaking"))
        self._tell(ReplySpoken(at=self._now(), turn=self.turn, text=text, seconds=0.3))
        await self.seat.speaker.play(tone(0.3))
        await self.seat.speaker.drained()
        self._tell(PhaseChanged(at=self._now(), phase="listening"))

    def _tell(self, event: Any) -> None:
        self.seat.emit(event)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def butler(*outcomes: str) -> Any:
    class Scripted(Butler):
        pass

    Scripted.outcomes = outcomes

    def make(seat: Seat) -> Butler:
        return Scripted(seat)

    return make


async def test_an_exchange_tells_what_was_understood_answered_and_heard() -> None:
    async with phone(butler("finished")) as line, line.caller() as caller:
        await greeting(caller, expected=True)
        told = await exchange(caller, tone(0.3))
    assert told.outcome is not None
    assert (told.outcome["transcript"], told.outcome["reply"]) == ("tea", "At once.")
    assert told.heard_after is not None and told.heard_after > 0
    assert [each["type"] for each in told.messages].count("reply.spoken") == 1


async def test_the_greeting_is_over_before_the_caller_speaks() -> None:
    async with phone(butler("finished")) as line, line.caller() as caller:
        await greeting(caller, expected=True)
        now = asyncio.get_running_loop().time()
        last = caller.recording.last_voice()
        assert last is not None and now - last >= talk.QUIET


async def test_a_turn_that_was_none_and_a_call_that_ends_are_told() -> None:
    async with phone(butler("dropped", "hangup")) as line, line.caller() as caller:
        await greeting(caller, expected=True)
        dropped = await exchange(caller, tone(0.3))
        assert dropped.outcome is not None
        assert dropped.outcome["type"] == "turn.dropped"
        assert dropped.heard_after is None
        ended = await exchange(caller, tone(0.3))
        assert ended.outcome is None or ended.outcome["type"] == "call.ended"
        assert caller.is_gone or ended.outcome is not None


async def test_a_server_that_notices_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(talk, "NOTHING_HEARD", 0.2)
    async with phone(butler("finished")) as line, line.caller() as caller:
        await greeting(caller, expected=True)
        told = await exchange(caller, tone(0.01))
        assert told.outcome is None
        assert told.heard_after is None


@pytest.mark.parametrize(
    ("recovered", "phase", "seconds"),
    [
        (False, "listening", talk.AFTER_FAILURE),
        (False, "speaking", talk.LONGEST_TURN),
        (True, "listening", talk.LONGEST_TURN),
    ],
)
def test_after_a_failure_no_long_wait_is_worth_it(
    recovered: bool, phase: str, seconds: float
) -> None:
    failed = {"type": "error", "code": "stt_failed", "recovered": recovered}
    assert talk._patience([failed, {"type": "phase", "phase": phase}]) == seconds


def told(outcome: dict[str, Any] | None, *messages: dict[str, Any]) -> list[str]:
    heard = 0.4567 if outcome and outcome["type"] == "turn.finished" else None
    return list(lines(Path("a.wav"), Exchange(Said(0, 1, 1), outcome, heard, messages)))


def test_a_finished_turn_is_printed_with_its_times() -> None:
    timeline = {"endpoint": 0.3, "transcript": 0.2, "first_token": None, "audible": 0.35}
    outcome = {
        "type": "turn.finished",
        "transcript": "what time is it",
        "reply": "It is noon.",
        "timeline": timeline,
    }
    assert told(outcome) == [
        "a.wav",
        "  caller  what time is it",
        "  agent   It is noon.",
        "  ms      endpoint 300, transcript 200, audible 350, heard by the caller 457",
    ]


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        ({"type": "turn.dropped", "reason": "noise"}, "  not taken for a turn: noise"),
        ({"type": "call.ended", "reason": "silence"}, "  the call ended: silence"),
        (None, "  no answer came"),
    ],
)
def test_what_is_no_turn_is_printed_as_such(outcome: dict[str, Any] | None, line: str) -> None:
    assert told(outcome) == ["a.wav", line]


def test_failures_of_a_stage_are_printed() -> None:
    failed = StageFailed(at=0, turn=1, stage="llm", message="the model is late", recovered=True)
    message = {"type": "error", "message": failed.message}
    assert "  error   the model is late" in told(None, message)
