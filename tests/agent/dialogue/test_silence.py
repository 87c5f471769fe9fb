"""A silent caller is asked once, asked again, then left in peace."""

from __future__ import annotations

from agent.dialogue.silence import Patience, Silence, SilenceSettings


def test_a_silent_caller_is_asked_twice_and_then_the_call_ends() -> None:
    silence = Silence(SilenceSettings())

    assert silence.feed(7.9) is None
    assert silence.feed(8.0) is Patience.ASK_FIRST
    assert silence.feed(0.0) is None
    assert silence.feed(9.9) is None
    assert silence.feed(10.0) is Patience.ASK_SECOND
    assert silence.feed(11.9) is None
    assert silence.feed(12.0) is Patience.END
    assert silence.feed(100.0) is None


def test_each_wait_is_a_setting() -> None:
    silence = Silence(SilenceSettings(first_after=1, second_after=2, end_after=3))

    steps = [silence.feed(quiet) for quiet in (1.0, 1.0, 2.0, 2.0, 3.0)]

    assert steps == [Patience.ASK_FIRST, None, Patience.ASK_SECOND, None, Patience.END]


def test_a_caller_who_spoke_is_asked_for_the_first_time_again() -> None:
    silence = Silence(SilenceSettings())
    silence.feed(8.0)
    silence.feed(10.0)

    silence.reset()

    assert silence.feed(7.0) is None
    assert silence.feed(8.0) is Patience.ASK_FIRST


def test_a_patient_agent_never_asks() -> None:
    silence = Silence(SilenceSettings(enabled=False))

    assert silence.feed(1000.0) is None
