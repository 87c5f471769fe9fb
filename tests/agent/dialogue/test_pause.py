"""Where a pause begins: at the voice's last sound, not where the detector lets go of it. And how
long it must be when nothing was understood."""

from __future__ import annotations

import pytest

from agent.dialogue.endpointer import Ended, Endpointer, EndpointSettings


@pytest.mark.parametrize(
    ("tail_db", "counted"),
    [
        (-20.0, 0.0),  # as loud as the voice
        (-45.0, 0.0),  # the voice dying away
        (-60.0, 0.08),  # the room, which the detector still takes for the voice
    ],
)
def test_the_pause_is_counted_from_the_last_sound(tail_db: float, counted: float) -> None:
    endpointer = Endpointer(EndpointSettings(), "en")
    for _ in range(50):
        endpointer.feed(0.95, 0.02, -20.0)
    for _ in range(4):
        endpointer.feed(0.95, 0.02, tail_db)

    assert endpointer.silence == pytest.approx(counted)

    ended = None
    while not isinstance(ended, Ended):
        ended = endpointer.feed(0.02, 0.02, -70.0)
    assert ended.speech_end == pytest.approx(1.08 - counted)
    assert ended.waited == pytest.approx(endpointer.position - ended.speech_end)


def test_a_bang_before_quiet_words_takes_no_more_than_the_tail_from_them() -> None:
    endpointer = Endpointer(EndpointSettings(tail=0.12), "en")
    endpointer.feed(0.95, 0.02, -3.0)
    for _ in range(50):
        endpointer.feed(0.95, 0.02, -45.0)

    assert endpointer.silence == pytest.approx(0.12)


def test_the_tail_does_not_count_twice_as_speech() -> None:
    endpointer = Endpointer(EndpointSettings(), "en")
    for level in (*[-20.0] * 20, *[-60.0] * 4, *[-20.0] * 20):
        endpointer.feed(0.95, 0.02, level)

    assert endpointer.speech == pytest.approx(44 * 0.02)


def test_an_utterance_is_as_certain_as_its_surest_moment() -> None:
    endpointer = Endpointer(EndpointSettings(), "en")

    def play(probability: float, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            endpointer.feed(probability, 0.02)

    play(0.65, 1.0)
    assert endpointer.certainty == 0.65
    play(0.9, 0.1)
    play(0.02, 2.0)
    assert endpointer.certainty == 0.9  # of the last one, while there is none
    play(0.7, 1.0)
    assert endpointer.certainty == 0.7
    endpointer.reopen()
    assert endpointer.certainty == 0.9


def test_what_was_not_understood_is_waited_for_as_long_by_everyone() -> None:
    """Cut off again and again, an unread caller is not given more time: only a read one is."""
    endpointer = Endpointer(EndpointSettings(), "en")
    for _ in range(5):
        for _ in range(50):
            endpointer.feed(0.95, 0.02)
        while not isinstance(endpointer.feed(0.02, 0.02), Ended):
            pass
        endpointer.reopen()
    endpointer.feed(0.95, 0.1)

    assert endpointer.wait == pytest.approx(0.75)
    endpointer.read("the blue one", until=endpointer.position)
    assert endpointer.wait > 0.75
