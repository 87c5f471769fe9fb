from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from agent.engines.smart_turn import SECONDS, SmartTurn, SmartTurnSettings, features_input
from agent.errors import EngineMissing
from media.audio import CALLER_RATE, AudioChunk


def model_file(folder: Path, *, frames: int = 800) -> Path:
    """A graph of Smart Turn's shape: the mean of the features' last second, through a sigmoid."""
    constants = [
        helper.make_tensor("begin", TensorProto.INT64, [1], [frames - 100]),
        helper.make_tensor("end", TensorProto.INT64, [1], [frames]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [2]),
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2]),
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["input_features", "begin", "end", "axis"], ["last"]),
            helper.make_node("ReduceMean", ["last", "axes"], ["mean"], keepdims=0),
            helper.make_node("Sigmoid", ["mean"], ["logits"]),
        ],
        "turn",
        [helper.make_tensor_value_info("input_features", TensorProto.FLOAT, ["b", 80, frames])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = folder / "smart-turn-v3.onnx"
    onnx.save(model, path)
    return path


def noise(seconds: float, loudness: float = 8000) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rng.standard_normal(round(seconds * CALLER_RATE)) * loudness).astype(np.int16)


async def test_the_end_of_the_audio_is_judged(tmp_path: Path) -> None:
    judge = SmartTurn(SmartTurnSettings(), model_file(tmp_path))
    await judge.start()
    loud_end = AudioChunk(np.concatenate([np.zeros(CALLER_RATE, np.int16), noise(1.0)]))
    quiet_end = AudioChunk(np.concatenate([noise(1.0), np.zeros(CALLER_RATE, np.int16)]))
    assert await judge.complete(loud_end) > 0.6
    assert await judge.complete(quiet_end) < await judge.complete(loud_end)
    await judge.aclose()


async def test_only_the_last_eight_seconds_count(tmp_path: Path) -> None:
    judge = SmartTurn(SmartTurnSettings(), model_file(tmp_path))
    await judge.start()
    last = noise(SECONDS)
    longer = AudioChunk(np.concatenate([noise(5.0, 20_000), last]))
    assert await judge.complete(longer) == pytest.approx(await judge.complete(AudioChunk(last)))
    await judge.aclose()


def test_short_audio_is_padded_in_front() -> None:
    heard = features_input(noise(1.0))
    assert heard.shape == (SECONDS * CALLER_RATE,)
    assert np.ptp(heard[:-CALLER_RATE]) == 0
    assert heard.mean() == pytest.approx(0, abs=1e-3)
    assert heard.std() == pytest.approx(1, abs=1e-2)


async def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    judge = SmartTurn(SmartTurnSettings(), tmp_path / "gone.onnx")
    with pytest.raises(EngineMissing, match=r"gone\.onnx"):
        await judge.start()
    await judge.aclose()


async def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    judge = SmartTurn(SmartTurnSettings(), model_file(tmp_path, frames=3000))
    with pytest.raises(EngineMissing, match="3000"):
        await judge.start()
    await judge.aclose()
