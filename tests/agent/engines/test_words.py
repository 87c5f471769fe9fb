"""Where the words of a text lie in its clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engines.phonemes import estimated_marks, exact_marks, place_words, timed
from agent.engines.words import between_marks, match, spread


def test_words_share_a_stretch_by_their_length() -> None:
    words = spread(["abc", "a"], 1.0, 2.0)
    assert [(word.start, word.end) for word in words] == [(1.0, 1.75), (1.75, 2.0)]
    assert spread([], 1.0, 2.0) == ()


@pytest.mark.parametrize(
    ("sizes", "groups", "pairs"),
    [
        ([3, 2], [3, 2], [((0, 1), (0, 1)), ((1, 2), (1, 2))]),
        ([3, 2, 2, 4], [3, 4, 4], [((0, 1), (0, 1)), ((1, 3), (1, 2)), ((3, 4), (2, 3))]),
        ([3, 9], [3, 4, 5], [((0, 1), (0, 1)), ((1, 2), (1, 3))]),
        ([], [], []),
        ([2], [], [((0, 1), (0, 0))]),
        ([], [2], [((0, 0), (0, 1))]),
    ],
)
def test_words_find_the_groups_that_sound_them(
    sizes: list[int],
    groups: list[int],
    pairs: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    expected = [(range(*words), range(*sounds)) for words, sounds in pairs]
    assert match(sizes, groups) == expected


@given(st.lists(st.integers(1, 9), max_size=12), st.lists(st.integers(1, 9), max_size=12))
def test_every_word_and_every_group_is_matched_once(sizes: list[int], groups: list[int]) -> None:
    pairs = match(sizes, groups)
    assert [at for words, _ in pairs for at in words] == list(range(len(sizes)))
    assert [at for _, sounds in pairs for at in sounds] == list(range(len(groups)))


def test_words_between_marks_share_the_time() -> None:
    words = between_marks("of the day", {0: 0.5, 7: 1.5}, 2.0)
    assert [(word.text, word.start, word.end) for word in words] == [
        ("of", 0.5, pytest.approx(0.9)),
        ("the", pytest.approx(0.9), 1.5),
        ("day", 1.5, 2.0),
    ]


@pytest.mark.parametrize("marks", [{}, {3: 0.5}, {1: 0.2}, {0: 3.0, 3: 1.0}])
def test_every_word_has_a_time_whatever_the_marks(marks: dict[int, float]) -> None:
    words = between_marks("ab cd ef", marks, 1.0)
    assert [word.text for word in words] == ["ab", "cd", "ef"]
    assert all(0 <= word.start <= word.end <= 1.0 for word in words)


def sentences(*phonemes: str) -> list[list[str]]:
    return [list(sentence) for sentence in phonemes]


def test_words_get_their_stretch_of_phonemes() -> None:
    [sentence] = place_words("Hi, you!", sentences("haɪ, juː!"), len)
    assert [(word.word, word.start, word.end) for word in sentence.words] == [
        ("Hi,", 0, 3),
        ("you!", 5, 8),
    ]


def test_joined_words_share_a_stretch() -> None:
    sizes = {"of": 2, "the": 2, "day": 3}
    [sentence] = place_words("of the day", sentences("əvðə deɪ"), lambda word: sizes[word])
    assert [(word.start, word.end) for word in sentence.words] == [(0, 2), (2, 4), (5, 8)]


def test_words_without_sound_take_no_time() -> None:
    first, second = place_words("Yes - no. - Ok", sentences("jɛs noʊ.", "oʊkeɪ"), len)
    assert [(word.word, word.start, word.end) for word in first.words] == [
        ("Yes", 0, 3),
        ("-", 3, 3),
        ("no.", 4, 7),
        ("-", 7, 7),
    ]
    assert [word.word for word in second.words] == ["Ok"]


def test_exact_marks_follow_the_ids() -> None:
    ids = {"_": [0], "^": [1], "$": [2], "a": [5], "b": [6, 7]}
    samples = np.array([10, 1, 20, 2, 30, 31, 3, 40])  # ^ _ a _ b b _ $
    assert exact_marks(["a", "?", "b"], ids, samples, 100) == [0.11, 0.33, 0.33, 0.97]
    assert exact_marks(["a"], ids, samples, 100) is None


def test_estimated_marks_fill_the_speech() -> None:
    marks = estimated_marks(list("ha, juː"), 0.5, 1.5)
    assert marks[0] == 0.5
    assert marks[-1] == pytest.approx(1.5)
    assert marks == sorted(marks)
    assert marks[3] - marks[2] > marks[1] - marks[0]  # a comma is a pause


def test_times_are_those_of_the_cut_clip() -> None:
    [sentence] = place_words("a b", sentences("a b"), len)
    words = timed(sentence, [0.1, 0.4, 0.5, 0.9], shift=0.2, end=0.6)
    assert [(word.start, pytest.approx(word.end)) for word in words] == [
        (0.0, pytest.approx(0.2)),
        (pytest.approx(0.3), pytest.approx(0.6)),
    ]
