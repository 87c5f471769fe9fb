"""The compiled detector is the other one, chunk for chunk."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

import media.voice
from media.audio import AudioChunk, Samples
from media.compiled_voice import CompiledVoice
from media.native import native
from media.voice import Detector, OnnxVoice, VoiceModel, VoiceSettings, load_voice_model
from tests.conftest import TestData

CLOSE = 0.005


def both(voice: VoiceSettings) -> tuple[VoiceModel, VoiceModel]:
    """Compiled, and by onnxruntime."""
    if native() is None:
        pytest.skip("no C compiler: onnxruntime alone detects speech")
    compiled = load_voice_model(voice)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(media.voice, "native", lambda: None)
        onnx = load_voice_model(voice)
    assert isinstance(compiled, CompiledVoice)
    assert isinstance(onnx, OnnxVoice)
    return compiled, onnx


@pytest.fixture(scope="module")
def models() -> tuple[VoiceModel, VoiceModel]:
    return both(VoiceSettings())


def heard(detector: Detector, samples: Samples, lengths: list[int]) -> list[tuple[float, bool]]:
    """What the detector says of chunks of these lengths, over and over, and whether it is open."""
    said, at = [], 0
    while at < len(samples):
        for length in lengths:
            said.append(
                (detector.probability(AudioChunk(samples[at : at + length])), detector.is_open)
            )
            at += length
    return said


def assert_alike(models: tuple[VoiceModel, VoiceModel], samples: Samples, *lengths: int) -> None:
    compiled, onnx = (np.array(heard(each.detector(), samples, list(lengths))) for each in models)
    np.testing.assert_array_equal(compiled[:, 1], onnx[:, 1], "the gates differ")
    np.testing.assert_allclose(compiled[:, 0], onnx[:, 0], atol=CLOSE)


def onsets(seed: int) -> Samples:
    """Five seconds of noise that comes and goes, so that the gate opens and closes."""
    noise = np.random.default_rng(seed).standard_normal(80_000) * 9_000
    return np.asarray(noise * (np.arange(80_000) // 11_000 % 2), np.int16)


@settings(max_examples=30)
@example([0, 1, 319, 512, 9_000], 1)
@given(st.lists(st.integers(100, 5_000), min_size=1, max_size=5), st.integers(0, 99))
def test_it_says_what_onnxruntime_says_however_the_stream_is_cut(
    models: tuple[VoiceModel, VoiceModel], lengths: list[int], seed: int
) -> None:
    assert_alike(models, onsets(seed), *lengths)


def test_the_noise_of_these_tests_opens_and_closes_the_gate_and_is_judged(
    models: tuple[VoiceModel, VoiceModel],
) -> None:
    said = np.array(heard(models[0].detector(), onsets(1), [320]))
    assert np.abs(np.diff(said[:, 1])).sum() >= 4
    assert said[:, 0].max() > 4 * CLOSE


@pytest.mark.parametrize("extreme", [-32_768, 32_767])
def test_a_microphone_at_full_scale_is_judged_alike(
    models: tuple[VoiceModel, VoiceModel], extreme: int
) -> None:
    swings = np.where(np.arange(48_000) // 40 % 2, extreme, 0).astype(np.int16)
    assert_alike(models, swings, 320)


@pytest.mark.parametrize(("gate", "hold"), [(0, 0.0), (2, 0.1), (3, 1.0)])
def test_the_gate_is_set_alike(gate: int, hold: float) -> None:
    assert_alike(both(VoiceSettings(gate=gate, gate_hold=hold)), onsets(2), 320)


def test_samples_that_do_not_lie_side_by_side_are_heard(
    models: tuple[VoiceModel, VoiceModel],
) -> None:
    wide = np.repeat(onsets(3), 2)
    compiled = models[0].detector(), models[0].detector()
    assert heard(compiled[0], wide[::2], [320]) == heard(compiled[1], onsets(3), [320])


def test_a_detector_outlives_its_model() -> None:
    model, _ = both(VoiceSettings())
    kept = model.detector()
    expected = heard(model.detector(), onsets(4), [320])
    del model
    gc.collect()
    assert heard(kept, onsets(4), [320]) == expected


class OtherVad:
    """webrtcvad's object, if it were made otherwise."""

    def __init__(self, aggressiveness: int) -> None:
        self._vad = aggressiveness


@pytest.mark.parametrize(
    ("name", "other", "why"),
    [
        ("media.compiled_voice._GATE", "WebRtcVad_Other", "WebRtcVad_Other"),
        ("media.compiled_voice.webrtcvad.Vad", OtherVad, "PyCapsule"),
    ],
)
def test_another_webrtcvad_leaves_detection_to_onnxruntime(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    other: object,
    why: str,
) -> None:
    if native() is None:
        pytest.skip("no C compiler: nothing calls it")
    monkeypatch.setattr(name, other)
    with caplog.at_level(logging.WARNING):
        model = load_voice_model(VoiceSettings())
    assert isinstance(model, OnnxVoice)
    (record,) = caplog.records
    assert why in record.why  # type: ignore[attr-defined]


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["whisper__jfk", "conf-adminmenu", "what-time-it-is", "leopard__test_ko"]
)
def test_recordings_are_judged_alike_to_their_end(
    models: tuple[VoiceModel, VoiceModel], testdata: TestData, name: str
) -> None:
    assert_alike(models, recorded(testdata.recording(name).path), 320)


def recorded(path: Path) -> Samples:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return (soxr.resample(samples.mean(axis=1), rate, 16_000) * 32767).astype(np.int16)
