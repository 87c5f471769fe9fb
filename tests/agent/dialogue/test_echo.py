"""The agent's own voice coming back, by its level and by its words."""

from __future__ import annotations

import math

import pytest

from agent.dialogue.echo import EchoGate, EchoSettings, repeats
from tests.agent.dialogue.test_envelopes import late, speech

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


def played(gate: EchoGate, sent: list[float], came: list[float]) -> list[bool]:
    """Whether each sound that came in is an echo, while the agent says what was sent."""
    told = []
    for one, other in zip(sent, came, strict=True):
        gate.feed(other, one, PIECE)
        if other > -55:
            told.append(gate.is_echo(other, one))
    return told


@pytest.mark.parametrize("delay", [3, 10, 25])
@pytest.mark.parametrize("gain", [-6.0, -15.0, -30.0])
def test_the_echo_of_real_speech_is_recognised_throughout(delay: int, gain: float) -> None:
    sent = speech(3, 1500)

    told = played(EchoGate(), sent, late(sent, delay, gain))

    assert sum(told) / len(told) > 0.995


def test_a_caller_quieter_than_the_echo_is_heard_between_the_agents_words() -> None:
    gate, sent = EchoGate(), speech(4, 800)
    echo = late(sent, 8, -6.0)
    played(gate, sent[:600], echo[:600])

    mixed = [max(level, -32.0) for level in echo[600:]]
    told = played(gate, sent[600:], mixed)

    assert any(told)
    assert sum(not is_echo for is_echo in told) > 10


def test_a_loudspeaker_that_is_switched_on_is_known_within_two_seconds() -> None:
    gate, sent = EchoGate(), speech(5, 800)
    played(gate, sent[:300], [-75.0] * 300)

    told = played(gate, sent[300:], late(sent, 8, -10.0)[300:])

    assert not all(told[:40])
    assert all(told[100:])


def test_what_is_louder_than_an_echo_can_be_is_not_learned_however_alike() -> None:
    gate, sent = EchoGate(), speech(6, 400)

    played(gate, sent, late(sent, 8, 8.0))

    assert gate.gain_db is not None
    assert gate.gain_db <= EchoSettings().loudest_db


def test_an_echo_that_does_not_come_back_is_given_up_at_once() -> None:
    gate, sent = EchoGate(), speech(9, 700)
    played(gate, sent[:500], late(sent, 8, -8.0)[:500])
    assert gate.gain_db == pytest.approx(-8.0, abs=2.0)

    played(gate, sent[500:550], [-75.0] * 50)

    assert gate.gain_db is not None
    assert gate.gain_db < -25.0


def test_an_echo_that_has_gone_is_forgotten() -> None:
    gate, sent = EchoGate(), speech(7, 1200)
    played(gate, sent[:500], late(sent, 8, -8.0)[:500])
    played(gate, sent[500:900], [-75.0] * 400)

    assert not any(played(gate, sent[900:], speech(8, 300, loudest=-25.0)))


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
