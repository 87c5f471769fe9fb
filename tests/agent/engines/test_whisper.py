"""The Whisper engine on models that CTranslate2 really runs, made here, and on real weights."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile
import soxr

from agent.engines import whisper as whisper_engine
from agent.engines.jobs import Stop
from agent.engines.whisper import Whisper, WhisperSettings
from agent.errors import EngineFailed, EngineMissing, LanguageUnsupported, WrongSetting
from bench.random_whisper import Shape, write_random, write_scripted
from media.audio import AudioChunk, silence
from tests.conftest import TestData

CPU = WhisperSettings(device="cpu", niceness=0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("whisper")
    return {
        "en": write_scripted(root / "en", "Hello."),
        "*": write_scripted(root / "any", "네.", shape=Shape(multilingual=True)),
    }


@pytest.fixture
async def whisper(folders: dict[str, Path]) -> AsyncGenerator[Whisper, None]:
    engine = Whisper(CPU, folders)
    await engine.start()
    yield engine
    await engine.aclose()


def speech(seconds: float) -> AudioChunk:
    rng = np.random.default_rng(2)
    return AudioChunk(rng.normal(0, 800, round(seconds * 16_000)).astype(np.int16))


async def test_each_language_is_understood_by_its_own_model(whisper: Whisper) -> None:
    for language, text in [("en", "Hello."), ("ko", "네."), ("de", "네.")]:
        recognition = whisper.open(language=language)
        recognition.feed(speech(1.0))
        transcript = await recognition.final()
        assert (transcript.text, transcript.language) == (text, language)
        assert transcript.confidence > 0.8
    assert whisper.device == "cpu"


async def test_a_language_without_a_model_is_refused(
    whisper: Whisper, folders: dict[str, Path]
) -> None:
    with pytest.raises(LanguageUnsupported, match="does not know the language 'tlh'"):
        whisper.open(language="tlh")
    with pytest.raises(LanguageUnsupported, match="no model for 'ko', only en"):
        Whisper(CPU, {"en": folders["en"]}).open(language="ko")
    english = Whisper(CPU, {"*": folders["en"]})
    await english.start()
    with pytest.raises(LanguageUnsupported, match="does not know the language 'ko'"):
        english.open(language="ko")
    await english.aclose()


async def test_an_engine_that_is_not_started_says_so(folders: dict[str, Path]) -> None:
    with pytest.raises(EngineMissing, match="not started"):
        Whisper(CPU, folders).open(language="en")


@pytest.mark.parametrize("missing", ["model.bin", "tokenizer.json"])
async def test_a_folder_that_lacks_a_file_is_named(
    folders: dict[str, Path], tmp_path: Path, missing: str
) -> None:
    folder = shutil.copytree(folders["en"], tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(EngineMissing, match=f"has no {missing}"):
        await Whisper(CPU, {"en": folder}).start()


async def test_a_damaged_model_is_missing_not_a_crash(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["en"], tmp_path / "model")
    (folder / "model.bin").write_bytes(b"not a model")
    with pytest.raises(EngineMissing, match="does not load on cpu"):
        await Whisper(CPU, {"en": folder}).start()


async def test_a_gpu_that_is_not_there_is_missing(folders: dict[str, Path]) -> None:
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a GPU here")
    with pytest.raises(WrongSetting, match=r"stt\.whisper\.device is cuda, but .* set it to auto"):
        await Whisper(WhisperSettings(device="cuda"), folders).start()


async def test_arithmetic_that_the_device_lacks_is_named_unless_the_device_is_any(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper_engine, "_has_gpu", lambda: False)
    monkeypatch.setattr(whisper_engine, "_compute_types", lambda device: {"int8", "float32"})
    chosen = WhisperSettings(device="cpu", compute_type="bfloat16", niceness=0)
    with pytest.raises(WrongSetting, match=r"bfloat16, which this cpu lacks.*float32, int8"):
        await Whisper(chosen, folders).start()

    anywhere = Whisper(chosen.model_copy(update={"device": "auto"}), {"en": folders["en"]})
    await anywhere.start()
    await anywhere.aclose()
    assert [each.message for each in caplog.records] == ["Whisper computes in int8"]


async def test_arithmetic_of_the_cpu_is_what_was_chosen(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    usual = whisper_engine._open_model

    def open_model(folder: Path, device: str, compute_type: str, workers: int) -> object:
        opened.append(compute_type)
        return usual(folder, device, compute_type, workers)

    monkeypatch.setattr(whisper_engine, "_open_model", open_model)
    engine = Whisper(CPU.model_copy(update={"compute_type": "float32"}), {"en": folders["en"]})
    await engine.start()
    await engine.aclose()
    assert opened == ["float32"]


@pytest.mark.parametrize(
    ("supported", "chosen"),
    [
        ({"bfloat16", "float16", "float32", "int8", "int8_float16"}, "float16"),
        ({"float32", "int8", "int8_float32"}, "int8_float32"),
        ({"float32"}, "float32"),
    ],
)
async def test_a_gpu_computes_in_float16_where_it_can(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, supported: set[str], chosen: str
) -> None:
    """Cards before Volta have no fast float16, and CTranslate2 refuses it there."""
    opened: list[tuple[str, str]] = []

    def open_model(folder: Path, device: str, compute_type: str, workers: int) -> object:
        opened.append((device, compute_type))
        raise RuntimeError("there is no GPU here")

    monkeypatch.setattr(whisper_engine, "_has_gpu", lambda: True)
    monkeypatch.setattr(whisper_engine, "_compute_types", lambda device: supported)
    monkeypatch.setattr(whisper_engine, "_open_model", open_model)
    with pytest.raises(EngineMissing):
        await Whisper(WhisperSettings(device="cuda"), {"en": folders["en"]}).start()
    assert opened == [("cuda", chosen)]


async def test_a_gpu_whose_libraries_are_missing_is_done_without(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver tells of a GPU, and the first pass on it fails."""
    opened: list[tuple[str, str]] = []
    usual = whisper_engine._open_model

    def open_model(folder: Path, device: str, compute_type: str, workers: int) -> object:
        opened.append((device, compute_type))
        if device == "cuda":
            raise RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
        return usual(folder, device, compute_type, workers)

    monkeypatch.setattr(whisper_engine, "_has_gpu", lambda: True)
    monkeypatch.setattr(whisper_engine.cublas, "is_there", lambda: False)
    monkeypatch.setattr(whisper_engine, "_open_model", open_model)
    engine = Whisper(WhisperSettings(niceness=0), {"en": folders["en"]})
    await engine.start()
    assert [device for device, _ in opened] == ["cuda", "cpu"]
    assert engine.device == "cpu"
    (record,) = [each for each in caplog.records if "without the GPU" in each.message]
    cause = record.cause  # type: ignore[attr-defined]  # a field of ours
    assert "libcublas.so.12 is not found" in cause
    assert f"for cuBLAS 12: {sys.executable} -m pip install -r requirements-cuda.txt" in cause
    await engine.aclose()


async def test_languages_that_share_a_folder_share_a_model(folders: dict[str, Path]) -> None:
    engine = Whisper(CPU, {"ko": folders["*"], "ja": folders["*"]})
    await engine.start()
    first, second = engine.open(language="ko"), engine.open(language="ja")
    assert first._decoder is second._decoder
    await engine.aclose()


async def test_a_final_without_more_audio_is_remembered(whisper: Whisper) -> None:
    recognition = whisper.open(language="en")
    recognition.feed(speech(1.0))
    first = await recognition.final()
    assert await recognition.final() is first
    assert await recognition.partial() is first
    recognition.feed(speech(0.5))
    again = await recognition.final()
    assert again is not first
    assert again == first


async def test_nothing_fed_is_no_text(whisper: Whisper) -> None:
    recognition = whisper.open(language="en")
    assert await recognition.partial() is None
    assert (await recognition.final()).text == ""
    recognition.feed(speech(1.0))
    recognition.close()
    recognition.close()
    assert (await recognition.final()).text == ""


async def test_another_rate_is_refused(whisper: Whisper) -> None:
    with pytest.raises(EngineFailed, match="takes 16000 Hz, got 8000"):
        whisper.open(language="en").feed(silence(0.02, 8000))


async def test_a_partial_is_skipped_unless_a_worker_stays_free_for_finals(
    whisper: Whisper,
) -> None:
    recognition, began, let_go = whisper.open(language="en"), threading.Event(), threading.Event()
    recognition.feed(speech(1.0))

    def occupy(stop: Stop) -> None:
        began.set()
        let_go.wait(10)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(whisper._workers.run(occupy))
        await asyncio.to_thread(began.wait, 10)
        assert await recognition.partial() is None
        assert (await recognition.final()).text == "Hello."
        let_go.set()


async def test_a_cancelled_final_leaves_the_utterance_usable(whisper: Whisper) -> None:
    recognition = whisper.open(language="en")
    recognition.feed(speech(2.0))
    final = asyncio.create_task(recognition.final())
    await asyncio.sleep(0)
    final.cancel()
    with pytest.raises(asyncio.CancelledError):
        await final
    assert (await recognition.final()).text == "Hello."


async def test_a_long_utterance_is_understood_in_windows_that_stay(whisper: Whisper) -> None:
    recognition = whisper.open(language="en")
    recognition.feed(speech(40.0))
    partial = await recognition.partial()
    assert partial is not None and partial.text == "Hello. Hello."
    ends = [end for end, _ in recognition._settled]
    assert len(ends) == 1 and 15 * 16_000 <= ends[0] <= 29 * 16_000
    recognition.feed(speech(30.0))
    final = await recognition.final()
    assert final.text.split() == ["Hello."] * (len(recognition._settled) + 1)
    assert len(recognition._settled) >= 2
    assert recognition._settled[0][0] == ends[0]


async def test_random_weights_of_the_true_kind_run(tmp_path: Path) -> None:
    folder = write_random(tmp_path / "random", Shape(layers=2, multilingual=True))
    engine = Whisper(CPU, {"*": folder})
    await engine.start()
    recognition = engine.open(language="ko")
    recognition.feed(speech(1.0))
    transcript = await recognition.final()
    assert 0.0 <= transcript.confidence < 0.5
    await engine.aclose()


@pytest.mark.real
async def test_real_weights_understand_real_speech(testdata: TestData) -> None:
    found = sorted((testdata.folder / "models" / "whisper").glob("**/model.bin"))
    if not found:
        pytest.skip("no Whisper with real weights beside the checkout")
    engine = Whisper(CPU, {"en": found[0].parent})
    await engine.start()
    said, understood = [], []
    for recording in testdata.recordings():
        if recording.language != "en" or not recording.text or "misc" not in str(recording.path):
            continue
        samples, rate = soundfile.read(recording.path, dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(axis=1), rate, 16_000)
        recognition = engine.open(language="en")
        recognition.feed(AudioChunk((mono * 32767).astype(np.int16)))
        said.append(plain(recording.text))
        understood.append(plain((await recognition.final()).text))
    await engine.aclose()
    error = jiwer.wer(said, understood)
    print(f"word error rate of {found[0].parent.name}: {error:.1%}")
    assert error < 0.25


def plain(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
