"""espeak-ng, the library itself: its wheel carries all it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agent.engines.espeak import Espeak, EspeakSettings
from agent.engines.piper import Piper, PiperSettings
from agent.engines.protocols import Speech, Synthesizer
from agent.errors import LanguageUnsupported
from tests.agent.engines.small_voice import make_voice


@pytest.fixture
async def espeak() -> AsyncGenerator[Espeak, None]:
    engine = Espeak(EspeakSettings())
    await engine.start()
    yield engine
    await engine.aclose()


async def speech(
    engine: Synthesizer, text: str, *, language: str = "en", voice: str = ""
) -> list[Speech]:
    return [piece async for piece in engine.speak(text, language=language, voice=voice)]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Hello there, how are you of the day?"),
        ("en", "One - two … three."),
        ("ko", "안녕하세요, 세 시 삼십 분에 만나요."),
        ("de", "Guten Tag"),
    ],
)
async def test_every_word_has_its_time(espeak: Espeak, language: str, text: str) -> None:
    [piece] = await speech(espeak, text, language=language)
    assert [word.text for word in piece.words] == text.split()
    times = [time for word in piece.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] and times[-1] <= piece.audio.seconds


async def test_words_lie_where_they_sound(espeak: Espeak) -> None:
    [piece] = await speech(espeak, "banana, banana.")
    first, second = piece.words
    rate, samples = piece.audio.rate, piece.audio.samples.astype(float)

    def level(start: float, end: float) -> float:
        return float(np.sqrt(np.mean(samples[round(start * rate) : round(end * rate)] ** 2)))

    assert level(first.start, first.start + 0.3) > 500
    assert level(second.start, second.end) > 500
    assert level(second.end + 0.05, piece.audio.seconds) < 50


async def test_nothing_to_say_is_no_piece(espeak: Espeak) -> None:
    assert await speech(espeak, "") == []
    assert await speech(espeak, "\0") == []


async def test_settings_shape_the_voice() -> None:
    slow, quick = Espeak(EspeakSettings(speed=0.7)), Espeak(EspeakSettings(speed=1.6, volume=0.1))
    [one], [two] = await speech(slow, "How are you?"), await speech(quick, "How are you?")
    assert one.audio.seconds > 1.5 * two.audio.seconds
    assert np.abs(one.audio.samples).max() > 4 * np.abs(two.audio.samples).max()
    await slow.aclose()
    await quick.aclose()


def alike(one: list[Speech], other: list[Speech]) -> bool:
    """The same loudness over time. Samples differ: the library's voice goes on in its own phase."""
    first, second = loudness(one[0]), loudness(other[0])
    length = min(len(first), len(second))
    is_as_long = abs(len(first) - len(second)) <= 1
    return is_as_long and bool(np.corrcoef(first[:length], second[:length])[0, 1] > 0.95)


def loudness(speech: Speech) -> npt.NDArray[np.float64]:
    """Of every 50 ms."""
    samples, window = speech.audio.samples.astype(float), speech.audio.rate // 20
    whole = samples[: len(samples) // window * window].reshape(-1, window)
    return np.sqrt(np.square(whole).mean(axis=1))


async def test_a_voice_can_be_named(espeak: Espeak) -> None:
    [usual] = await speech(espeak, "Hello")
    [other] = await speech(espeak, "Hello", voice="en-us+f3")
    assert not np.array_equal(usual.audio.samples, other.audio.samples)


async def test_an_unknown_language_is_refused(espeak: Espeak) -> None:
    with pytest.raises(LanguageUnsupported, match="no voice 'xx'"):
        await speech(espeak, "Hello", language="xx")
    assert await speech(espeak, "Hello")


async def test_a_text_that_nobody_waits_for_is_aborted(espeak: Espeak) -> None:
    whole = await speech(espeak, "Hello there")
    async with asyncio.timeout(20):
        task = asyncio.create_task(speech(espeak, "This is a very long story. " * 3000))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await speech(espeak, "Hello there")
    assert alike(whole, again)


async def test_two_engines_share_the_library(espeak: Espeak) -> None:
    other = Espeak(EspeakSettings(speed=1.3))
    alone = [await speech(espeak, "Good morning"), await speech(other, "좋은 아침", language="ko")]
    for _ in range(10):
        together = await asyncio.gather(
            speech(espeak, "Good morning"), speech(other, "좋은 아침", language="ko")
        )
        for before, now in zip(alone, together, strict=True):
            assert alike(before, now)
    await other.aclose()


async def test_pipers_own_copy_is_not_disturbed(espeak: Espeak, tmp_path: Path) -> None:
    piper = Piper(PiperSettings(), {"en": make_voice(tmp_path)})
    await piper.start()
    text = "Whether the weather is fine."
    [alone] = await speech(piper, text)
    for _ in range(10):
        [together], _ = await asyncio.gather(
            speech(piper, text), speech(espeak, "안녕하세요.", language="ko")
        )
        assert together.words == alone.words
        assert np.array_equal(together.audio.samples, alone.audio.samples)
    await piper.aclose()
