"""Questions of the same meaning, by an embedding model that llama.cpp runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from agent.engines.caches import meaning
from agent.engines.caches.meaning import Meaning, MeaningSettings
from agent.engines.caches.replies import ReplyKey
from agent.errors import EngineMissing
from tests.conftest import TestData

DIRECTIONS = {
    "when do you open": [1, 0, 0],
    "what are your opening hours": [0.98, 0.2, 0],
    "where are you": [0, 1, 0],
    "do you open on 1 may": [0, 0.1, 1],
    "do you open on 2 may": [0, 0.1, 1],
    "do you open": [1, 0, 0.1],
    "don't you open": [1, 0, 0.1],
    "warm up": [0, 0, 1],
}


def key(question: str, instructions: str = "a café", tools: str = "") -> ReplyKey:
    return ReplyKey("tiny", instructions, question, tools)


@pytest.fixture
async def likeness(monkeypatch: pytest.MonkeyPatch) -> Meaning:
    def direction(_: object, text: str) -> np.ndarray:
        vector = np.asarray(DIRECTIONS[text], np.float32)
        return vector / np.linalg.norm(vector)

    monkeypatch.setattr(meaning, "_load", lambda path: object())
    monkeypatch.setattr(meaning, "_embed", direction)
    like = Meaning(MeaningSettings(model="any.gguf", patience=1))
    await like.start()
    return like


async def learnt(likeness: Meaning, *questions: ReplyKey) -> None:
    for question in questions:
        likeness.learn(question)
    await asyncio.gather(*likeness._learning)


async def test_the_closest_question_is_found(likeness: Meaning) -> None:
    await learnt(likeness, key("where are you"), key("when do you open"))
    assert await likeness.like(key("what are your opening hours")) == key("when do you open")
    await likeness.aclose()


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (key("where are you"), key("what are your opening hours")),
        (key("do you open on 1 may"), key("do you open on 2 may")),
        (key("do you open"), key("don't you open")),
        (key("when do you open"), key("what are your opening hours", "a bank")),
        (key("when do you open"), key("what are your opening hours", tools="hours")),
    ],
    ids=["far", "another number", "the contrary", "another agent", "other tools"],
)
async def test_what_is_not_the_same_is_not_found(
    likeness: Meaning, known: ReplyKey, asked: ReplyKey
) -> None:
    await learnt(likeness, known)
    assert await likeness.like(asked) is None
    await likeness.aclose()


async def test_a_slow_model_costs_a_miss(
    likeness: Meaning, monkeypatch: pytest.MonkeyPatch
) -> None:
    await learnt(likeness, key("when do you open"))

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(likeness, "_embedding", never)
    monkeypatch.setattr(
        likeness, "_settings", likeness._settings.model_copy(update={"patience": 0.01})
    )
    async with asyncio.timeout(10):
        assert await likeness.like(key("what are your opening hours")) is None
    await likeness.aclose()


async def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    like = Meaning(MeaningSettings(model=str(tmp_path / "none.gguf")))
    with pytest.raises(EngineMissing, match=r"none\.gguf \(llm\.replies\.meaning\.model\)"):
        await like.start()
    await like.aclose()


async def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"GGUF, almost")
    like = Meaning(MeaningSettings(model=str(tmp_path / "no.gguf")))
    with pytest.raises(EngineMissing, match="no model that llama.cpp can load"):
        await like.start()
    await like.aclose()


@pytest.mark.real
async def test_llama_cpp_embeds(testdata: TestData) -> None:
    """The small model is no embedding model: only the same words are surely alike."""
    model = testdata.folder / "models" / "llm" / "tinytalk-3m-q4_0.gguf"
    like = Meaning(MeaningSettings(model=str(model), similarity=0.999, patience=1))
    await like.start()
    await learnt(like, key("when do you open"))
    assert await like.like(key("when do you open")) == key("when do you open")
    assert await like.like(key("tell a story of a bear and a bee")) is None
    await like.aclose()
