"""What is said while thinking, and when."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.dialogue.filler import (
    LONG_PHRASES,
    PHRASES,
    Fillers,
    FillerSettings,
    Intent,
    intent_of,
    spoken_seconds,
)

QUESTION, REQUEST, SMALL_TALK = Intent.QUESTION, Intent.REQUEST, Intent.SMALL_TALK


@pytest.mark.parametrize(
    ("language", "text", "intent"),
    [
        ("en", "What's the weather like?", QUESTION),
        ("en", "what's the weather like", QUESTION),
        ("en", "so how much is it", QUESTION),
        ("en", "is it far from here", QUESTION),
        ("en", "you open on sundays?", QUESTION),
        ("en", "do you know when it opens", QUESTION),
        ("en", "can you help me order a coffee", REQUEST),
        ("en", "I'd like a table for two", REQUEST),
        ("en", "i would like to cancel", REQUEST),
        ("en", "play some music", REQUEST),
        ("en", "could I get the bill please", REQUEST),
        ("en", "tell me a story", REQUEST),
        ("en", "how are you", SMALL_TALK),
        ("en", "good morning", SMALL_TALK),
        ("en", "i had a long day", SMALL_TALK),
        ("en", "", SMALL_TALK),
        ("ko", "오늘 날씨가 어때요?", QUESTION),
        ("ko", "몇 시에 문 열어요", QUESTION),
        ("ko", "거기 어디예요", QUESTION),
        ("ko", "주차 되나요", QUESTION),
        ("ko", "커피 한 잔 주세요", REQUEST),
        ("ko", "예약 취소하고 싶은데요", REQUEST),
        ("ko", "불 좀 꺼 줘", REQUEST),
        ("ko", "확인 부탁드립니다", REQUEST),
        ("ko", "안녕하세요", SMALL_TALK),
        ("ko", "오늘 좀 피곤했어요", SMALL_TALK),
        ("ko", "고마워요", SMALL_TALK),
    ],
)
def test_the_intent_is_read_from_the_words(language: str, text: str, intent: Intent) -> None:
    assert intent_of(text, language) is intent


@pytest.mark.parametrize(
    ("waited", "predicted", "is_due"),
    [
        (0.3, 3.0, False),  # too soon after the end of the turn
        (0.55, 3.0, True),
        (0.55, 1.2, True),
        (0.55, 0.85, False),  # not late enough to be felt
        (0.7, 1.0, False),  # it would end up right before the reply
        (0.6, 0.5, False),  # any moment now
        (0.95, 0.5, True),  # the forecast was wrong, and it is late already
        (2.0, 9.0, True),
    ],
)
def test_a_filler_is_due_when_the_wait_will_be_felt(
    waited: float, predicted: float, is_due: bool
) -> None:
    fillers = Fillers(FillerSettings(), "en")

    assert fillers.due(waited, predicted) is is_due


@pytest.mark.parametrize(
    ("waited", "predicted", "silent", "is_due"),
    [
        (2.0, 9.0, 0.5, False),
        (3.5, 9.0, 1.5, True),  # as long as a caller is to wait
        (3.2, 9.0, 2.1, True),  # the silence behind a short first one has lasted
        (3.5, 3.6, 2.0, False),  # the reply comes any moment
        (4.0, 3.0, 2.0, True),  # the forecast was wrong
        (2.5, 3.4, 2.1, False),  # not a reply that takes seconds
        (2.3, 4.0, 1.2, False),  # there is time yet
        (3.0, 4.0, 1.2, True),  # the last time that it is over before the reply
        (3.0, 4.0, 0.6, False),  # too soon behind the first
        (3.3, 4.0, 1.2, False),  # the reply would come into it
    ],
)
def test_a_second_filler_is_due_when_a_reply_takes_seconds_and_has_time_before_it(
    waited: float, predicted: float, silent: float, is_due: bool
) -> None:
    assert Fillers(FillerSettings(), "en").due_again(waited, predicted, silent) is is_due


@pytest.mark.parametrize(
    ("room", "phrases"),
    [
        (9.0, {"Hmm, let me see.", "Good question.", "Let me think."}),
        (0.95, {"Good question.", "Let me think.", "Hmm."}),
        (0.5, {"Hmm."}),
        (0.1, {"Hmm."}),  # the shortest keeps the reply back least
    ],
)
def test_a_filler_is_over_before_the_reply_where_one_is_short_enough(
    room: float, phrases: set[str]
) -> None:
    settings = FillerSettings(unrepeated=len(phrases) - 1)
    fillers = Fillers(settings, "en")

    assert {fillers.choose("what is it?", room) for _ in phrases} == phrases


@pytest.mark.parametrize("language", ["en", "ko"])
def test_there_is_a_second_filler_for_a_short_while_and_for_a_long_one(language: str) -> None:
    lengths = [spoken_seconds(phrase) for phrase in LONG_PHRASES[language]]

    assert min(lengths) < 0.9 and max(lengths) > 1.8


def test_fillers_can_be_switched_off() -> None:
    fillers = Fillers(FillerSettings(enabled=False), "en")

    assert not fillers.due(1.0, 9.0)
    assert not fillers.due_again(4.0, 9.0, 2.0)
    assert fillers.choose("what is it") is None
    assert fillers.long() is None
    assert fillers.phrases() == ()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_filler_fits_the_intent(language: str) -> None:
    fillers = Fillers(FillerSettings(), language)
    texts = {"en": ("what is it?", "play music"), "ko": ("뭐예요?", "커피 주세요")}[language]

    for text, intent in zip(texts, (QUESTION, REQUEST), strict=True):
        assert fillers.choose(text) in PHRASES[language][intent]


@given(
    st.lists(st.sampled_from(["what is it", "play music", "hello", "뭐예요"]), max_size=40),
    st.sampled_from(["en", "ko"]),
)
def test_none_is_repeated_within_three(texts: list[str], language: str) -> None:
    fillers = Fillers(FillerSettings(), language)

    said = [fillers.choose(text) for text in texts]

    for index, phrase in enumerate(said):
        assert phrase is None or phrase not in said[max(0, index - 3) : index]


def test_all_the_phrases_of_an_intent_take_their_turn() -> None:
    fillers = Fillers(FillerSettings(), "en")

    said = [fillers.choose("what is it?") for _ in range(2 * len(PHRASES["en"][QUESTION]))]

    assert set(said) == set(PHRASES["en"][QUESTION])
    assert all(one != other for one, other in pairwise(said))


def test_a_phrase_is_rather_left_out_than_repeated() -> None:
    settings = FillerSettings(phrases={"en": {QUESTION: ("Hmm.",)}})
    fillers = Fillers(settings, "en")

    assert [fillers.choose("what is it?") for _ in range(3)] == ["Hmm.", None, None]


def test_own_phrases_take_the_place_of_ours() -> None:
    settings = FillerSettings.model_validate(
        {"phrases": {"en": {"question": ["Hm?"]}, "fr": {"request": ["Un instant."]}}}
    )

    assert Fillers(settings, "en").choose("what is it?") == "Hm?"
    assert Fillers(settings, "en").choose("play music") in PHRASES["en"][REQUEST]
    assert Fillers(settings, "fr").phrases() == ("Un instant.",)


def test_a_language_without_phrases_has_no_fillers() -> None:
    fillers = Fillers(FillerSettings(), "fi")

    assert fillers.choose("mitä?") is None
    assert fillers.long() is None


@pytest.mark.parametrize("language", ["en", "ko"])
def test_all_that_may_be_said_is_known_at_start(language: str) -> None:
    fillers = Fillers(FillerSettings(), language)

    known = set(fillers.phrases())

    assert {fillers.choose(t) for t in ("what?", "play it", "hello", "뭐?", "주세요")} <= known
    assert fillers.long() in known
    assert set(LONG_PHRASES[language]) <= known


def test_an_unknown_intent_in_the_settings_is_refused() -> None:
    with pytest.raises(ValidationError):
        FillerSettings.model_validate({"phrases": {"en": {"shouting": ["Hey!"]}}})
