"""Where a filler ends when the reply comes."""

from __future__ import annotations

import pytest

from agent.dialogue.making_way import SpokenWord, has_time, nearest_end, silence_before

WORDS = [SpokenWord(1.0, 1.2), SpokenWord(1.3, 1.5), SpokenWord(1.5, 1.9)]
"""“Hmm, let's see.”"""


@pytest.mark.parametrize(
    ("position", "end"),
    [
        (0.9, 0.9),  # before its first word
        (1.1, 1.2),
        (1.2, 1.2),
        (1.25, 1.25),  # between two words
        (1.4, 1.5),
        (1.5, 1.5),  # between two that follow one another
        (1.6, 1.9),
        (2.0, 2.0),  # in the silence behind it
    ],
)
def test_a_filler_ends_with_its_word(position: float, end: float) -> None:
    assert nearest_end(WORDS, position) == end


@pytest.mark.parametrize(
    ("position", "silence"),
    [(0.9, 0.0), (1.1, 0.0), (1.25, 0.05), (1.5, 0.0), (1.88, 0.0), (2.1, 0.2)],
)
def test_the_silence_behind_a_word_is_a_part_of_the_breath(position: float, silence: float) -> None:
    assert silence_before(WORDS, position) == pytest.approx(silence)


@pytest.mark.parametrize(
    ("position", "reply_in", "has"),
    [
        (1.2, 2.0, True),
        (1.2, 0.3, True),
        (1.2, 0.29, True),  # kept back by 90 ms
        (1.2, 0.2, False),
        (1.2, 0.0, False),
        (1.5, 0.4, True),
        (1.5, 0.3, False),
        (1.9, 9.0, False),  # there is none
    ],
)
def test_a_word_is_said_if_the_reply_hardly_has_to_wait_for_it(
    position: float, reply_in: float, has: bool
) -> None:
    assert has_time(WORDS, position, reply_in, breath=0.08, most_kept_back=0.1) is has
