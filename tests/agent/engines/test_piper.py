"""Piper's adapter, on a voice that the test makes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from agent.engines.piper import Piper, PiperSettings
from agent.engines.protocols import Speech
from agent.errors import EngineFailed, EngineMissing, LanguageUnsupported
from tests.agent.engines.small_voice import ENDLESS, ID_SECONDS, LEVEL, RATE, make_voice

PATIENCE = 20.0
"""Seconds after which a test that hangs is given up."""
MakePiper = Callable[..., Piper]


@pytest.fixture
async def make_piper(tmp_path: Path) -> AsyncGenerator[MakePiper, None]:
    made: list[Piper] = []

    def make(voices: Mapping[str, Path] | None = None, **settings: object) -> Piper:
        chosen = voices if voices is not None else {"en": make_voice(tmp_path)}
        made.append(Piper(PiperSettings.model_validate(settings), chosen))
        return made[-1]

    yield make
    for piper in made:
        await piper.aclose()


async def speech(piper: Piper, text: str, *, language: str = "en", voice: str = "") -> list[Speech]:
    return [piece async for piece in piper.speak(text, language=language, voice=voice)]


async def test_each_sentence_is_a_piece(make_piper: MakePiper) -> None:
    piper = make_piper()
    await piper.start()
    pieces = await speech(piper, "Hello there. How are you?")
    assert [[word.text for word in piece.words] for piece in pieces] == [
        ["Hello", "there."],
        ["How", "are", "you?"],
    ]
    assert {piece.audio.rate for piece in pieces} == {RATE}
    assert all(piece.audio.samples.dtype == np.int16 for piece in pieces)


async def test_a_voice_takes_one_thread_and_leaves_the_other_cores_to_the_calls(
    make_piper: MakePiper,
) -> None:
    piper = make_piper()
    await piper.start()
    [voice] = piper._voices.values()
    options = voice.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


async def test_nothing_to_say_is_no_piece(make_piper: MakePiper) -> None:
    piper = make_piper()
    await piper.start()
    assert await speech(piper, "") == []
    assert await speech(piper, " ... ") == []


async def test_words_have_the_times_that_the_voice_tells(make_piper: MakePiper) -> None:
    piper = make_piper(leading_silence=0.5, clause_pause=0)
    await piper.start()
    [piece] = await speech(piper, "hi you")
    # ^ _ h _ a _ ɪ _ space _ j _ u _ ː _ $: two ids each, the stress mark as well
    first, second = piece.words
    assert first.start == pytest.approx(2 * ID_SECONDS)
    ids = first.end / ID_SECONDS
    assert ids == pytest.approx(round(ids))
    assert second.start == pytest.approx(first.end + 2 * ID_SECONDS)
    assert second.end == pytest.approx(piece.audio.seconds - ID_SECONDS, abs=0.01)


async def test_words_are_in_order_without_such_times(make_piper: MakePiper) -> None:
    piper = make_piper(exact_words=False)
    await piper.start()
    text = "One of the cats, sat - on it."
    [piece] = await speech(piper, text)
    assert [word.text for word in piece.words] == text.split()
    times = [time for word in piece.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert 0 <= times[0] and times[-1] <= piece.audio.seconds


async def test_speed_and_volume_are_settings(make_piper: MakePiper) -> None:
    usual, other = make_piper(), make_piper(speed=2.0, volume=0.5)
    await usual.start()
    await other.start()
    [one], [two] = await speech(usual, "Hello there"), await speech(other, "Hello there")
    assert one.audio.seconds - 0.08 == pytest.approx(2 * (two.audio.seconds - 0.08), rel=0.02)
    assert np.abs(one.audio.samples).max() == pytest.approx(LEVEL * 32767, rel=0.02)
    assert np.abs(two.audio.samples).max() == pytest.approx(LEVEL * 32767 / 2, rel=0.02)


async def test_a_speaker_is_chosen_by_name_or_number(make_piper: MakePiper, tmp_path: Path) -> None:
    piper = make_piper({"en": make_voice(tmp_path, speakers=3)}, speaker=1)
    await piper.start()
    peaks = [
        np.abs((await speech(piper, "Hello", voice=voice))[0].audio.samples).max()
        for voice in ("person0", "", "2")
    ]
    assert peaks == pytest.approx([LEVEL * 32767 / part for part in (1, 2, 3)], rel=0.02)
    with pytest.raises(EngineMissing, match="no speaker 'nobody'.*person0"):
        await speech(piper, "Hello", voice="nobody")


async def test_a_run_that_nobody_waits_for_is_stopped(make_piper: MakePiper) -> None:
    piper = make_piper(workers=1)
    await piper.start()
    endless = "banana " * ENDLESS
    async with asyncio.timeout(PATIENCE):
        task = asyncio.create_task(speech(piper, endless))
        await asyncio.sleep(0.2)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await speech(piper, "Hello")


async def test_closing_after_the_first_piece_leaves_it_usable(make_piper: MakePiper) -> None:
    piper = make_piper(workers=1)
    await piper.start()
    async with asyncio.timeout(PATIENCE):
        async with aclosing(piper.speak("One. " * 50, language="en")) as pieces:
            await anext(pieces)
        assert len(await speech(piper, "One. Two.")) == 2


async def test_sentences_are_spoken_side_by_side(make_piper: MakePiper) -> None:
    piper = make_piper(workers=2)
    await piper.start()
    async with asyncio.timeout(PATIENCE):
        endless = asyncio.create_task(speech(piper, "banana " * ENDLESS))
        await asyncio.sleep(0.1)
        assert await speech(piper, "Hello")
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless


async def test_an_unknown_language_is_refused(make_piper: MakePiper) -> None:
    piper = make_piper()
    await piper.start()
    with pytest.raises(LanguageUnsupported, match=r"language 'ko'; there is: en"):
        await speech(piper, "안녕", language="ko")
    assert await speech(piper, "Hello", language="en-GB")


async def test_after_the_end_it_refuses(make_piper: MakePiper) -> None:
    piper = make_piper()
    await piper.start()
    await piper.aclose()
    with pytest.raises((EngineFailed, LanguageUnsupported)):
        await speech(piper, "Hello")


async def test_missing_and_broken_files_are_named(make_piper: MakePiper, tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"
    with pytest.raises(EngineMissing, match=r"absent\.onnx is not there"):
        await make_piper({"en": absent}).start()
    alone = make_voice(tmp_path, name="alone")
    Path(f"{alone}.json").unlink()
    with pytest.raises(EngineMissing, match=r"alone\.onnx\.json is not there"):
        await make_piper({"en": alone}).start()
    odd = make_voice(tmp_path, name="odd")
    Path(f"{odd}.json").write_text("[1]")
    with pytest.raises(EngineMissing, match="does not describe a Piper voice"):
        await make_piper({"en": odd}).start()
    broken = make_voice(tmp_path, name="broken")
    broken.write_bytes(b"no graph at all")
    for exact in (True, False):
        with pytest.raises(EngineMissing, match="not a readable ONNX graph"):
            await make_piper({"en": broken}, exact_words=exact).start()


async def test_languages_that_share_a_voice_have_it_loaded_once(
    make_piper: MakePiper, tmp_path: Path
) -> None:
    path = make_voice(tmp_path)
    piper = make_piper({"en": path, "de": path})
    await piper.start()
    assert piper._voices["en"] is piper._voices["de"]
    assert await speech(piper, "Hello.", language="de")
