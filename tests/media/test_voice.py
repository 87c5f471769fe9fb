from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

import media.voice
from media.audio import AudioChunk, Samples, silence
from media.compiled_voice import CompiledVoice
from media.native import native
from media.silero import Floats
from media.voice import (
    OnnxVoice,
    State,
    VoiceModel,
    VoiceModelMissing,
    VoiceSettings,
    load_voice_model,
)
from tests.conftest import TestData


def recorded(path: Path) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return (soxr.resample(samples.mean(axis=1), rate, 16_000) * 32767).astype(np.int16)


@pytest.fixture(scope="module")
def onnx() -> OnnxVoice:
    """The network by onnxruntime, as without a compiler."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(media.voice, "native", lambda: None)
        model = load_voice_model(VoiceSettings())
    assert isinstance(model, OnnxVoice)
    return model


@pytest.fixture(scope="module", params=["compiled", "onnxruntime"])
def model(request: pytest.FixtureRequest, onnx: OnnxVoice) -> VoiceModel:
    if request.param == "onnxruntime":
        return onnx
    if native() is None:
        pytest.skip("no C compiler: onnxruntime alone detects speech")
    model = load_voice_model(VoiceSettings())
    assert isinstance(model, CompiledVoice)
    return model


def probabilities(model: VoiceModel, samples: Samples, chunk: int = 320) -> list[float]:
    detector = model.detector()
    return [
        detector.probability(AudioChunk(samples[start : start + chunk]))
        for start in range(0, len(samples), chunk)
    ]


def test_silence_is_no_speech_and_does_not_wake_the_judge(model: VoiceModel) -> None:
    detector = model.detector()
    for _ in range(50):
        assert detector.probability(silence(0.02)) == 0.0
        assert not detector.is_open


def test_hiss_and_hum_are_no_speech(model: VoiceModel) -> None:
    hiss = (np.random.default_rng(1).standard_normal(32_000) * 600).astype(np.int16)
    hum = (np.sin(np.arange(32_000) * 50 * 2 * np.pi / 16_000) * 8000).astype(np.int16)
    for noise in (hiss, hum):
        assert max(probabilities(model, noise)) < 0.5


def test_another_rate_is_refused(model: VoiceModel) -> None:
    with pytest.raises(ValueError, match="16000 Hz"):
        model.detector().probability(silence(0.02, 8_000))


def test_a_missing_model_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(VoiceModelMissing, match=r"nowhere\.onnx"):
        load_voice_model(VoiceSettings(model=tmp_path / "nowhere.onnx"))


async def heard_at_once(model: VoiceModel, streams: npt.NDArray[np.int16]) -> list[list[float]]:
    async def heard(samples: Samples) -> list[float]:
        detector = model.detector()
        likely = []
        for at in range(0, len(samples), 320):
            await asyncio.sleep(0)
            likely.append(await detector.hear(AudioChunk(samples[at : at + 320])))
        return likely

    return await asyncio.gather(*(heard(each) for each in streams))


async def test_callers_who_speak_at_once_are_judged_as_if_alone(model: VoiceModel) -> None:
    noise = (np.random.default_rng(3).standard_normal((5, 16_000)) * 9_000).astype(np.int16)
    alone = [probabilities(model, each) for each in noise]
    assert np.ptp(alone) > 0.01  # else anything would do
    np.testing.assert_allclose(await heard_at_once(model, noise), alone, atol=1e-5)


async def test_onnxruntime_judges_callers_who_speak_at_once_in_one_run(
    onnx: OnnxVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = (np.random.default_rng(3).standard_normal((5, 16_000)) * 9_000).astype(np.int16)
    runs = 0
    stock = onnx._run

    def counted(windows: Samples, state: State) -> tuple[Floats, State]:
        nonlocal runs
        runs += 1
        return stock(windows, state)

    monkeypatch.setattr(onnx, "_run", counted)
    await heard_at_once(onnx, noise)
    windows = 5 * 16_000 / 512
    assert runs < windows / 2


async def test_a_caller_who_hangs_up_while_others_wait_leaves_them_judged(onnx: OnnxVoice) -> None:
    noise = (np.random.default_rng(4).standard_normal(16_000) * 9_000).astype(np.int16)
    detectors = [onnx.detector() for _ in range(4)]
    for detector in detectors:
        detector.probability(AudioChunk(noise[:3200]))
    whole = AudioChunk(noise[3200 : 3200 + 512])
    waiting = [asyncio.ensure_future(detector.hear(whole)) for detector in detectors]
    await asyncio.sleep(0)
    waiting[1].cancel()
    judged = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(judged[1], asyncio.CancelledError)
    assert judged[0] == judged[2] == judged[3] == pytest.approx(detectors[0]._latest)


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["cen5-fvap-b", "jfk", "whatstheweatherlike", "LJ001-0004", "leopard__test_ko"]
)
def test_recorded_people_are_speech(model: VoiceModel, testdata: TestData, name: str) -> None:
    speech = recorded(testdata.recording(name).path)
    heard = np.array(probabilities(model, speech))
    assert heard.max() > 0.9
    assert np.mean(heard > 0.5) > 0.4


@pytest.mark.real
def test_all_recordings_of_people_are_found(model: VoiceModel, testdata: TestData) -> None:
    rows = [row for row in testdata.recordings() if row.seconds > 1.0][::4]
    missed = [row.path.name for row in rows if max(probabilities(model, recorded(row.path))) < 0.5]
    assert len(rows) > 20
    assert len(missed) <= len(rows) // 20, missed


@pytest.mark.real
@pytest.mark.parametrize("name", ["koala__noise", "noise1", "car_horn", "dog_bark", "ringing"])
def test_recorded_noise_is_no_speech(model: VoiceModel, testdata: TestData, name: str) -> None:
    path = next(path for path in (testdata.folder / "noise").iterdir() if name in path.name)
    assert max(probabilities(model, recorded(path))) < 0.5


@pytest.mark.real
@pytest.mark.parametrize("chunk", [100, 160, 320, 800])
def test_the_verdict_does_not_depend_on_how_the_stream_is_cut(
    model: VoiceModel, testdata: TestData, chunk: int
) -> None:
    speech = recorded(testdata.recording("jfk").path)[: 16_000 * 5]
    spread = 1600 // chunk
    heard = np.array(probabilities(model, speech, chunk))
    by_tenths = heard[: len(heard) // spread * spread].reshape(-1, spread)[:, -1]
    whole = np.array(probabilities(model, speech, 1600))[: len(by_tenths)]
    assert np.mean((by_tenths > 0.5) == (whole > 0.5)) > 0.9


@pytest.mark.real
def test_the_judgement_is_that_of_silero_without_a_gate(
    model: VoiceModel, onnx: OnnxVoice, testdata: TestData
) -> None:
    speech = recorded(testdata.recording("whatstheweatherlike").path)
    speech = speech[: len(speech) // 512 * 512]
    padded = np.concatenate([np.zeros(64, np.int16), speech])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 576)[::512]
    zeros = np.zeros((1, 1, 128), np.float32)
    state, reference = (zeros, zeros), []
    for window in np.ascontiguousarray(windows):
        likely, state = onnx.judge(window[None], state)
        reference.append(likely)
    gated = np.array(probabilities(model, speech, 512))
    assert np.mean((gated > 0.5) == (np.array(reference) > 0.5)) > 0.9


@pytest.mark.real
def test_an_onset_is_seen_within_a_tenth_of_a_second(model: VoiceModel, testdata: TestData) -> None:
    speech = recorded(testdata.recording("LJ001-0004").path)
    loud = int(np.argmax(np.abs(speech) > 1500))
    stream = np.concatenate([np.zeros(16_000, np.int16), speech[loud:]])
    onset = int(np.argmax(np.array(probabilities(model, stream)) > 0.5))
    assert 0 <= onset * 0.02 - 1.0 <= 0.12
