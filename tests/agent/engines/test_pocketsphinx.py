"""PocketSphinx, the real one, on real recordings and on silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
import pytest
import soundfile
import soxr

from agent.engines.pocketsphinx import PocketSphinx, PocketSphinxRecognition, PocketSphinxSettings
from agent.engines.protocols import Priority
from agent.engines.sphinx_decoder import Cepstra, SphinxDecoder
from agent.errors import EngineFailed, EngineMissing, LanguageUnsupported
from media.audio import AudioChunk, Samples, silence
from tests.conftest import TestData


@pytest.fixture
async def sphinx() -> AsyncGenerator[PocketSphinx, None]:
    engine = PocketSphinx(PocketSphinxSettings(decoders=1))
    await engine.start()
    yield engine
    await engine.aclose()


def samples_of(testdata: TestData, name: str) -> Samples:
    """A recording as a microphone would give it: 16 kHz, mono."""
    samples, rate = soundfile.read(testdata.recording(name).path, dtype="float32", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1), rate, 16_000)
    return np.asarray(np.clip(mono * 32767, -32768, 32767), np.int16)


def feed(recognition: PocketSphinxRecognition, samples: Samples) -> None:
    for start in range(0, len(samples), 320):
        recognition.feed(AudioChunk(samples[start : start + 320]))


async def test_a_language_other_than_english_is_refused() -> None:
    with pytest.raises(LanguageUnsupported, match="English only, not 'ko'"):
        PocketSphinx().open(language="ko")


async def test_an_unknown_option_is_named() -> None:
    engine = PocketSphinx(PocketSphinxSettings(options={"speed": "fast"}))
    with pytest.raises(EngineMissing, match="refused the option speed=fast"):
        await engine.start()
    await engine.aclose()


async def test_nothing_fed_is_no_text(sphinx: PocketSphinx) -> None:
    recognition = sphinx.open(language="en")
    assert await recognition.partial() is None
    transcript = await recognition.final()
    assert (transcript.text, transcript.confidence) == ("", 0.0)


async def test_another_rate_is_refused(sphinx: PocketSphinx) -> None:
    with pytest.raises(EngineFailed, match="takes 16000 Hz, got 8000"):
        sphinx.open(language="en").feed(silence(0.02, 8000))


@pytest.mark.real
async def test_speech_is_understood_while_it_is_fed(
    sphinx: PocketSphinx, testdata: TestData
) -> None:
    recognition = sphinx.open(language="en")
    samples = samples_of(testdata, "jfk")[: 16_000 * 4]
    feed(recognition, samples[: 16_000 * 2])
    early = await recognition.partial()
    feed(recognition, samples[16_000 * 2 :])
    final = await recognition.final()
    assert early is not None and early.text
    assert "fellow america" in final.text
    assert 0.0 < final.confidence <= 1.0


@pytest.mark.real
async def test_a_caller_who_goes_on_after_a_final_is_understood_in_one_transcript(
    sphinx: PocketSphinx, testdata: TestData
) -> None:
    samples = samples_of(testdata, "jfk")
    recognition = sphinx.open(language="en")
    feed(recognition, samples[: 16_000 * 3])
    first = await recognition.final(priority=Priority.SPECULATIVE)
    assert await recognition.final() == first
    feed(recognition, samples[16_000 * 3 : 16_000 * 6])
    both = await recognition.final()
    assert both.text.startswith(first.text + " ")


@pytest.mark.parametrize(("followed", "heard"), [(1, [1.0, 0.2, 0.1]), (0, [1.0, 1.3])])
async def test_what_is_followed_is_heard_once(
    followed: int, heard: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not followed, it is decoded from its beginning, and only when it has grown well."""
    lengths: list[float] = []
    hear = SphinxDecoder.hear

    def counted(self: SphinxDecoder, samples: Samples, mean: Cepstra) -> None:
        lengths.append(len(samples) / 16_000)
        hear(self, samples, mean)

    monkeypatch.setattr(SphinxDecoder, "hear", counted)
    engine = PocketSphinx(PocketSphinxSettings(followed=followed))
    recognition = engine.open(language="en")
    for seconds in (1.0, 0.2):
        feed(recognition, silence(seconds).samples)
        await recognition.partial()
    feed(recognition, silence(0.1).samples)
    await recognition.final()
    await engine.aclose()
    assert lengths == pytest.approx(heard)


async def test_those_beyond_the_followed_are_understood_too() -> None:
    engine = PocketSphinx(PocketSphinxSettings(followed=1))
    first, second = (engine.open(language="en") for _ in range(2))
    for _ in range(2):
        for recognition in (first, second):
            feed(recognition, silence(1.0).samples)
            assert await recognition.partial() is not None
    first.close()
    feed(second, silence(0.5).samples)
    await second.final()
    third = engine.open(language="en")
    feed(third, silence(1.0).samples)
    assert await third.partial() is not None
    assert third._followed is not None  # the first's place is free again
    third.close()
    await engine.aclose()
    assert engine._followed == 0


@pytest.mark.real
async def test_a_final_that_nobody_waited_for_loses_nothing(
    sphinx: PocketSphinx, testdata: TestData
) -> None:
    """The caller goes on while it is made: what is fed then is another segment."""
    samples = samples_of(testdata, "jfk")
    recognition = sphinx.open(language="en")
    feed(recognition, samples[: 16_000 * 3])
    assert await recognition.partial() is not None
    final = asyncio.create_task(recognition.final(priority=Priority.SPECULATIVE))
    await asyncio.sleep(0.01)
    final.cancel()
    feed(recognition, samples[16_000 * 3 : 16_000 * 6])
    both = (await recognition.final()).text
    assert "fellow american" in both
    assert len(both.split()) >= 8


async def test_a_cancelled_final_leaves_the_utterance_usable(sphinx: PocketSphinx) -> None:
    recognition = sphinx.open(language="en")
    feed(recognition, silence(1.0).samples)
    final = asyncio.create_task(recognition.final())
    await asyncio.sleep(0)
    final.cancel()
    with pytest.raises(asyncio.CancelledError):
        await final
    assert (await recognition.final()).language == "en"


async def test_a_closed_utterance_holds_nothing(sphinx: PocketSphinx) -> None:
    recognition = sphinx.open(language="en")
    feed(recognition, silence(1.0).samples)
    recognition.close()
    recognition.close()
    assert (await recognition.final()).text == ""


async def test_a_decoder_lets_the_loop_go_on(sphinx: PocketSphinx) -> None:
    recognition, ticks = sphinx.open(language="en"), 0
    rng = np.random.default_rng(3)
    feed(recognition, rng.normal(0, 3000, 16_000 * 2).astype(np.int16))
    final = asyncio.create_task(recognition.final())
    while not final.done():
        await asyncio.sleep(0.001)
        ticks += 1
    assert ticks > 5  # the package's own binding, which keeps Python's lock, leaves one or two
