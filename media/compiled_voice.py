"""Silero and its gate as `media/native` has them: one call into C for each chunk of a caller.

A window costs 10 µs while the weights are in the processor's cache, where onnxruntime takes 33, and
46 instead of 340 when everything else has passed through it since, as it has between two windows of
a single call: above all what it takes to read the weights. So they are kept in 16 bits, in units
that differ from output to output. What that rounds away would matter in the first layer, where it
counts by how loud a bin is, and voices are loud in the low ones; so the layer is given a spectrum
that is tilted the other way, and its weights the opposite. Over 15 minutes of recordings
no probability differed from onnxruntime's by more than 0.003.

webrtcvad's own function is called from C too. Its objects are made in Python: what the function
that makes them takes has changed between webrtcvad's versions.
"""

from __future__ import annotations

import ctypes
from typing import Any

import _webrtcvad
import numpy as np
import numpy.typing as npt
import webrtcvad

from media.audio import CALLER_RATE, AudioChunk
from media.native import Native
from media.silero import Floats, Network, fade

_BINS = 129
_FULL_SCALE = 32768
_GATE = "WebRtcVad_Process"
_LINE = 64
_TILT_FROM = 4
"""A spectrum is taken to fall as 1 / (bin + this)."""


class NoGate(Exception):
    """webrtcvad's library does not show the function that is called here; the message says why."""


class CompiledVoice:
    """The network, loaded once and shared by all calls."""

    def __init__(self, native: Native, network: Network, *, gate: int, hold: int) -> None:
        """`gate`: webrtcvad's aggressiveness; `hold`: samples. Raises NoGate."""
        _handle(webrtcvad.Vad(gate))
        self._native = native
        self._passes = native.ffi.cast("Gate", _gate_function())
        self._gate = gate
        self._hold = hold
        self._kept: list[npt.NDArray[Any]] = []
        """The arrays to which `_silero` points."""
        self._silero = self._packed(network)

    def detector(self) -> CompiledDetector:
        """A detector for one call."""
        gate = webrtcvad.Vad(self._gate)
        voice = self._native.ffi.new("Voice *")
        voice.silero, voice.hold = self._silero, self._hold
        voice.passes, voice.gate = self._passes, self._native.ffi.cast("void *", _handle(gate))
        return CompiledDetector(self._native, voice, (self._silero, self._kept, gate))

    def _packed(self, network: Network) -> Any:
        tilt = (np.arange(_BINS) + _TILT_FROM) / 100
        first = network.encoder[0]
        weights = first.weights / np.tile(tilt, 3)[:, None]
        w, r, biases = (each[0] for each in network.recurrent)
        both = np.concatenate([w.T, r.T])
        half = len(biases) // 2
        turns = np.arange(_BINS) / (2 * (_BINS - 1))
        silero = self._native.ffi.new("Silero *")
        silero.encoder = [
            self._layer(weights, first.biases),
            *(self._layer(each.weights, each.biases) for each in network.encoder[1:]),
        ]
        silero.recurrent = self._layer(both, biases[:half] + biases[half:])
        silero.fade = self._floats(fade() / _FULL_SCALE)
        silero.cosines = self._floats(np.cos(2 * np.pi * turns))
        silero.sines = self._floats(-np.sin(2 * np.pi * turns))
        # Half of it: the spectrum comes twice as large as it is.
        silero.tilt = self._floats(tilt / 2)
        silero.head = self._floats(np.append(network.head.weights, network.head.biases))
        return silero

    def _layer(self, weights: npt.NDArray[Any], biases: Floats) -> Any:
        inputs, outputs = weights.shape
        block = self._native.lib.SILERO_BLOCK
        scales = np.abs(weights).max(axis=0) / np.iinfo(np.int16).max
        whole = np.round(weights / scales).astype(np.int16)
        blocks = whole.reshape(inputs, outputs // block, block).swapaxes(0, 1)
        return {
            "inputs": inputs,
            "outputs": outputs,
            "weights": self._stored("int16_t[]", blocks),
            "scales": self._floats(scales),
            "biases": self._floats(biases),
        }

    def _floats(self, values: npt.NDArray[Any]) -> Any:
        return self._stored("float[]", values.astype(np.float32))

    def _stored(self, kind: str, values: npt.NDArray[Any]) -> Any:
        """The values where a line of the cache begins, as C has them."""
        room = np.empty(values.nbytes + _LINE, np.uint8)
        begin = -room.ctypes.data % _LINE
        place = room[begin : begin + values.nbytes]
        place[:] = np.frombuffer(values.tobytes(), np.uint8)
        self._kept.append(place)
        return self._native.ffi.from_buffer(kind, place)


class CompiledDetector:
    """One call's speech detector; feed it every chunk, in order."""

    def __init__(self, native: Native, voice: Any, kept: object) -> None:
        """`voice`: a `Voice` in C; `kept`: what it points to."""
        self._voice = voice
        self._kept = kept
        self._hear = native.lib.voice_hear
        self._buffer = native.ffi.from_buffer
        self._samples = native.ffi.typeof("int16_t[]")

    @property
    def is_open(self) -> bool:
        """Whether the gate is open, so that Silero listens."""
        return bool(self._voice.open_for)

    async def hear(self, chunk: AudioChunk) -> float:
        """As `probability`. In one run with other calls' windows each would cost 6 µs instead of
        10, but the waiting would take most of that."""
        return self.probability(chunk)

    def probability(self, chunk: AudioChunk) -> float:
        """How likely the end of this chunk is speech, 0..1. Raises ValueError when not 16 kHz."""
        if chunk.rate != CALLER_RATE:
            raise ValueError(f"speech is detected at {CALLER_RATE} Hz, got {chunk.rate} Hz")
        samples = np.ascontiguousarray(chunk.samples, np.int16)
        heard: float = self._hear(self._voice, self._buffer(self._samples, samples), len(samples))
        return heard


def _gate_function() -> int:
    """The address of webrtcvad's function that judges 10 ms. Raises NoGate."""
    try:
        library = ctypes.CDLL(_webrtcvad.__file__)
        function = getattr(library, _GATE)
    except (OSError, AttributeError) as error:
        raise NoGate(str(error)) from error
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _handle(gate: webrtcvad.Vad) -> int:
    """The address of what that function wants, which Python's object owns. Raises NoGate."""
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    try:
        address: int = get_pointer(gate._vad, get_name(gate._vad))
    except (AttributeError, ValueError) as error:
        raise NoGate(str(error)) from error
    return address
