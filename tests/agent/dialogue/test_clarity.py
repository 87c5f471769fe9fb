"""A caller at the microphone, and the voices of a room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.dialogue.clarity import Clarity, ClaritySettings

PIECE = 0.02


def heard(clarity: Clarity, probability: float, seconds: float) -> Clarity:
    for _ in range(round(seconds / PIECE)):
        clarity.feed(probability, PIECE)
    return clarity


def new() -> Clarity:
    return Clarity(ClaritySettings())


def test_a_short_word_at_the_microphone_is_near() -> None:
    assert heard(new(), 0.93, 0.12).is_near


def test_a_click_is_not() -> None:
    assert not heard(new(), 0.99, 0.06).is_near


@pytest.mark.parametrize("probability", [0.45, 0.6, 0.7])
def test_murmuring_is_not_however_long_it_lasts(probability: float) -> None:
    assert not heard(new(), probability, 60.0).is_near


def test_whoever_speaks_after_long_murmuring_is_near_again() -> None:
    clarity = heard(new(), 0.5, 60.0)

    assert not heard(clarity, 0.95, 0.3).is_near
    assert heard(clarity, 0.95, 0.5).is_near


def test_speech_counts_by_how_clear_it_is() -> None:
    settings = ClaritySettings(doubtful_below=0.6, clear_above=0.8)

    assert heard(Clarity(settings), 0.6, 1.0).seconds == pytest.approx(0.0)
    assert heard(Clarity(settings), 0.7, 1.0).seconds == pytest.approx(0.5)
    assert heard(Clarity(settings), 0.8, 1.0).seconds == pytest.approx(1.0)


def test_after_a_reset_nothing_was_heard() -> None:
    clarity = heard(new(), 0.95, 1.0)
    clarity.reset()

    assert clarity.seconds == 0.0
    assert not clarity.is_near


def test_what_is_doubtful_must_be_less_than_what_is_clear() -> None:
    with pytest.raises(ValidationError, match="clear_above"):
        ClaritySettings(doubtful_below=0.8, clear_above=0.8)


@given(st.lists(st.floats(0, 1), max_size=200))
def test_there_is_never_more_clear_speech_than_speech(probabilities: list[float]) -> None:
    clarity = new()
    for probability in probabilities:
        clarity.feed(probability, PIECE)

    assert 0 <= clarity.seconds <= len(probabilities) * PIECE + 1e-9
