"""The agent's own voice coming back, by its level and by its words."""

from __future__ import annotations

import math

import pytest

from agent.dialogue.echo import EchoGate, EchoSettings, repeats

PIECE = 0.02


def voice(index: int, loudest: float = -15.0) -> float:
    """The level of speech: syllables four times a second, with 25 dB between them."""
    return loudest - 12.5 * (1 - math.cos(index * PIECE * 8 * math.pi))


def echo_of(index: int, gain: float, delay: int = 8) -> float:
    return max(-65.0, voice(index - delay) + gain)


def listened(gate: EchoGate, gain: float, seconds: float = 3.0) -> EchoGate:
    """The agent speaks, and comes back with `gain` after 160 ms."""
    for index in range(round(seconds / PIECE)):
        gate.feed(echo_of(index, gain), voice(index), PIECE)
    return gate


@pytest.mark.parametrize("gain", [-8.0, -15.0, -25.0])
def test_an_echo_of_the_learned_level_is_recognised(gain: float) -> None:
    gate = listened(EchoGate(), gain)

    recognised = []
    for index in range(150, 300):
        gate.feed(echo_of(index, gain), voice(index), PIECE)
        recognised.append(gate.is_echo(echo_of(index, gain), voice(index)))

    assert sum(recognised) / len(recognised) > 0.97


@pytest.mark.parametrize("gain", [-15.0, -25.0])
def test_a_caller_louder_than_the_echo_is_heard(gain: float) -> None:
    gate = listened(EchoGate(), gain)

    assert not gate.is_echo(-15.0 + gain + 12.0, voice(0))


def test_without_an_echo_even_a_quiet_caller_is_heard() -> None:
    gate = EchoGate()
    for index in range(200):
        gate.feed(-65.0, voice(index), PIECE)

    assert not gate.is_echo(-40.0, voice(0))


def test_the_first_syllables_of_the_agent_do_not_stop_it() -> None:
    gate = EchoGate()
    gate.feed(-20.0, -15.0, 0.1)

    assert gate.gain_db is None
    assert gate.is_echo(-20.0, -15.0)
    assert not gate.is_echo(-14.0, -15.0)


def test_a_louder_echo_is_learned_in_time() -> None:
    gate = listened(EchoGate(), -25.0)
    listened(gate, -12.0, seconds=15.0)

    assert gate.gain_db == pytest.approx(-12.0, abs=3.0)


def test_nothing_is_an_echo_while_the_agent_is_silent() -> None:
    gate = listened(EchoGate(), -10.0)
    for _ in range(50):
        gate.feed(-60.0, None, PIECE)

    assert not gate.is_echo(-25.0, None)


def test_the_tail_of_what_was_said_still_comes_back() -> None:
    gate = listened(EchoGate(EchoSettings(tail=0.4)), -10.0)
    gate.feed(-25.0, None, 0.2)

    assert gate.is_echo(-26.0, None)


def test_a_caller_who_talks_over_the_agent_does_not_become_its_echo() -> None:
    gate = listened(EchoGate(), -30.0)
    for index in range(100):
        gate.feed(-18.0, voice(index), PIECE)

    assert not gate.is_echo(-18.0, voice(0))


def test_words_of_the_callers_teach_nothing() -> None:
    gate = EchoGate()
    for index in range(100):
        gate.feed(-18.0, voice(index), PIECE, caller=True)

    assert gate.gain_db is None


def test_a_gate_that_is_switched_off_lets_everything_through() -> None:
    gate = listened(EchoGate(EchoSettings(enabled=False)), -10.0)

    assert not gate.is_echo(-40.0, -15.0)


@pytest.mark.parametrize(
    ("text", "spoken", "is_repeated"),
    [
        ("your table is booked for seven", "Great, your table is booked for seven tonight.", True),
        ("your table is booked for heaven", "Great, your table is booked for seven.", True),
        ("table is booked", "Great, your table is booked for seven tonight.", True),
        ("is booked", "Great, your table is booked for seven tonight.", True),
        ("no i said eight not seven", "Great, your table is booked for seven tonight.", False),
        ("wait", "Please wait a moment.", False),
        ("tea", "Would you like coffee or tea?", False),
        ("tea please", "Would you like coffee or tea?", False),
        ("stop talking now", "Great, your table is booked for seven tonight.", False),
        ("", "Great.", False),
        ("anything at all", "", False),
        ("예약이 일곱 시로 되었습니다", "네, 예약이 일곱 시로 되었습니다.", True),
        ("예약이 일곱시로 되었습니다", "네, 예약이 일곱 시로 되었습니다.", True),
        ("아니요 여덟 시요", "네, 예약이 일곱 시로 되었습니다.", False),
        ("잠깐만요", "네, 잠깐만요.", False),
    ],
)
def test_a_transcript_that_repeats_the_agent_is_its_echo(
    text: str, spoken: str, is_repeated: bool
) -> None:
    assert repeats(text, spoken) is is_repeated
