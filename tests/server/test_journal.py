"""What is written to the log of a call."""

from __future__ import annotations

import logging

import pytest

from agent import events
from agent.events import Timeline
from server import journal

TURN = events.TurnFinished(
    at=12.0,
    turn=3,
    transcript="my secret number",
    reply="I see.",
    interrupted=False,
    speculated=True,
    timeline=Timeline(speech_end=10.0, endpoint=10.3, audible=10.4),
)


def test_a_turn_is_one_line_with_its_times(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        journal.observe("c1", TURN)
    [record] = caplog.records
    assert record.message == "Turn finished"
    assert (record.turn, round(record.audible, 3)) == (3, 0.4)  # type: ignore[attr-defined]  # extra


def test_words_are_written_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        journal.observe("c1", TURN)
    assert not any("secret" in str(vars(record)) for record in caplog.records)
    with caplog.at_level(logging.DEBUG):
        journal.observe("c1", TURN)
    assert any("secret" in str(vars(record)) for record in caplog.records)


def test_a_failure_is_a_warning_and_what_is_ordinary_is_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        journal.observe(
            "c1", events.StageFailed(at=1, turn=1, stage="llm", message="late", recovered=True)
        )
        journal.observe("c1", events.PhaseChanged(at=1, phase="hearing"))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "Stage failed")
    ]


def test_the_beginning_and_the_end_of_a_call_are_written(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        journal.observe("c1", events.CallStarted(at=1, language="ko"))
        journal.observe("c1", events.CallEnded(at=2, reason="hangup"))
    assert [record.message for record in caplog.records] == ["Call started", "Call ended"]
