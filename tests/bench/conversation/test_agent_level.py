"""When the agent fell silent for a caller who spoke over it."""

from __future__ import annotations

import pytest

from bench.conversation.agent_level import Levels


def heard(*spans: tuple[float, float]) -> Levels:
    """Frames of 20 ms from 0 to 2 s, with sound in these spans."""
    at = [number * 0.02 for number in range(100)]
    return Levels(at, [-20.0 if any(a <= t < b for a, b in spans) else -90.0 for t in at])


def test_what_was_under_way_when_the_end_was_told_is_the_last_of_it() -> None:
    assert heard((0.0, 1.04)).last_sound(0.5, told=1.0) == pytest.approx(1.04)


def test_the_next_reply_is_no_part_of_the_one_that_was_stopped() -> None:
    assert heard((0.0, 1.04), (1.2, 2.0)).last_sound(0.5, told=1.0) == pytest.approx(1.04)


def test_a_pause_of_the_voice_before_the_end_is_no_end() -> None:
    assert heard((0.0, 0.7), (0.9, 1.04)).last_sound(0.5, told=1.0) == pytest.approx(1.04)


def test_a_voice_that_was_silent_all_along_has_none() -> None:
    assert heard((0.0, 0.4)).last_sound(0.5, told=1.0) is None
