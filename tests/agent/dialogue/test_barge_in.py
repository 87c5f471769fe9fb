"""Ducked soon, confirmed later, otherwise taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialogue.barge_in import BargeIn, BargeInSettings, Verdict

PIECE = 0.02


def play(
    barge_in: BargeIn,
    probability: float,
    seconds: float,
    *,
    echo: bool = False,
    is_awaited: bool = False,
) -> list[tuple[float, Verdict]]:
    """Verdicts, and after how many seconds of this stretch each came."""
    verdicts = []
    for index in range(round(seconds / PIECE)):
        verdict = barge_in.feed(probability, PIECE, echo=echo, is_awaited=is_awaited)
        if verdict:
            verdicts.append((pytest.approx((index + 1) * PIECE), verdict))
    return verdicts


def test_speech_ducks_and_then_interrupts() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    verdicts = play(barge_in, 0.9, 2.0)

    assert verdicts == [(0.04, Verdict.DUCK), (0.5, Verdict.INTERRUPT)]


def test_the_default_waits_are_those_of_conversation() -> None:
    settings = BargeInSettings()

    assert 0.02 <= settings.duck_after <= 0.12  # 120 to 200 ms with the detector's own delay
    assert 0.35 <= settings.confirm_after <= 0.5
    assert settings.resume_after <= 1.2


def test_a_cough_ducks_and_is_taken_back() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    assert play(barge_in, 0.9, 0.3) == [(0.04, Verdict.DUCK)]
    assert barge_in.ducked
    assert play(barge_in, 0.0, 2.0) == [(0.7, Verdict.RESUME)]
    assert not barge_in.ducked


def test_a_click_does_nothing() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    for _ in range(20):
        assert play(barge_in, 0.9, 0.02) == []
        assert play(barge_in, 0.0, 0.3) == []


def test_small_gaps_lie_inside_the_speech() -> None:
    barge_in = BargeIn(BargeInSettings(gap=0.2), "en")

    verdicts = []
    for _ in range(5):
        verdicts += play(barge_in, 0.9, 0.12) + play(barge_in, 0.0, 0.16)

    assert [verdict for _, verdict in verdicts] == [Verdict.DUCK, Verdict.INTERRUPT]


def test_two_coughs_are_no_interruption() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    verdicts = []
    for _ in range(5):
        verdicts += play(barge_in, 0.9, 0.3) + play(barge_in, 0.0, 0.5)

    assert [verdict for _, verdict in verdicts] == [Verdict.DUCK]


@pytest.mark.parametrize(
    ("language", "text"), [("en", "stop"), ("en", "no wait"), ("ko", "잠깐만요"), ("ko", "아니")]
)
def test_a_word_interrupts_at_once_when_ducked(language: str, text: str) -> None:
    barge_in = BargeIn(BargeInSettings(), language)
    play(barge_in, 0.9, 0.2)

    assert barge_in.read(text) is Verdict.INTERRUPT


def test_a_word_before_the_duck_interrupts_once_it_can_have_been_said() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.02)

    assert barge_in.read("stop") is None
    assert play(barge_in, 0.9, 0.1) == [(0.02, Verdict.DUCK), (0.1, Verdict.INTERRUPT)]


def test_the_voices_of_a_room_duck_and_never_interrupt() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    assert play(barge_in, 0.65, 10.0) == [(0.04, Verdict.DUCK)]
    assert barge_in.read("five") is None
    assert play(barge_in, 0.65, 1.0) == []


def test_a_caller_is_heard_out_of_the_voices_of_a_room() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.58, 10.0)

    assert play(barge_in, 0.95, 2.0) == [(pytest.approx(0.7), Verdict.INTERRUPT)]


def test_doubtful_speech_is_believed_later_than_clear_speech() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    verdicts = play(barge_in, 0.75, 2.0)

    assert verdicts == [(0.04, Verdict.DUCK), (pytest.approx(0.84), Verdict.INTERRUPT)]


@pytest.mark.parametrize(
    ("language", "text"), [("en", "I"), ("en", "oh that's"), ("en", "ye"), ("ko", "그")]
)
def test_what_may_become_a_backchannel_waits_for_the_rest(language: str, text: str) -> None:
    barge_in = BargeIn(BargeInSettings(), language)
    play(barge_in, 0.9, 0.2)

    assert barge_in.read(text) is None
    assert play(barge_in, 0.9, 0.3) == [(0.3, Verdict.INTERRUPT)]


def test_what_did_not_become_a_backchannel_interrupts() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.2)

    assert barge_in.read("I") is None
    assert barge_in.read("I want") is Verdict.INTERRUPT


@pytest.mark.parametrize(("language", "text"), [("en", "uh-huh"), ("ko", "네네"), ("ko", "음")])
def test_a_backchannel_is_given_longer(language: str, text: str) -> None:
    barge_in = BargeIn(BargeInSettings(), language)
    play(barge_in, 0.9, 0.3)

    assert barge_in.read(text) is None
    assert play(barge_in, 0.9, 0.5) == []
    assert play(barge_in, 0.0, 1.0) == [(0.7, Verdict.RESUME)]


def test_an_endless_backchannel_interrupts_after_all() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)
    barge_in.read("yeah")

    assert play(barge_in, 0.9, 1.0) == [(0.7, Verdict.INTERRUPT)]


def test_what_follows_a_backchannel_interrupts() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)

    assert barge_in.read("yeah") is None
    assert barge_in.read("yeah but") is Verdict.INTERRUPT


def test_no_words_leave_the_verdict_to_the_voice() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)

    assert barge_in.read("...") is None
    assert play(barge_in, 0.9, 0.3) == [(0.2, Verdict.INTERRUPT)]


def test_an_agent_stays_quiet_longer_while_it_is_being_understood_what_was_said() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)

    assert play(barge_in, 0.0, 0.9, is_awaited=True) == []
    assert barge_in.patience == pytest.approx(0.1)
    assert play(barge_in, 0.0, 0.5, is_awaited=True) == [(0.1, Verdict.RESUME)]


@pytest.mark.parametrize(("language", "text"), [("en", "stop"), ("en", "no"), ("ko", "아니")])
def test_a_word_that_is_understood_late_stops_an_agent_that_waited_for_it(
    language: str, text: str
) -> None:
    barge_in = BargeIn(BargeInSettings(), language)
    play(barge_in, 0.9, 0.24)
    play(barge_in, 0.0, 0.9, is_awaited=True)

    assert barge_in.read(text) is Verdict.INTERRUPT


def test_once_it_is_understood_nothing_more_is_waited_for() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)
    play(barge_in, 0.0, 0.8, is_awaited=True)
    assert barge_in.read("uh-huh") is None

    assert play(barge_in, 0.0, 0.1) == [(PIECE, Verdict.RESUME)]


def test_the_longest_wait_is_never_shorter_than_the_usual_one() -> None:
    barge_in = BargeIn(BargeInSettings(resume_after=1.2, resume_latest=0.5), "en")
    play(barge_in, 0.9, 0.3)

    assert play(barge_in, 0.0, 1.3, is_awaited=True) == [(1.2, Verdict.RESUME)]


def test_an_echo_is_silence() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")

    assert play(barge_in, 0.95, 5.0, echo=True) == []


def test_an_echo_after_the_caller_lets_the_agent_go_on() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)

    assert play(barge_in, 0.95, 1.0, echo=True) == [(0.7, Verdict.RESUME)]


def test_after_an_interruption_nothing_more_is_said_until_the_next_reply() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 1.0)
    assert play(barge_in, 0.0, 3.0) == []
    assert barge_in.read("stop") is None

    barge_in.reset()

    assert not barge_in.ducked
    assert play(barge_in, 0.9, 1.0) == [(0.04, Verdict.DUCK), (0.5, Verdict.INTERRUPT)]


def test_words_of_a_cough_that_was_taken_back_are_forgotten() -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    play(barge_in, 0.9, 0.3)
    barge_in.read("yeah")
    play(barge_in, 0.0, 1.0)

    assert play(barge_in, 0.9, 1.0) == [(0.04, Verdict.DUCK), (0.5, Verdict.INTERRUPT)]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), max_size=40),
    st.sampled_from(["", "yeah", "네"]),
)
def test_verdicts_alternate_and_nothing_stays_ducked_in_silence(
    script: list[tuple[float, int]], text: str
) -> None:
    barge_in = BargeIn(BargeInSettings(), "en")
    verdicts = []
    for probability, pieces in [*script, (0.0, 60)]:
        verdicts += play(barge_in, probability, pieces * PIECE)
        if verdict := barge_in.read(text):
            verdicts.append((0.0, verdict))
    follows = {
        None: {Verdict.DUCK},
        Verdict.DUCK: {Verdict.INTERRUPT, Verdict.RESUME},
        Verdict.RESUME: {Verdict.DUCK},
        Verdict.INTERRUPT: set(),
    }
    last = None
    for _, verdict in verdicts:
        assert verdict in follows[last]
        last = verdict
    assert last is not Verdict.DUCK
