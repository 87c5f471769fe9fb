"""The end of a turn, by evidence; played in pieces of 20 ms unless said otherwise."""

from __future__ import annotations

import pytest

from agent.dialogue.endpointer import (
    Ended,
    Endpointer,
    EndpointSettings,
    Paused,
    Resumed,
    Signal,
    Started,
)
from agent.dialogue.rhythm import RhythmSettings

PIECE = 0.02
STEADY = RhythmSettings(rate=0.0)
"""A rhythm that learns nothing, where a test is about something else."""


def steady(**overrides: object) -> EndpointSettings:
    return EndpointSettings.model_validate({"rhythm": STEADY, **overrides})


def play(endpointer: Endpointer, probability: float, seconds: float) -> list[Signal]:
    signals = (endpointer.feed(probability, PIECE) for _ in range(round(seconds / PIECE)))
    return [signal for signal in signals if signal is not None]


def speech(endpointer: Endpointer, seconds: float = 1.0) -> list[Signal]:
    return play(endpointer, 0.95, seconds)


def quiet(endpointer: Endpointer, seconds: float) -> list[Signal]:
    return play(endpointer, 0.02, seconds)


def ended_after(text: str | None, language: str = "en", **overrides: object) -> float:
    """Seconds of silence that end a turn with these words."""
    endpointer = Endpointer(steady(**overrides), language)
    speech(endpointer)
    if text is not None:
        endpointer.read(text)
    ends = [signal for signal in quiet(endpointer, 5.0) if isinstance(signal, Ended)]
    return ends[0].waited


def test_a_turn_starts_at_its_onset_pauses_and_ends() -> None:
    endpointer = Endpointer(steady(), "en")

    signals = quiet(endpointer, 0.5) + speech(endpointer, 1.0) + quiet(endpointer, 2.0)

    assert signals == [
        Started(onset=pytest.approx(0.5)),
        Paused(speech_end=pytest.approx(1.5)),
        Ended(
            speech_end=pytest.approx(1.5),
            waited=pytest.approx(0.75, abs=PIECE),
            speech=pytest.approx(1.0),
        ),
    ]
    assert endpointer.position == pytest.approx(3.5)
    assert not endpointer.speaking


def test_speech_is_certain_only_after_a_moment() -> None:
    endpointer = Endpointer(steady(min_speech=0.08), "en")

    assert speech(endpointer, 0.06) == []
    assert not endpointer.speaking
    assert speech(endpointer, 0.02) == [Started(onset=pytest.approx(0.0))]
    assert endpointer.speaking


def test_clicks_begin_nothing() -> None:
    endpointer = Endpointer(steady(), "en")

    for _ in range(20):
        assert speech(endpointer, 0.04) == []
        assert quiet(endpointer, 0.2) == []


def test_the_first_syllable_may_have_a_gap() -> None:
    endpointer = Endpointer(steady(onset_gap=0.1), "en")

    signals = speech(endpointer, 0.04) + quiet(endpointer, 0.06) + speech(endpointer, 0.06)

    assert signals == [Started(onset=pytest.approx(0.0))]


def test_probabilities_between_the_thresholds_change_nothing() -> None:
    endpointer = Endpointer(steady(speech_above=0.6, silence_below=0.35), "en")

    assert play(endpointer, 0.5, 3.0) == []
    speech(endpointer, 0.2)
    assert play(endpointer, 0.5, 3.0) == []
    assert endpointer.speaking
    assert endpointer.silence == 0.0


@pytest.mark.parametrize(
    ("language", "text", "waited"),
    [
        ("en", "what's the weather like", 0.3),
        ("en", "a table for two", 0.7),
        ("en", "i would like to", 1.7),
        ("en", "my number is five five five", 1.05),
        ("en", None, 0.75),
        ("ko", "오늘 날씨 어때요", 0.3),
        ("ko", "아메리카노 한 잔", 0.7),
        ("ko", "제가 예약을 했는데", 1.7),
        ("ko", "제 번호는 공일공", 1.05),
        ("ko", None, 0.75),
    ],
)
def test_the_words_decide_how_long_is_waited(
    language: str, text: str | None, waited: float
) -> None:
    assert ended_after(text, language) == pytest.approx(waited, abs=PIECE)


@pytest.mark.parametrize("preset", ["eager", "balanced", "patient"])
def test_a_preset_sets_the_waits_within_the_bounds_of_conversation(preset: str) -> None:
    complete = ended_after("what's the weather like", preset=preset)
    unsure = ended_after("a table for two", preset=preset)
    unfinished = ended_after("i would like to", preset=preset)

    assert 0.25 <= complete <= 0.36 + PIECE
    assert 0.6 <= unsure <= 0.8 + PIECE
    assert 1.4 <= unfinished <= 2.0 + PIECE


def test_an_override_outranks_the_preset() -> None:
    assert ended_after("a table for two", preset="eager", unsure=0.9) == pytest.approx(0.9)
    assert ended_after("what is it", preset="eager", unsure=0.9) == pytest.approx(0.26, abs=PIECE)


def test_a_caller_who_goes_on_in_the_pause_is_not_cut_off() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    endpointer.read("i would like to")

    paused = quiet(endpointer, 1.0)
    resumed = speech(endpointer, 0.5)
    endpointer.read("i would like to book a table please")
    ended = quiet(endpointer, 1.0)

    assert paused == [Paused(speech_end=pytest.approx(1.0))]
    assert resumed == [Resumed()]
    assert [type(signal) for signal in ended] == [Paused, Ended]
    assert isinstance(ended[-1], Ended)
    assert ended[-1].speech == pytest.approx(1.5)
    assert ended[-1].speech_end == pytest.approx(2.5)


def test_a_pause_is_known_from_when_it_is_told_until_the_caller_goes_on_or_is_done() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    assert endpointer.pause is None

    [paused] = quiet(endpointer, 0.2)
    assert endpointer.pause == paused
    speech(endpointer, 0.2)
    assert endpointer.pause is None

    assert [type(signal) for signal in quiet(endpointer, 2.0)] == [Paused, Ended]
    assert endpointer.pause is None


def test_a_click_in_the_pause_neither_resumes_nor_delays() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    endpointer.read("a table for two")

    signals = quiet(endpointer, 0.3) + speech(endpointer, 0.04) + quiet(endpointer, 0.5)

    assert [type(signal) for signal in signals] == [Paused, Ended]
    assert isinstance(signals[-1], Ended)
    assert signals[-1].waited == pytest.approx(0.7, abs=PIECE)
    assert signals[-1].speech == pytest.approx(1.0)


def test_a_word_that_begins_as_the_wait_expires_is_waited_for() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    endpointer.read("a table for two")

    signals = quiet(endpointer, 0.68) + speech(endpointer, 0.3)

    assert [type(signal) for signal in signals] == [Paused, Resumed]


def test_words_read_before_much_more_was_said_are_stale() -> None:
    fresh, stale = Endpointer(steady(), "en"), Endpointer(steady(), "en")
    for endpointer, more in ((fresh, 0.2), (stale, 0.6)):
        speech(endpointer)
        endpointer.read("what's the weather like")
        speech(endpointer, more)

    assert fresh.wait == pytest.approx(0.3)
    assert stale.wait == pytest.approx(0.7)


def test_words_that_cover_only_earlier_audio_are_stale() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer, 2.0)

    endpointer.read("what's the weather like", until=1.5)
    assert endpointer.wait == pytest.approx(0.7)
    endpointer.read("what's the weather like", until=1.9)
    assert endpointer.wait == pytest.approx(0.3)


def test_unfinished_words_that_were_read_long_ago_do_not_hold_up_the_end() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer, 2.0)

    endpointer.read("a table for", until=1.2)
    assert endpointer.wait == pytest.approx(0.7)
    endpointer.read("a table for", until=1.9)
    assert endpointer.wait == pytest.approx(1.7)


def test_the_words_may_arrive_in_the_pause_and_end_it_at_once() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    quiet(endpointer, 0.5)

    endpointer.read("what's the weather like")

    (signal,) = quiet(endpointer, PIECE)
    assert isinstance(signal, Ended)
    assert signal.waited == pytest.approx(0.5 + PIECE)


def test_words_of_the_last_turn_say_nothing_of_the_next() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    endpointer.read("what's the weather like")
    quiet(endpointer, 1.0)
    endpointer.read("too late")

    speech(endpointer)

    assert endpointer.reading is None
    assert endpointer.wait == pytest.approx(0.75, abs=PIECE)


@pytest.mark.parametrize(
    ("text", "judged", "wait"),
    [
        ("a table for two", 0.5, 0.7),
        ("a table for two", 1.0, 0.3),
        ("a table for two", 0.0, 1.7),
        ("a table for two", 0.75, 0.5),
        ("what's the weather like", 1.0, 0.3),
        ("what's the weather like", 0.0, 0.7),
        ("i would like to", 1.0, 0.7),
        ("i would like to", 0.0, 1.7),
        ("b r e n t", 0.0, 1.05),
        ("b r e n t", 1.0, 0.7),
        (None, 1.0, 0.3),
        (None, 0.0, 1.7),
    ],
)
def test_a_judgement_of_the_sound_is_weighed_with_the_words(
    text: str | None, judged: float, wait: float
) -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    if text:
        endpointer.read(text)

    endpointer.judge(judged)

    assert endpointer.wait == pytest.approx(wait)


def test_a_judgement_holds_for_its_pause_only() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer)
    quiet(endpointer, 0.2)
    endpointer.judge(0.0)
    assert endpointer.wait == pytest.approx(1.7)

    speech(endpointer, 0.2)
    quiet(endpointer, 0.2)

    assert endpointer.wait == pytest.approx(0.75, abs=PIECE)


def test_too_little_speech_is_told_to_the_call() -> None:
    endpointer = Endpointer(steady(), "en")

    signals = speech(endpointer, 0.1) + quiet(endpointer, 2.0)

    assert isinstance(signals[-1], Ended)
    assert signals[-1].speech == pytest.approx(0.1)


def test_the_longest_utterance_is_ended_though_the_caller_goes_on() -> None:
    endpointer = Endpointer(steady(longest=3.0), "en")

    signals = speech(endpointer, 7.0)

    assert [type(signal) for signal in signals] == [Started, Ended, Started, Ended, Started]
    first = signals[1]
    assert isinstance(first, Ended)
    assert first == Ended(speech_end=pytest.approx(3.0), waited=0.0, speech=pytest.approx(3.0))


@pytest.mark.parametrize("before", [True, False], ids=["before the start", "after the start"])
def test_a_reopened_turn_goes_on(before: bool) -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer, 1.0)
    endpointer.read("a table for two")
    quiet(endpointer, 1.0)

    if before:
        endpointer.reopen()
    started = speech(endpointer, 0.6)
    if not before:
        endpointer.reopen()
    ended = quiet(endpointer, 2.0)[-1]

    assert started == [Started(onset=pytest.approx(2.0))]
    assert isinstance(ended, Ended)
    assert ended.speech == pytest.approx(1.6)


def test_nothing_is_reopened_before_there_was_a_turn() -> None:
    endpointer = Endpointer(steady(), "en")

    endpointer.reopen()

    assert speech(endpointer, 0.5) == [Started(onset=pytest.approx(0.0))]


def test_speech_right_after_the_end_begins_where_it_begins() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer, 1.0)
    endpointer.read("a table for two")
    quiet(endpointer, 0.76)

    assert speech(endpointer, 0.5) == [Started(onset=pytest.approx(1.76))]


def test_a_turn_is_reopened_once() -> None:
    endpointer = Endpointer(steady(), "en")
    speech(endpointer, 1.0)
    quiet(endpointer, 1.0)
    speech(endpointer, 0.5)
    endpointer.reopen()
    endpointer.reopen()

    ended = quiet(endpointer, 2.0)[-1]

    assert isinstance(ended, Ended)
    assert ended.speech == pytest.approx(1.5)


def test_no_evidence_ends_a_turn_before_the_shortest_wait() -> None:
    assert ended_after("that is all.", complete=0.1) == pytest.approx(0.2, abs=PIECE)
    assert ended_after("that is all.", complete=0.1, shortest=0.4) == pytest.approx(0.4, abs=PIECE)


def test_another_language_is_read_by_its_own_rules() -> None:
    endpointer = Endpointer(steady(), "en")
    endpointer.speak_language("ko")
    speech(endpointer)

    endpointer.read("제가 예약을 했는데")

    assert endpointer.wait == pytest.approx(1.7)


def test_an_utterance_by_hand_ends_at_a_word_alone() -> None:
    endpointer = Endpointer(steady(), "en")
    endpointer.is_by_hand = True
    assert endpointer.end() is None
    signals = speech(endpointer) + quiet(endpointer, 90) + speech(endpointer)
    assert [type(each) for each in signals] == [Started, Paused, Resumed]
    ended = endpointer.end()
    assert ended is not None and ended.speech == pytest.approx(2.0)
    assert endpointer.end() is None and quiet(endpointer, 5) == []
    assert [type(each) for each in speech(endpointer)] == [Started]


def test_a_button_that_is_never_let_go_ends_its_utterance_all_the_same() -> None:
    endpointer = Endpointer(steady(), "en")
    endpointer.is_by_hand = True
    signals = speech(endpointer) + quiet(endpointer, 650)
    assert isinstance(signals[-1], Ended)
