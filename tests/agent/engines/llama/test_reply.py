"""Text comes out whole: characters, and nothing of a stop string."""

from __future__ import annotations

import pytest

from agent.engines.llama.reply import ReplyText


def fed(text: ReplyText, *pieces: bytes) -> list[str]:
    return [*(text.feed(piece) for piece in pieces), text.finish()]


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_korean_syllables_split_over_tokens_come_out_whole(size: int) -> None:
    data = "네, 안녕하세요 👋".encode()
    text = ReplyText(("<|im_end|>",))

    out = fed(text, *(data[i : i + size] for i in range(0, len(data), size)))

    assert "".join(out) == "네, 안녕하세요 👋"
    assert not any("\ufffd" in piece for piece in out)


def test_a_character_that_is_never_completed_is_left_out() -> None:
    assert fed(ReplyText(), b"Hi ", "네".encode()[:2]) == ["Hi ", "", ""]


def test_bytes_that_are_no_text_are_replaced_not_fatal() -> None:
    assert "".join(fed(ReplyText(), b"a\xff\xfe", b"b")) == "a\ufffd\ufffdb"


def test_a_stop_string_ends_the_reply_and_is_not_part_of_it() -> None:
    text = ReplyText(("<|im_end|>",))

    out = fed(text, b"Sure.", b"<|im", b"_end", b"|>", b"more")

    assert "".join(out) == "Sure."
    assert text.stopped


def test_what_only_began_like_a_stop_string_comes_out_later() -> None:
    text = ReplyText(("<|im_end|>", "User:"))

    assert fed(text, b"a <", b"b> U", b"se it") == ["a ", "<b> ", "Use it", ""]
    assert not text.stopped


def test_the_end_gives_out_what_was_held() -> None:
    assert fed(ReplyText(("User:",)), b"ask the Use") == ["ask the ", "Use"]


def test_white_space_before_the_first_word_is_left_out() -> None:
    assert fed(ReplyText(), b" ", b"\n Sure", b", ok ") == ["", "Sure", ", ok ", ""]


def test_the_first_of_two_stop_strings_counts() -> None:
    assert fed(ReplyText(("B", "A")), b"xAyB") == ["x", ""]
