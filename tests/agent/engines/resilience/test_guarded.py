"""Deadlines and the breaker around scripted engines, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from agent.engines.protocols import Speech
from agent.engines.resilience import (
    GuardedModel,
    GuardedSynthesizer,
    GuardedTranscriber,
    GuardSettings,
)
from agent.errors import EngineFailed, EngineTimeout, EngineUnavailable, LanguageUnsupported
from media.audio import silence
from tests.agent.engines.resilience.engines import BROKEN, REQUEST, Ear, Model, Step, Voice
from tests.virtual_time import virtual

SETTINGS = GuardSettings(answer=3.0, audio=0.5, next_piece=1.0, failures=2, rest=20.0)


async def words(model: GuardedModel) -> list[str]:
    async with aclosing(model.reply(REQUEST)) as pieces:
        return [piece async for piece in pieces]


async def pieces_of(voice: GuardedSynthesizer) -> list[Speech]:
    async with aclosing(voice.speak("Hello.", language="en")) as speech:
        return [piece async for piece in speech]


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_a_reply_in_time_comes_through() -> None:
    assert await words(GuardedModel(Model([[2.9, "Hello", 0.9, "you"]]), SETTINGS)) == [
        "Hello",
        "you",
    ]


@virtual
async def test_a_first_word_that_does_not_come_is_a_timeout() -> None:
    began = now()
    with pytest.raises(EngineTimeout, match="Model gave no word within 3 s") as caught:
        await words(GuardedModel(Model([[60.0, "late"]]), SETTINGS))
    assert now() - began == pytest.approx(3.0)
    assert caught.value.stage == "llm"


@virtual
async def test_a_reply_that_stalls_is_a_timeout_after_its_first_words() -> None:
    model, heard = GuardedModel(Model([["Hello", 60.0, "late"]]), SETTINGS), []
    with pytest.raises(EngineTimeout, match="within 1 s"):
        async with aclosing(model.reply(REQUEST)) as pieces:
            async for piece in pieces:
                heard.append(piece)
    assert heard == ["Hello"]


@virtual
async def test_a_slow_reader_does_not_spend_the_engines_time() -> None:
    model = GuardedModel(Model([["a", 0.9, "b"]]), SETTINGS)
    async with aclosing(model.reply(REQUEST)) as pieces:
        assert await anext(pieces) == "a"
        await asyncio.sleep(30)
        assert await anext(pieces) == "b"


@virtual
async def test_an_engine_that_fails_again_and_again_is_left_alone() -> None:
    inner = Model([[BROKEN]])
    model = GuardedModel(inner, SETTINGS)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await words(model)
    with pytest.raises(EngineUnavailable, match="for another 20 s .* the model broke"):
        await words(model)
    with pytest.raises(EngineUnavailable):
        await model.prefill(REQUEST)
    assert inner.prefilled == []


@virtual
async def test_it_is_tried_again_after_its_rest() -> None:
    model = GuardedModel(Model([[BROKEN], [BROKEN], ["well"]]), SETTINGS)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await words(model)
    await asyncio.sleep(20)
    assert await words(model) == ["well"]
    assert await words(model) == ["well"]


@virtual
async def test_others_are_refused_while_one_call_tries() -> None:
    model = GuardedModel(Model([[BROKEN], [BROKEN], [1.0, "well"]]), SETTINGS)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await words(model)
    await asyncio.sleep(20)
    async with asyncio.TaskGroup() as tasks:
        trial = tasks.create_task(words(model))
        await asyncio.sleep(0.5)
        with pytest.raises(EngineUnavailable, match="while one call tries it"):
            await words(model)
    assert trial.result() == ["well"]


@virtual
async def test_a_cancelled_trial_leaves_the_trial_to_the_next_call() -> None:
    model = GuardedModel(Model([[BROKEN], [BROKEN], [1.0, "well"]]), SETTINGS)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            await words(model)
    await asyncio.sleep(20)
    trial = asyncio.ensure_future(words(model))
    await asyncio.sleep(0.5)
    trial.cancel()
    await asyncio.wait([trial])
    assert trial.cancelled()
    assert await words(model) == ["well"]


@virtual
async def test_cancelled_replies_are_no_failures() -> None:
    model = GuardedModel(Model([[2.0, "Hello"]]), SETTINGS)
    for _ in range(5):
        reply = asyncio.ensure_future(words(model))
        await asyncio.sleep(0.5)
        reply.cancel()
        await asyncio.wait([reply])
    assert await words(model) == ["Hello"]


@virtual
async def test_a_reply_closed_after_its_first_word_is_a_success() -> None:
    model = GuardedModel(Model([[BROKEN], ["one", "two"], [BROKEN], ["well"]]), SETTINGS)
    with pytest.raises(EngineFailed):
        await words(model)
    async with aclosing(model.reply(REQUEST)) as pieces:
        await anext(pieces)
    with pytest.raises(EngineFailed):
        await words(model)
    assert await words(model) == ["well"]


@virtual
async def test_prefilling_has_a_deadline_and_forgetting_goes_through() -> None:
    inner = Model([[31.0], []])
    model = GuardedModel(inner, SETTINGS)
    with pytest.raises(EngineTimeout, match="no prefill within 30 s"):
        await model.prefill(REQUEST)
    await model.prefill(REQUEST)
    model.forget("c1")
    assert (inner.prefilled, inner.forgotten) == (["c1"], ["c1"])


@virtual
async def test_a_voice_that_does_not_sound_is_a_timeout() -> None:
    voice = GuardedSynthesizer(Voice([["x", 0.5, "y"], [9.0, "x"]]), SETTINGS)
    assert len(await pieces_of(voice)) == 2
    with pytest.raises(EngineTimeout, match="Voice gave no sound within 3 s"):
        await pieces_of(voice)


@virtual
async def test_a_long_utterance_may_take_longer() -> None:
    recognition = GuardedTranscriber(Ear([[5.0, "well"]]), SETTINGS).open(language="en")
    recognition.feed(silence(2.0))
    with pytest.raises(EngineTimeout, match="no transcript within 4 s"):
        await recognition.final()
    recognition.feed(silence(3.0))
    assert (await recognition.final()).text == "well (2 chunks)"


@virtual
async def test_a_late_partial_is_none_and_no_failure() -> None:
    late: Sequence[Step] = [9.0, "late"]
    ear = Ear([late, late, late, late, ["well"]])
    recognition = GuardedTranscriber(ear, SETTINGS).open(language="en")
    for _ in range(4):
        assert await recognition.partial() is None
    assert (await recognition.final()).text == "well (0 chunks)"


@virtual
async def test_an_unknown_language_is_no_failure_of_the_engine() -> None:
    ear = Ear([["well"]], refuses=LanguageUnsupported("stt", "no Klingon"))
    guarded = GuardedTranscriber(ear, SETTINGS)
    for _ in range(3):
        with pytest.raises(LanguageUnsupported):
            guarded.open(language="tlh")
    ear.refuses = None
    assert (await guarded.open(language="en").final()).text == "well (0 chunks)"


@virtual
async def test_those_who_share_an_engine_start_it_once() -> None:
    inner = Ear([["x"]])
    guarded = GuardedTranscriber(inner, SETTINGS)
    await guarded.start()
    await guarded.start()
    assert inner.starts == 1
