"""Which words were heard, exact to a word."""

from __future__ import annotations

import pytest

from agent.dialogue.heard import Heard


def reply() -> Heard:
    heard = Heard()
    heard.add(2.0, [("Your", 0.0, 0.2), ("table", 0.2, 0.6), ("is", 0.6, 0.7)])
    heard.add(2.7, [("booked.", 0.1, 0.5)])
    return heard


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (0.0, ""),
        (2.05, ""),
        (2.1, "Your"),
        (2.39, "Your"),
        (2.41, "Your table"),
        (2.7, "Your table is"),
        (2.95, "Your table is"),
        (3.0, "Your table is booked."),
        (9.0, "Your table is booked."),
    ],
)
def test_a_word_is_heard_when_its_middle_was_played(until: float, text: str) -> None:
    assert reply().text(until) == text


def test_everything_that_was_to_be_said_is_known() -> None:
    assert reply().full() == "Your table is booked."


def test_the_beginning_is_that_of_the_first_piece() -> None:
    assert Heard().begins is None
    assert reply().begins == 2.0


def test_what_was_cleared_is_never_heard() -> None:
    heard = reply()
    heard.cut(2.5)
    heard.add(2.5, [("잠시만요.", 0.0, 0.4)])

    assert heard.text(9.0) == "Your table 잠시만요."


def test_a_piece_without_words_is_no_word() -> None:
    heard = Heard()
    heard.add(0.0, [])

    assert heard.begins == 0.0
    assert heard.text(1.0) == ""
