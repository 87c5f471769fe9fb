"""A voice in Piper's format that a test makes itself: a steady tone, the same length for each id.

It tells its durations as Piper's own graphs do (a `Ceil` node), and it never ends on a text of
more than `ENDLESS` ids, so that a run can be stopped in its midst.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

RATE = 16_000
HOP = 256
FRAMES = 4
"""Hops of each id, at usual speed."""
ID_SECONDS = FRAMES * HOP / RATE
ENDLESS = 400
LEVEL = 0.3
TONE = 200
"""Hz."""


def make_voice(folder: Path, *, name: str = "en_XX-tone-low", speakers: int = 1) -> Path:
    """Write the voice's two files; returns the graph's path."""
    path = folder / f"{name}.onnx"
    onnx.save(_graph(speakers), str(path))
    Path(f"{path}.json").write_text(json.dumps(_config(speakers)), encoding="utf-8")
    return path


def _config(speakers: int) -> dict[str, object]:
    return {
        "audio": {"sample_rate": RATE, "quality": "low"},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "inference": {"noise_scale": 0.5, "length_scale": 1, "noise_w": 0.5},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": 256,
        "num_speakers": speakers,
        "speaker_id_map": {f"person{number}": number for number in range(speakers)}
        if speakers > 1
        else {},
        "hop_length": HOP,
    }


def _constant(name: str, value: object, kind: type) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype=kind), name)


def _graph(speakers: int) -> onnx.ModelProto:
    node = helper.make_node
    nodes = [
        node("Equal", ["input", "input"], ["same"]),
        node("Cast", ["same"], ["ones"], to=TensorProto.FLOAT),
        node("Gather", ["scales", "one"], ["length_scale"]),
        node("Mul", ["length_scale", "frames"], ["frames_each"]),
        node("Mul", ["ones", "frames_each"], ["widths"]),
        node("Ceil", ["widths"], ["w_ceil"]),
        node("ReduceSum", ["w_ceil"], ["all_frames"], keepdims=0),
        node("Mul", ["all_frames", "hop"], ["length"]),
        node("Range", ["zero", "length", "step"], ["time"]),
        node("Mul", ["time", "turn"], ["phase"]),
        node("Sin", ["phase"], ["tone"]),
        node("Mul", ["tone", "level"], ["sound"]),
        # More than ENDLESS ids: as good as infinitely many rounds.
        node("Size", ["input"], ["ids"]),
        node("Greater", ["ids", "endless"], ["is_long"]),
        node("Where", ["is_long", "many", "none"], ["rounds"]),
        node("Loop", ["rounds", "", "matrix"], ["product"], body=_body()),
        node("ReduceMax", ["product"], ["kept"], keepdims=0),
        node("Add", ["sound", "kept"], ["result"]),
        node("Reshape", ["result", "shape"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
        nodes[11] = node("Mul", ["tone", "speaker_level"], ["sound"])
        nodes.insert(0, node("Gather", ["levels", "sid"], ["speaker_level"]))
    constants = [
        _constant("one", 1, np.int64),
        _constant("frames", FRAMES, np.float32),
        _constant("hop", HOP, np.float32),
        _constant("zero", 0, np.float32),
        _constant("step", 1, np.float32),
        _constant("turn", 2 * math.pi * TONE / RATE, np.float32),
        _constant("level", LEVEL, np.float32),
        _constant("levels", [LEVEL / (number + 1) for number in range(speakers)], np.float32),
        _constant("endless", ENDLESS, np.int64),
        _constant("many", 10**9, np.int64),
        _constant("none", 0, np.int64),
        _constant("matrix", np.zeros((64, 64)), np.float32),
        _constant("shape", [1, 1, 1, -1], np.int64),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "samples"])
    graph = helper.make_graph(nodes, "tone", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def _body() -> onnx.GraphProto:
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [
            helper.make_node("MatMul", ["matrix_in", "matrix_in"], ["matrix_out"]),
            helper.make_node("Identity", ["going"], ["still_going"]),
        ],
        "round",
        [
            value("round_number", TensorProto.INT64, []),
            value("going", TensorProto.BOOL, []),
            value("matrix_in", TensorProto.FLOAT, [64, 64]),
        ],
        [
            value("still_going", TensorProto.BOOL, []),
            value("matrix_out", TensorProto.FLOAT, [64, 64]),
        ],
    )
