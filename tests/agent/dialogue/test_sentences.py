"""A reply that arrives in pieces, cut for the voice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialogue.sentences import SentenceSettings, SentenceSplitter

WHOLE = SentenceSettings(first_words=20, first_words_unmarked=30)
"""The first piece is a sentence, too."""


def cut(text: str, language: str = "en", settings: SentenceSettings | None = None) -> list[str]:
    splitter = SentenceSplitter(language, settings)
    return [piece.strip() for piece in [*splitter.feed(text), *splitter.flush()]]


@pytest.mark.parametrize(
    "sentences",
    [
        ["It is open today.", "Would you like a table?", "Great news!"],
        ["Dr. Smith met Mrs. Jones.", "They talked."],
        ["It costs 3.50 today.", "Not 4.00 dollars."],
        ["We open at 9 a.m. and close late.", "Please come early."],
        ["We close at 5 p.m.", "The bar stays open."],
        ["J. R. Smith works for the U.S. Army.", "He likes it."],
        ["Take vitamin C.", "It helps you."],
        ["So do I.", "We all do."],
        ["See https://a.b/c?d=e.f!g for more.", "It is short."],
        ["Write to john.doe@example.com today.", "Thank you."],
        ["Well... maybe you should.", "Or not at all."],
        ['"Really?" he said.', '"Yes, really!"', "That was all."],
        ['He said "stop."', '"Why now?"', "Nobody knew."],
        ["Yahoo! is a company.", "It is old."],
        ["Bring fruit, milk, etc. for breakfast.", "That is all."],
        ["We need eggs, milk, etc.", "The shop is near."],
        ["See No. 5 there.", "No. 6 is gone."],
        ["Say no.", "No. I will not."],
        ["Here is a list:", "1. Apples and pears", "2. Some milk."],
        ["First line", "Second line"],
        ["Acme Inc. makes toys.", "They last."],
        ["It happened in 2024.", "The year was long."],
        ["(It was late.)", "We went home."],
        ["**It is done.**", "Anything else today?"],
        ["Is it 5?", "10 is too much."],
        ["Node.js is fine.", "So is v1.2.3 here."],
    ],
)
def test_english_sentences_end_where_they_end(sentences: list[str]) -> None:
    expected = list(sentences)
    if sentences[0].endswith((":", "line")):
        assert cut("\n".join(sentences), settings=WHOLE) == expected
    else:
        assert cut(" ".join(sentences), settings=WHOLE) == expected


@pytest.mark.parametrize(
    "sentences",
    [
        ["안녕하세요.", "무엇을 도와드릴까요?"],
        ["내일 오후 3시 30분에 만나요.", "괜찮으시죠?"],
        ["가격은 3.5달러입니다.", "비싸지 않아요!"],
        ["알겠습니다。", "바로 하겠습니다！", "고맙습니다"],
        ["“정말 좋아요.”", "그가 말했습니다."],
        ["주소는 www.naver.com입니다.", "찾아보세요."],
        ["음… 글쎄요.", "다시 볼게요."],
        ["다음과 같습니다.", "1. 사과와 배입니다.", "2. 우유도 있어요."],
    ],
)
def test_korean_sentences_end_where_they_end(sentences: list[str]) -> None:
    assert cut(" ".join(sentences), "ko", WHOLE)[-2:] == sentences[-2:]


def test_korean_needs_no_space_after_a_full_stop() -> None:
    assert cut("비가 왔어요.그래서 못 갔어요.", "ko", WHOLE) == [
        "비가 왔어요.",
        "그래서 못 갔어요.",
    ]


@pytest.mark.parametrize(
    ("text", "language", "first"),
    [
        ("I can help you with that, no problem at all.", "en", "I can help you with that,"),
        ("The shop opens at nine because it is Monday.", "en", "The shop opens at nine"),
        ("Sure, I can help you with that, of course.", "en", "Sure, I can help you with that,"),
        ("On March 3, 2024, we moved house.", "en", "On March 3, 2024,"),
        ("It costs 1,000,000 won, all included.", "en", "It costs 1,000,000 won,"),
        ("비가 많이 오는데 우산을 챙기세요.", "ko", "비가 많이 오는데"),
        ("네, 알겠습니다, 바로 하겠습니다.", "ko", "네, 알겠습니다,"),
    ],
)
def test_the_first_piece_is_a_clause(text: str, language: str, first: str) -> None:
    assert cut(text, language)[0] == first


def test_only_the_first_piece_is_less_than_a_sentence() -> None:
    pieces = cut("I can help you with that, no problem. After lunch today, we can talk, too.")
    assert pieces == [
        "I can help you with that,",
        "no problem.",
        "After lunch today, we can talk, too.",
    ]


def test_a_first_clause_comes_before_its_sentence_is_complete() -> None:
    splitter = SentenceSplitter("en")
    assert splitter.feed("I can help you with that, ") == []
    assert splitter.feed("no") == ["I can help you with that, "]


def test_a_very_short_sentence_waits_for_the_next() -> None:
    assert cut("Sure. What size would you like? Okay.") == [
        "Sure. What size would you like?",
        "Okay.",
    ]
    assert cut("네. 어떤 크기로 드릴까요?", "ko") == ["네. 어떤 크기로 드릴까요?"]


def hurried(text: str, language: str = "en") -> list[str]:
    splitter = SentenceSplitter(language)
    assert splitter.feed(text) == []
    splitter.hurry()
    return splitter.feed("")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Sure. What", ["Sure. "]),
        ("Sure!", ["Sure!"]),
        ("Oh well, it", ["Oh well, "]),
        ("My older brother really likes chess and", ["My older brother really likes chess "]),
        ("I would like to", []),
        ("There are about 12 5", []),
        ("Yes", []),
        ("Please visit the lovely site example.", ["Please visit the lovely site "]),
    ],
)
def test_in_a_hurry_less_is_enough(text: str, pieces: list[str]) -> None:
    assert hurried(text) == pieces


def test_haste_lasts_until_something_can_be_said() -> None:
    splitter = SentenceSplitter("en")
    splitter.hurry()
    assert splitter.feed("Oh") == []
    assert splitter.feed(" well, ") == []
    assert splitter.feed("it") == ["Oh well, "]


def test_a_long_sentence_is_cut_at_a_soft_place() -> None:
    text = "That is it. Word " + "word " * 29 + "and so on, " + "more " * 60
    pieces = cut(text, settings=SentenceSettings(longest=200))
    assert max(len(piece) for piece in pieces) <= 200
    assert pieces[1].endswith("on,")


def test_an_address_is_never_torn() -> None:
    address = "https://example.com/" + "a/b-c.d?e=f!," * 15 + "end"
    pieces = cut(f"Look at {address} now, please.", settings=SentenceSettings(longest=60))
    assert any(address in piece for piece in pieces)


def test_a_code_block_is_one_piece() -> None:
    code = "```python\nprint('a. B c.')\n\nx = 1\n```"
    assert cut(f"Look at this here:\n{code}\nThat was it.") == [
        "Look at this here:",
        code,
        "That was it.",
    ]


PARTS = (
    'a. |.|!|? |…|, |\n|Dr. |3.5|1. |p.m. |The |the |요. |니다.|한국 |는데 |。|"|)|```\n| |x',
    "and |https://a.b/c |word |U.S. |I |I'm |No. ",
)
TRICKY = st.lists(st.sampled_from("|".join(PARTS).split("|")), max_size=60).map("".join)
TEXTS = st.one_of(TRICKY, st.text(max_size=80))
SHORT = SentenceSettings(longest=40)


def test_a_mark_that_may_open_or_close_is_waited_for() -> None:
    splitter = SentenceSplitter("en")
    assert splitter.feed("It is well known。`") == []
    assert splitter.feed("` So") == ["It is well known。`` "]


def test_a_quote_that_opens_is_waited_for_until_its_first_letter_is_there() -> None:
    splitter = SentenceSplitter("en")
    assert splitter.feed('Did she ask? "') == []
    assert splitter.feed("yes") == []
    other = SentenceSplitter("en")
    assert [*other.feed('Did she ask? "'), *other.feed("Yes")] == ["Did she ask? "]


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["en", "ko"]), st.data())
def test_no_character_is_lost_and_chunks_do_not_matter(
    text: str, language: str, data: st.DataObject
) -> None:
    whole = SentenceSplitter(language, SHORT)
    expected = [*whole.feed(text), *whole.flush()]
    assert "".join(expected) == text
    splitter = SentenceSplitter(language, SHORT)
    pieces: list[str] = []
    at = 0
    while at < len(text):
        size = data.draw(st.integers(1, 12))
        pieces += splitter.feed(text[at : at + size])
        at += size
    assert [*pieces, *splitter.flush()] == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(TRICKY, max_size=8), st.sampled_from(["en", "ko"]))
def test_no_character_is_lost_in_a_hurry(texts: list[str], language: str) -> None:
    splitter = SentenceSplitter(language, SHORT)
    pieces: list[str] = []
    for text in texts:
        splitter.hurry()
        pieces += splitter.feed(text)
    assert "".join([*pieces, *splitter.flush()]) == "".join(texts)
    assert all(pieces)
