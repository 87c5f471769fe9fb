"""The caller's own rhythm: by itself, and in the waits of the endpointer."""

from __future__ import annotations

import pytest

from agent.dialogue.endpointer import Endpointer, EndpointSettings
from agent.dialogue.rhythm import Rhythm, RhythmSettings
from tests.agent.dialogue.test_endpointer import quiet, speech


def after(*pauses: float) -> Rhythm:
    """The rhythm of somebody who made these pauses."""
    rhythm = Rhythm(RhythmSettings())
    for pause in pauses:
        rhythm.paused(pause)
    return rhythm


def test_a_caller_of_whom_nothing_is_known_is_the_usual_one() -> None:
    assert after().scale(0.7) == 0.7
    assert after(*[0.05] * 50).scale(0.7) == 0.7  # articulation


def test_pauses_move_the_waits_within_bounds() -> None:
    slow, quick = after(*[1.5] * 100), after(*[0.2] * 100)
    assert slow.scale(0.7) == pytest.approx(1.25 * 0.9)
    assert quick.scale(0.7) == pytest.approx(0.9 * 0.7)


def test_most_pauses_of_a_caller_are_shorter_than_the_learned_one() -> None:
    rhythm = after(*[0.2, 0.4, 0.6, 0.8] * 100)
    assert 0.6 < rhythm.pause <= 0.85


def test_a_wait_that_is_longer_than_the_callers_pauses_is_not_made_longer() -> None:
    slow = after(*[1.5] * 100)
    assert slow.scale(2.0) == 2.0
    assert slow.scale(1.0) == pytest.approx(1.25 * slow.pause)


def test_what_was_learned_fades_with_the_turns_that_end_well() -> None:
    rhythm = after(*[1.5] * 100)
    before = rhythm.pause
    for _ in range(10):
        rhythm.ended()
    assert 0.45 < rhythm.pause < 0.9 * before


def test_a_caller_who_was_cut_off_is_given_more_time() -> None:
    endpointer = Endpointer(EndpointSettings(), "en")
    waits = []
    for _ in range(4):
        speech(endpointer)
        endpointer.read("a table for two")
        waits.append(endpointer.wait)
        quiet(endpointer, 1.1)
        speech(endpointer, 0.5)
        endpointer.reopen()
        quiet(endpointer, 3.0)

    assert waits == sorted(waits)
    assert waits[-1] > 1.15 * waits[0]
    assert waits[-1] <= 2.0 * 0.7 + 1e-9


def test_a_slow_speaker_is_given_more_time_and_a_quick_one_less() -> None:
    slow, quick = (Endpointer(EndpointSettings(), "en") for _ in range(2))
    for endpointer, pause in ((slow, 0.75), (quick, 0.2)):
        for _ in range(12):
            speech(endpointer, 0.5)
            endpointer.read("i would like to")
            quiet(endpointer, pause)
        speech(endpointer, 0.5)
        endpointer.read("a table for two")

    assert slow.wait > 0.7 > quick.wait


def test_a_fixed_wait_is_not_changed_by_the_callers_rhythm() -> None:
    endpointer = Endpointer(EndpointSettings(unread=0.5, follows_rhythm=False), "en")
    for _ in range(5):
        speech(endpointer)
        quiet(endpointer, 0.4)
    assert endpointer.wait == 0.5
