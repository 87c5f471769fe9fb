"""A second engine behind a first one: when it serves, and when it must not."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from agent.engines.resilience import (
    FallbackModel,
    FallbackSynthesizer,
    FallbackTranscriber,
    GuardedModel,
    GuardSettings,
)
from agent.errors import EngineError, EngineFailed, EngineUnavailable, LanguageUnsupported
from media.audio import silence
from tests.agent.engines.resilience.engines import BROKEN, REQUEST, Ear, Model, Voice
from tests.virtual_time import virtual


async def said(model: FallbackModel) -> list[str]:
    async with aclosing(model.reply(REQUEST)) as pieces:
        return [piece async for piece in pieces]


@virtual
async def test_the_first_engine_serves_while_it_can() -> None:
    told: list[EngineError] = []
    second = Model([["second"]])
    assert await said(FallbackModel(Model([["first"]]), second, told.append)) == ["first"]
    assert (second.uses, told) == (0, [])


@virtual
async def test_the_second_replies_when_the_first_fails_before_its_first_word() -> None:
    told: list[EngineError] = []
    model = FallbackModel(Model([[0.1, BROKEN]]), Model([["I", "am", "here"]]), told.append)
    assert await said(model) == ["I", "am", "here"]
    assert told == [BROKEN]


@virtual
async def test_nothing_is_said_twice_when_the_first_fails_in_the_middle() -> None:
    told: list[EngineError] = []
    second = Model([["Hello.", "How are you?"]])
    model = FallbackModel(Model([["Hello.", BROKEN]]), second, told.append)
    heard = []
    with pytest.raises(EngineFailed, match="the model broke"):
        async with aclosing(model.reply(REQUEST)) as pieces:
            async for piece in pieces:
                heard.append(piece)
    assert heard == ["Hello."]
    assert (second.uses, told) == (0, [])


@virtual
async def test_an_open_circuit_goes_straight_to_the_second() -> None:
    told: list[EngineError] = []
    first = GuardedModel(Model([[BROKEN]]), GuardSettings(failures=1))
    model = FallbackModel(first, Model([["here"]]), told.append)
    for _ in range(3):
        assert await said(model) == ["here"]
    assert [type(error) for error in told] == [EngineFailed, EngineUnavailable, EngineUnavailable]


@virtual
async def test_the_second_prefills_when_the_first_cannot_and_both_forget() -> None:
    first, second = Model([[BROKEN]]), Model([[]])
    model = FallbackModel(first, second, lambda error: None)
    await model.prefill(REQUEST)
    model.forget("c1")
    assert second.prefilled == ["c1"]
    assert first.forgotten == second.forgotten == ["c1"]


@virtual
async def test_the_second_voice_speaks_in_its_own_default_voice() -> None:
    first, second = Voice([[BROKEN]]), Voice([["x", "y"]])
    voice = FallbackSynthesizer(first, second, lambda error: None)
    async with aclosing(voice.speak("Hello.", language="en", voice="amy")) as speech:
        assert len([piece async for piece in speech]) == 2
    assert (first.voices, second.voices) == (["amy"], [""])


@virtual
async def test_a_sentence_is_not_begun_again_in_another_voice() -> None:
    second = Voice([["x"]])
    voice = FallbackSynthesizer(Voice([["x", BROKEN]]), second, lambda error: None)
    with pytest.raises(EngineFailed):
        async with aclosing(voice.speak("Hello.", language="en")) as speech:
            async for _ in speech:
                pass
    assert second.uses == 0


@virtual
async def test_the_second_ear_hears_the_utterance_from_its_beginning() -> None:
    first, second, told = Ear([[BROKEN]]), Ear([["well"]]), list[EngineError]()
    recognition = FallbackTranscriber(first, second, told.append).open(language="en")
    for _ in range(3):
        recognition.feed(silence(0.02))
    assert (await recognition.final()).text == "well (3 chunks)"
    recognition.feed(silence(0.02))
    assert (await recognition.final()).text == "well (4 chunks)"
    assert told == [BROKEN]
    assert first.opened[0].closed
    recognition.close()
    assert second.opened[0].closed


@virtual
async def test_a_partial_that_fails_moves_the_utterance_to_the_second_ear() -> None:
    second = Ear([["well"]])
    recognition = FallbackTranscriber(Ear([[BROKEN]]), second, lambda error: None).open(
        language="en"
    )
    recognition.feed(silence(0.02))
    partial = await recognition.partial()
    assert partial is not None and partial.text == "well"
    assert second.opened[0].fed == 1


@virtual
async def test_when_both_ears_fail_the_error_is_the_seconds() -> None:
    worse = EngineFailed("stt", "this one too")
    recognition = FallbackTranscriber(Ear([[BROKEN]]), Ear([[worse]]), lambda error: None).open(
        language="en"
    )
    with pytest.raises(EngineFailed, match="this one too"):
        await recognition.final()
    with pytest.raises(EngineFailed, match="this one too"):
        await recognition.final()


@virtual
async def test_a_language_that_the_first_does_not_know_is_the_seconds() -> None:
    first = Ear([[]], refuses=LanguageUnsupported("stt", "English only"))
    transcriber = FallbackTranscriber(first, Ear([["네"]]), lambda error: None)
    assert (await transcriber.open(language="ko").final()).text == "네 (0 chunks)"


@virtual
async def test_both_are_started_and_closed() -> None:
    first, second = Model([[]]), Model([[]])
    model = FallbackModel(first, second, lambda error: None)
    await model.start()
    await model.aclose()
    assert (first.starts, second.starts, first.closes, second.closes) == (1, 1, 1, 1)
