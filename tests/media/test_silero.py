from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from media.audio import AudioChunk
from media.silero import CONTEXT, STATE, WINDOW, Floats, UnknownNetwork, known, rewritten
from media.voice import VoiceSettings, load_voice_model


@pytest.fixture(scope="module")
def shipped() -> Path:
    spec = importlib.util.find_spec("faster_whisper")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx"


@pytest.fixture(scope="module")
def streams() -> Floats:
    """Three streams of six windows, shape (6, 3, 576): noise that swells, each in its own way."""
    noise = np.random.default_rng(1).standard_normal((6, 3, CONTEXT + WINDOW))
    loudness = np.array([0.001, 0.05, 0.3]) * np.arange(1, 7)[:, None]
    return (noise * loudness[:, :, None]).astype(np.float32)


def one_by_one(network: str, stream: Floats) -> list[float]:
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    h = c = np.zeros((1, 1, STATE), np.float32)
    heard = []
    for window in stream:
        likely, h, c = session.run(None, {"input": window[None], "h": h, "c": c})
        heard.append(float(likely.reshape(-1)[0]))
    return heard


def test_streams_in_one_run_are_judged_as_the_stored_network_judges_each(
    shipped: Path, streams: Floats
) -> None:
    session = onnxruntime.InferenceSession(
        rewritten(known(shipped)), providers=["CPUExecutionProvider"]
    )
    h = c = np.zeros((1, 3, STATE), np.float32)
    together = []
    for windows in streams:
        likely, h, c = session.run(None, {"input": windows, "h": h, "c": c})
        together.append(likely)
    alone = [one_by_one(str(shipped), streams[:, each]) for each in range(3)]
    assert np.ptp(alone) > 0.001  # else anything would do
    np.testing.assert_allclose(np.array(together).T, alone, atol=1e-5)


def test_another_network_is_refused_by_what_is_missing(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNetwork, match=r"conv1d\.weight has shape None"):
        known(renamed(shipped, tmp_path))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UnknownNetwork, match="cannot be read"):
        known(tmp_path / "text.onnx")


def test_a_network_that_begins_with_another_transform_is_not_the_known_one(
    shipped: Path, tmp_path: Path
) -> None:
    model = onnx.load(str(shipped))
    basis = next(each for each in model.graph.initializer if each.name.endswith("basis_buffer"))
    basis.CopyFrom(numpy_helper.from_array(0.9 * numpy_helper.to_array(basis), basis.name))
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(UnknownNetwork, match="not a Fourier transform"):
        known(tmp_path / "other.onnx")


def test_another_network_of_the_same_shape_is_run_as_it_is(
    shipped: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = (np.random.default_rng(2).standard_normal(16_000) * 9_000).astype(np.int16)
    with caplog.at_level(logging.WARNING):
        unknown = load_voice_model(VoiceSettings(model=renamed(shipped, tmp_path), gate=0))
    assert "run as it is" in caplog.text
    shipped_one = load_voice_model(VoiceSettings(gate=0))
    heard = []
    for model in (unknown, shipped_one):
        detector = model.detector()
        chunks = [AudioChunk(noise[at : at + 320]) for at in range(0, len(noise), 320)]
        heard.append([detector.probability(chunk) for chunk in chunks])
    np.testing.assert_allclose(heard[0], heard[1], atol=0.005)


def renamed(shipped: Path, folder: Path) -> Path:
    """The same network, a weight of it under another name."""
    model = onnx.load(str(shipped))
    old, new = "decoder.conv1d.weight", "decoder.weight"
    for weight in model.graph.initializer:
        weight.name = new if weight.name == old else weight.name
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
    path = folder / "other.onnx"
    onnx.save(model, str(path))
    return path
