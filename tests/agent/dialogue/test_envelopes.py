"""What follows something else: by how long, and how much quieter."""

from __future__ import annotations

import numpy as np
import pytest

from agent.dialogue.envelopes import FLOOR, LATEST, SHORTEST, Envelopes

RINGING = 100.0


def speech(seed: int, count: int = 400, loudest: float = -15.0) -> list[float]:
    """Levels like those of speech: syllables of 60 to 240 ms, pauses between some, per 20 ms."""
    rng = np.random.default_rng(seed)
    levels: list[float] = []
    while len(levels) < count:
        peak = loudest - rng.uniform(0, 12)
        length = int(rng.integers(3, 13))
        levels += [peak - 8 * abs(2 * at / length - 1) for at in range(length)]
        levels += [-70.0] * int(rng.choice([0, 1, 2, 8], p=[0.4, 0.3, 0.2, 0.1]))
    return levels[:count]


def fed(sent: list[float], came: list[float]) -> Envelopes:
    envelopes = Envelopes(RINGING)
    for one, other in zip(sent, came, strict=True):
        envelopes.feed(one, other)
    return envelopes


def late(levels: list[float], delay: int, gain: float) -> list[float]:
    return [-70.0] * delay + [level + gain for level in levels[: len(levels) - delay]]


@pytest.mark.parametrize("delay", [2, 8, 20, 33])
@pytest.mark.parametrize("gain", [-6.0, -20.0])
def test_an_echo_tells_its_delay_and_its_gain(delay: int, gain: float) -> None:
    sent = speech(1)

    fit = fed(sent, late(sent, delay, gain)).fit()

    assert fit is not None
    assert fit.likeness > 0.85
    assert fit.delay == pytest.approx(delay, abs=2)
    assert fit.gain_db == pytest.approx(gain, abs=3.0)


def test_people_who_do_not_hear_each_other_seldom_seem_to_follow() -> None:
    likenesses = []
    for seed in range(60):
        fit = fed(speech(seed), speech(seed + 1000)).fit()
        likenesses.append(fit.likeness if fit is not None else 0.0)

    assert np.mean(np.array(likenesses) > 0.75) < 0.05


def test_nothing_follows_from_a_still_sound() -> None:
    assert fed(speech(1), [-30.0] * 400).fit() is None
    assert fed(speech(1), [-90.0] * 400).fit() is None


def test_nothing_is_told_of_a_moment() -> None:
    sent = speech(1)
    enough, few = SHORTEST, SHORTEST - 1

    assert fed(sent[:few], late(sent[:few], 5, -10.0)).fit() is None
    assert fed(sent[:enough], late(sent[:enough], 5, -10.0)).fit() is not None


def test_what_was_before_a_pause_is_forgotten() -> None:
    sent = speech(1)
    envelopes = fed(sent, late(sent, 5, -10.0))
    envelopes.clear()

    assert envelopes.fit() is None
    assert envelopes.sent(LATEST, 3) == FLOOR


def test_what_was_sent_is_told_by_its_delay_and_fades_as_a_room_rings() -> None:
    envelopes = Envelopes(RINGING)
    envelopes.feed(-20.0, -70.0)
    for _ in range(10):
        envelopes.feed(None, -70.0)

    assert envelopes.sent(10, 0) == pytest.approx(-20.0)
    assert envelopes.sent(5, 0) == pytest.approx(-20.0 - 5 * 0.02 * RINGING)
    assert envelopes.sent(10, 0) == envelopes.sent(10, 3)
    assert envelopes.sent(13, 3) == pytest.approx(-20.0)
    assert envelopes.sent(14, 3) == FLOOR
