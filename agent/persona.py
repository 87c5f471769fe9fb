"""Who answers the call: one block of the configuration per language."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Persona(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """An agent's name, language, voice, instructions and the fixed sentences it needs."""

    name: str = "Chuimsae"
    """What the agent is called."""
    language: str = Field(default="en", pattern=r"^[a-z]{2}$")
    """ISO 639-1 code of the language it hears and speaks."""
    voice: str = ""
    """Name of one of the voice engine's voices; empty: the engine's own for the language."""
    instructions: str = Field(default="", max_length=20_000)
    """The system prompt: who the agent is and how it speaks."""
    adapter: str = ""
    """Name of one of `llm.llama.adapters`, with which llama.cpp answers as this persona; empty: the
    model as it is."""
    tools: tuple[str, ...] | None = None
    """Names of the tools that it may use; unset: all that are configured."""
    greeting: str = ""
    """Said when the call begins; empty: the agent waits for the caller."""
    goodbye: str = "Goodbye!"
    """Said when the server or the agent ends the call."""
    ask_first: str = "Are you still there?"
    """Said after the first long silence."""
    ask_second: str = "I can't hear you. Shall we end the call?"
    """Said after the second long silence."""
    apology: str = "Sorry, something went wrong on my side. Could you say that again?"
    """Said instead of a reply that could not be made."""
    cannot_hear: str = "Sorry, I can't understand this language yet: its model is not installed."
    """Said when the recogniser does not know the persona's language."""
    not_understood: str = ""
    """Said when speech was heard but no word understood; empty: nothing is said."""
    canned: dict[str, str] = Field(default_factory=dict)
    """Answers by question, given as they stand while the server is under heavy load (the rung
    `canned`, section `load`), such as {"When do you open?" = "We open at nine."}."""


def english() -> Persona:
    """The English agent that ships."""
    return Persona(
        instructions=(
            "You are Chuimsae, a friendly voice assistant on a phone call. "
            "Answer in one or two short spoken sentences. No lists, no markdown, no emoji."
        ),
        greeting="Hello! How can I help you?",
        not_understood="Sorry, I didn't catch that.",
    )


def korean() -> Persona:
    """The Korean agent that ships."""
    return Persona(
        name="추임새",
        language="ko",
        instructions=(
            "당신은 전화로 이야기하는 친절한 음성 비서 추임새입니다. "
            "짧은 말 한두 문장으로, 존댓말로 대답하세요. 목록이나 기호, 이모지는 쓰지 마세요."
        ),
        greeting="안녕하세요! 무엇을 도와드릴까요?",
        goodbye="안녕히 계세요!",
        ask_first="아직 계신가요?",
        ask_second="말씀이 들리지 않네요. 통화를 마칠까요?",
        apology="죄송해요, 문제가 생겼어요. 다시 한번 말씀해 주시겠어요?",
        cannot_hear="죄송해요, 아직 한국어를 알아들을 수 없어요. 음성 인식 모델이 없습니다.",
        not_understood="죄송해요, 잘 못 들었어요.",
    )
