"""Whether what comes in is what was sent, by its wave."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from agent.dialogue.likeness import LATEST, UNDECIDED, WINDOW, Likeness, Samples

FRAME = 960
COUNT = 100
"""Frames of 20 ms at 48 kHz."""


def sound(seed: int) -> Samples:
    """Two seconds like speech: noise without treble, in syllables of 100 to 200 ms."""
    rng = np.random.default_rng(seed)
    wave = np.convolve(rng.standard_normal(COUNT * FRAME), np.hanning(16), mode="same")
    loud = np.repeat(rng.uniform(0.1, 1.0, COUNT // 5), 5 * FRAME)
    return (wave * loud * 1500).astype(np.int16)


def echo(sent: Samples, delay: float, gain: float) -> Samples:
    """Later by `delay` seconds, with a second way of the room's behind it, over a hiss."""
    late = np.concatenate([np.zeros(round(delay * 48_000)), sent])[: len(sent)]
    second = 0.5 * np.concatenate([np.zeros(700), late[:-700]])
    hiss = np.random.default_rng(9).standard_normal(len(sent)) * 3
    return ((late + second) * gain + hiss).astype(np.int16)


def verdicts(came: Samples, sent: Samples, *, voice: range = range(COUNT)) -> list[bool | None]:
    likeness, recent = Likeness(), deque[Samples](maxlen=WINDOW + LATEST)
    found = []
    for number in range(len(came) // FRAME):
        part = slice(number * FRAME, (number + 1) * FRAME)
        recent.append(sent[part])
        found.append(likeness.feed(came[part], recent, is_voice=number in voice))
    return found


@pytest.mark.parametrize("delay", [0.0, 0.06, 0.31, 0.6])
@pytest.mark.parametrize("gain", [0.5, 0.05])
def test_an_echo_is_never_another_voice(delay: float, gain: float) -> None:
    begin = round(delay / 0.02)

    found = verdicts(echo(sound(1), delay, gain), sound(1), voice=range(begin, COUNT))

    assert True not in found
    assert found[begin + 20] is False


@pytest.mark.parametrize("begin", [0, 5, 20])
def test_another_voice_is_known_within_a_third_of_a_second(begin: int) -> None:
    came = np.roll(sound(2), begin * FRAME)
    came[: begin * FRAME] = 0

    found = verdicts(came, sound(1), voice=range(begin, COUNT))

    assert found[begin : begin + 5] == [None] * 5, "what can that be?"
    assert found[begin + 16] is True
    assert found[begin + 16 :].count(True) > 0.9 * (COUNT - begin - 16)


def test_silence_is_nobodys_voice() -> None:
    found = verdicts(echo(sound(1), 2.0, 0.0), sound(1), voice=range(0))

    assert set(found) == {False}


def test_who_was_known_for_an_echo_needs_long_to_be_another() -> None:
    """A room's last ringing before a pause is like nothing that was sent."""
    came = echo(sound(1), 0.1, 0.3)
    came[50 * FRAME :] = sound(2)[50 * FRAME :]

    found = verdicts(came, sound(1), voice=range(5, COUNT))

    assert True not in found[:65]


def test_what_cannot_be_told_is_not_waited_for() -> None:
    """A hum under the band that is compared, and nothing sent."""
    nothing = np.zeros(COUNT * FRAME, np.int16)

    found = verdicts(nothing + np.int16(500), nothing)

    assert found[UNDECIDED - 1] is None
    assert found[UNDECIDED + 1 :] == [False] * (COUNT - UNDECIDED - 1)
