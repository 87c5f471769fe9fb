"""What of a long conversation is kept. A token is a character here; a message costs two more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.engines.llama.window import Window, fit
from agent.messages import Message
from tests.agent.engines.llama.scripted import messages


def count(kept: Sequence[Message]) -> int:
    return sum(len(m.text) + 2 for m in kept)


def test_what_fits_is_kept_whole() -> None:
    said = messages("one", "two", "three", system="s")

    kept, window = fit(said, count=count, room=100, window=Window())

    assert tuple(kept) == said
    assert window.start == 0


def test_the_oldest_turns_go_and_the_system_prompt_stays() -> None:
    said = messages(*("x" * 8 for _ in range(11)), system="system")

    kept, _ = fit(said, count=count, room=100, window=Window())

    assert kept[0] == said[0]
    assert kept[1].role == "user"
    assert kept[-1] == said[-1]
    assert count(kept) <= 60


def test_the_window_stays_where_it_is_until_it_is_full_again() -> None:
    texts = ["x" * 8 for _ in range(11)]
    _, window = fit(messages(*texts, system="s"), count=count, room=100, window=Window())

    kept, after = fit(
        messages(*texts, "yes", "more", system="s"), count=count, room=100, window=window
    )

    assert after.start == window.start > 0
    assert count(kept) <= 100


def test_another_history_begins_with_another_window() -> None:
    stale = Window(4, Message("user", "gone"))

    kept, window = fit(
        messages("a", "b", "c", "d", "e", system="s"), count=count, room=100, window=stale
    )

    assert window.start == 0
    assert len(kept) == 6


def test_a_message_that_is_too_long_keeps_its_end() -> None:
    said = messages("old", "reply", "word " * 100 + "the point", system="sys")

    kept, _ = fit(said, count=count, room=60, window=Window())

    assert [m.role for m in kept] == ["system", "user"]
    assert kept[1].text.endswith("the point")
    assert 50 < count(kept) <= 60


def test_a_system_prompt_that_is_too_long_keeps_its_beginning() -> None:
    said = messages("a question", system="Be kind. " + "x" * 500)

    kept, _ = fit(said, count=count, room=60, window=Window())

    assert kept[0].text.startswith("Be kind. ")
    assert kept[-1].text == "a question"
    assert count(kept) <= 60


@pytest.mark.parametrize("room", range(10, 120, 7))
def test_it_always_fits_and_ends_with_the_last_words(room: int) -> None:
    said = messages("aaaa " * 5, "bbbb " * 5, "cccc " * 5, "dddd " * 5, "fin", system="sys")

    kept, _ = fit(said, count=count, room=room, window=Window())

    assert count(kept) <= room
    assert kept[-1].text.endswith("fin")


def test_nothing_at_all_fits() -> None:
    assert fit((), count=count, room=10, window=Window())[0] == []
