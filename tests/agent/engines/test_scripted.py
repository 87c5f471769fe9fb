"""The responder of last resort: what it says, and that it streams."""

from __future__ import annotations

from datetime import datetime

import pytest

from agent.engines.protocols import LanguageModel, ReplyRequest
from agent.engines.scripted import Scripted, ScriptedSettings, answer
from agent.messages import Message, Role

NOW = datetime(2026, 3, 9, 15, 5)


def said(*texts: str, system: str = "You are a friendly agent.") -> tuple[Message, ...]:
    roles: tuple[Role, ...] = ("user", "assistant")
    turns = tuple(Message(roles[i % 2], text) for i, text in enumerate(texts))
    return (Message("system", system), *turns)


@pytest.mark.parametrize(
    ("heard", "reply"),
    [
        ("What time is it?", "It is 3:05 PM."),
        ("what day is it today", "Today is Monday, March 9."),
        ("Okay, goodbye!", "Goodbye, and thank you for calling."),
        ("Thank you so much.", "You are welcome."),
        ("지금 몇 시예요?", "지금은 오후 3시 5분입니다."),
        ("오늘 무슨 요일이에요?", "오늘은 3월 9일 월요일입니다."),
        ("네, 안녕히 계세요.", "전화 주셔서 감사합니다. 안녕히 계세요."),
        ("고마워요", "천만에요."),
    ],
)
def test_it_answers_what_it_knows_in_the_callers_language(heard: str, reply: str) -> None:
    assert answer(said(heard), now=NOW) == reply


@pytest.mark.parametrize("heard", ["hello there", "안녕하세요", "who are you?", "누구세요?"])
def test_it_says_that_it_is_no_language_model(heard: str) -> None:
    text = answer(said(heard), now=NOW)

    assert "no language model is installed" in text.lower() or "언어 모델이 없" in text


def test_the_first_thing_it_does_not_know_is_said_back_with_the_command_to_install() -> None:
    settings = ScriptedSettings(install_command="make models")

    text = answer(said("Two coffees, please."), now=NOW, settings=settings)

    assert text.startswith("I heard: Two coffees, please.")
    assert "make models" in text


def test_later_it_only_says_back_what_it_heard() -> None:
    text = answer(said("커피 두 잔이요", "네.", "설탕 없이요."), now=NOW)

    assert text == "이렇게 들었어요. 설탕 없이요."


def test_words_with_braces_are_said_back_unharmed() -> None:
    assert "{time} {0}" in answer(said("{time} {0}"), now=NOW)


@pytest.mark.parametrize(
    ("system", "reply"),
    [("Be kind.", "Hello. I am listening."), ("친절하게 답하세요.", "안녕하세요. 듣고 있습니다.")],
)
def test_with_nothing_heard_it_takes_the_prompts_language(system: str, reply: str) -> None:
    assert answer(said(system=system), now=NOW) == reply


@pytest.mark.parametrize(
    ("hour", "english", "korean"),
    [
        (0, "It is 12:05 AM.", "지금은 오전 12시 5분입니다."),
        (12, "It is 12:05 PM.", "지금은 오후 12시 5분입니다."),
    ],
)
def test_noon_and_midnight_are_told_apart(hour: int, english: str, korean: str) -> None:
    now = NOW.replace(hour=hour)

    assert answer(said("what time is it"), now=now) == english
    assert answer(said("몇 시야"), now=now) == korean


@pytest.mark.parametrize(
    ("heard", "excuse", "never"),
    [
        ("Hello!", "language model does not answer at the moment", "installed"),
        ("Who are you?", "language model does not answer at the moment", "installed"),
        ("Two coffees.", "language model does not answer at the moment", "installed"),
        ("안녕하세요", "지금 언어 모델이 응답하지 않아서", "설치"),
        ("누구세요?", "지금 언어 모델이 응답하지 않아서", "설치"),
        ("커피 두 잔이요", "지금 언어 모델이 응답하지 않아서", "설치"),
    ],
)
def test_in_place_of_a_model_that_fails_it_does_not_say_that_none_is_installed(
    heard: str, excuse: str, never: str
) -> None:
    text = answer(said(heard), now=NOW, stands_in=True)

    assert excuse.lower() in text.lower()
    assert never not in text


def test_a_caller_who_was_told_that_the_model_fails_is_not_told_again() -> None:
    before = ("Two coffees.", "Coming up.", "And a tea.")
    told = answer(said(*before), now=NOW, stands_in=True)

    assert "does not answer at the moment" in told
    again = answer(said(*before, told, "Thanks, and cake."), now=NOW, stands_in=True)
    assert again == "You are welcome."
    again = answer(said(*before, told, "And cake."), now=NOW, stands_in=True)
    assert again == "I heard: And cake."


async def test_the_adapter_streams_the_answer_by_words() -> None:
    model: LanguageModel = Scripted(now=lambda: NOW)
    request = ReplyRequest(conversation="a", messages=said("what time is it"), max_tokens=40)

    await model.start()
    await model.prefill(request)
    pieces = [piece async for piece in model.reply(request)]
    model.forget("a")
    await model.aclose()

    assert pieces == ["It ", "is ", "3:05 ", "PM."]


async def test_a_reply_is_no_longer_than_its_limit() -> None:
    request = ReplyRequest(conversation="a", messages=said("hello"), max_tokens=3)

    assert len([piece async for piece in Scripted().reply(request)]) == 3
