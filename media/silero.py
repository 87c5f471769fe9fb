"""Silero's network: its weights, and the whole written again as matrix products for onnxruntime,
which gives the same answers at two thirds to one third of the cost. In C it stands in
`media/native/silero.c`.

The file that ships with faster-whisper (Silero VAD v6, MIT) says it in convolutions over four steps
of time, for consecutive windows of one stream. onnxruntime computes so small convolutions badly,
and no two streams can share a run. Here the same weights stand in products of whole windows, and
each row of a run is a window of another stream: alone a window costs 32 µs instead of 48, in a run
of eight 10 instead of 31. The probabilities are the same to the seventh digit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

WINDOW = 512
"""Samples that it judges at once at 16 kHz."""
CONTEXT = 64
"""Samples before them that it wants to see again."""
STATE = 128
"""Numbers in each of the two vectors that it remembers between windows."""
_HOP = 128
_HOPS = 5
_STEPS = 4
_BINS = 129
_OPSET = 18
_BASIS = "encoder.feature_extractor.forward_basis_buffer"
_LSTM = ("onnx::LSTM_209", "onnx::LSTM_210", "onnx::LSTM_211")
_TAPS = ((0, 1, 2), (0, 1, 2), (1, 2), (1,))
_SHAPES: dict[str, tuple[int, ...]] = {
    _BASIS: (2 * _BINS, 1, 2 * _HOP),
    "encoder.conv_layers.0.weight": (128, _BINS, 3),
    "encoder.conv_layers.1.weight": (64, 128, 3),
    "encoder.conv_layers.2.weight": (64, 64, 3),
    "encoder.conv_layers.3.weight": (128, 64, 3),
    _LSTM[0]: (1, 4 * STATE, STATE),
    _LSTM[1]: (1, 4 * STATE, STATE),
    _LSTM[2]: (1, 8 * STATE),
    "decoder.conv1d.weight": (1, STATE, 1),
}

Floats = npt.NDArray[np.float32]


class UnknownNetwork(Exception):
    """The file is not the network that is known here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Product:
    """A layer as a product: `weights` of shape (inputs, outputs), `biases` of shape (outputs,)."""

    weights: Floats
    biases: Floats


@dataclass(frozen=True, slots=True)
class Network:
    """What was learnt, each layer as the product that it is for one window."""

    basis: Floats
    """(256, 258): a frame to its spectrum, the real parts and then the imaginary ones."""
    encoder: tuple[Product, Product, Product, Product]
    """Convolutions over the steps of time; the inputs are those of their taps, one after the
    other. The steps are 4, 2 (every second), 1, 1: a tap that would only meet the padding is left
    out."""
    recurrent: tuple[Floats, Floats, Floats]
    """An LSTM's, as ONNX has them: (1, 512, 128) of the inputs, (1, 512, 128) of its state, the
    biases of both (1, 1024); gates in the order in, out, keep, new."""
    head: Product


def known(path: Path) -> Network:
    """The network of that file. Raises UnknownNetwork."""
    try:
        stored = onnx.load(str(path))
    except (OSError, DecodeError) as error:
        raise UnknownNetwork(f"{path} cannot be read as ONNX: {error}") from error
    weights = {each.name: numpy_helper.to_array(each) for each in stored.graph.initializer}
    for name, shape in _SHAPES.items():
        found = weights[name].shape if name in weights else None
        if found != shape:
            raise UnknownNetwork(f"{path}: {name} has shape {found}, known is {shape}")
    basis = weights[_BASIS][:, 0, :].T
    if not np.allclose(basis, _fourier(), atol=1e-5):
        raise UnknownNetwork(f"{path}: {_BASIS} is not a Fourier transform of faded frames")

    def convolution(layer: int, taps: Sequence[int]) -> Product:
        weight = weights[f"encoder.conv_layers.{layer}.weight"]
        stacked = np.concatenate([weight[:, :, tap].T for tap in taps])
        return Product(stacked, weights[f"encoder.conv_layers.{layer}.bias"])

    first, second, third, fourth = itertools.starmap(convolution, enumerate(_TAPS))
    w, r, b = (weights[name] for name in _LSTM)
    return Network(
        basis=basis,
        encoder=(first, second, third, fourth),
        recurrent=(w, r, b),
        head=Product(weights["decoder.conv1d.weight"][:, :, 0].T, weights["decoder.conv1d.bias"]),
    )


def fade() -> npt.NDArray[np.float64]:
    """What the samples of a frame are multiplied by, (256,): Hann's window."""
    return np.hanning(2 * _HOP + 1)[:-1]


def _fourier() -> npt.NDArray[np.float64]:
    turns = np.outer(np.arange(2 * _HOP), np.arange(_BINS)) / (2 * _HOP)
    wave = np.exp(-2j * np.pi * turns) * fade()[:, None]
    return np.concatenate([wave.real, wave.imag], axis=1)


def rewritten(network: Network) -> bytes:
    """The network as an ONNX model of matrix products.

    Inputs: `input` of shape (n, 576), each row a stream's window after its context, and `h` and `c`
    of shape (1, n, 128), zeros at the beginning of a stream. Outputs: `speech_probs` of shape (n,),
    then `h` and `c` for these streams' next windows."""
    return _Writer(network).model()


class _Writer:
    """Writes the graph, node by node, each output under its own name."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> bytes:
        magnitudes = self._spectrum(self._frames("input"))
        encoded = self._encoder(magnitudes)
        self._decoder(encoded)
        state: list[int | str] = [1, "n", STATE]
        inputs = [
            _described("input", ["n", CONTEXT + WINDOW]),
            _described("h", state),
            _described("c", state),
        ]
        outputs = [
            _described("speech_probs", ["n"]),
            _described("hn", state),
            _described("cn", state),
        ]
        graph = helper.make_graph(
            self._nodes, "silero", inputs, outputs, list(self._constants.values())
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9
        )
        onnx.checker.check_model(made)
        return made.SerializeToString()

    def _frames(self, windows: str) -> str:
        """Four frames of 256 samples, each half over the next one, of a window and its mirror."""
        padded = self._add("Pad", windows, self._whole(0, 0, 0, CONTEXT), mode="reflect")
        hops = self._add("Reshape", padded, self._whole(-1, _HOPS, _HOP))
        return self._beside([self._steps(hops, 0, _STEPS), self._steps(hops, 1, _HOPS)])

    def _spectrum(self, frames: str) -> str:
        basis = self._constant(self._network.basis)
        waves = self._add("MatMul", frames, basis)
        squares = self._add("Mul", waves, waves)
        real, imaginary = "real", "imaginary"
        halves = self._whole(_BINS, _BINS)
        self._nodes.append(helper.make_node("Split", [squares, halves], [real, imaginary], axis=2))
        return self._add("Sqrt", self._add("Add", real, imaginary))

    def _encoder(self, x: str) -> str:
        first, second, third, fourth = self._network.encoder
        x = self._add("Pad", x, self._whole(0, 1, 0, 0, 1, 0))
        x = self._beside([self._steps(x, tap, tap + _STEPS) for tap in range(3)])
        x = self._dense(x, first)
        x = self._add("Pad", x, self._whole(0, 1, 0, 0, 0, 0))
        row = self._whole(-1, 1, 3 * 128)
        pair = [self._add("Reshape", self._steps(x, at, at + 3), row) for at in (0, 2)]
        x = self._dense(self._beside(pair, axis=1), second)
        x = self._add("Reshape", x, self._whole(-1, 2 * 64))
        return self._dense(self._dense(x, third), fourth)

    def _decoder(self, x: str) -> None:
        recurrent = [self._constant(each) for each in self._network.recurrent]
        sequence = self._add("Unsqueeze", x, self._whole(0))
        self._nodes.append(
            helper.make_node(
                "LSTM", [sequence, *recurrent, "", "h", "c"], ["", "hn", "cn"], hidden_size=STATE
            )
        )
        heard = self._product(self._add("Relu", "hn"), self._network.head)
        likely = self._add("Sigmoid", heard)
        self._add("Reshape", likely, self._whole(-1), output="speech_probs")

    def _dense(self, x: str, layer: Product) -> str:
        return self._add("Relu", self._product(x, layer))

    def _product(self, x: str, layer: Product) -> str:
        product = self._add("MatMul", x, self._constant(layer.weights))
        return self._add("Add", product, self._constant(layer.biases))

    def _steps(self, x: str, begin: int, end: int) -> str:
        return self._add("Slice", x, self._whole(begin), self._whole(end), self._whole(1))

    def _beside(self, parts: list[str], axis: int = 2) -> str:
        return self._add("Concat", *parts, axis=axis)

    def _add(self, kind: str, *inputs: str, output: str | None = None, **options: Any) -> str:
        output = output or f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [output], **options))
        return output

    def _whole(self, *numbers: int) -> str:
        return self._constant(np.array(numbers, np.int64), "_".join(["i", *map(str, numbers)]))

    def _constant(self, value: npt.NDArray[np.generic], name: str | None = None) -> str:
        name = name or f"w{len(self._constants)}"
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name


def _described(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
