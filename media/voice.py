"""Is this speech? webrtcvad is the gate, Silero the judge.

webrtcvad costs 3 µs a chunk and lets some noise through; Silero costs 50 to 100 µs a window and is
right far more often. So Silero runs only while the gate is open: from webrtcvad's first hit until
`gate_hold` after its last. While it is closed the probability is 0.

Silero hears windows of 512 samples (32 ms), each with the 64 samples before it as context, and
remembers what it heard. When the gate opens, the last windows are heard again in one run, so that
it judges the onset with a warm memory and no delay.

The network is the one that ships with faster-whisper (Silero VAD v6, MIT), written again by
`media/silero.py`. Its session is shared by all calls; a `Detector` holds the state of one.
"""

from __future__ import annotations

import importlib.util
import logging
from collections import deque
from pathlib import Path

import numpy as np
import onnxruntime
import webrtcvad
from pydantic import BaseModel, Field

from media.audio import CALLER_RATE, AudioChunk, Samples
from media.silero import CONTEXT, STATE, WINDOW, Floats, UnknownNetwork, rewritten

_SPAN = CONTEXT + WINDOW
_GATE_FRAME = 160
_GATE_BYTES = 2 * _GATE_FRAME
_REMEMBERED = 8
"""Windows (a quarter of a second) heard again when the gate opens."""
_PAST = _REMEMBERED * WINDOW + CONTEXT
_SCALE = np.float32(1 / 32768)
_STATE = (1, 1, STATE)
_OUTPUTS = ["speech_probs", "hn", "cn"]


log = logging.getLogger(__name__)


class VoiceSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How speech is told from everything else."""

    gate: int = Field(default=1, ge=0, le=3)
    """webrtcvad's aggressiveness, 0 (lets most through) to 3; the gate before Silero."""
    gate_hold: float = Field(default=0.5, ge=0.0, le=5.0)
    """Seconds that the gate stays open after webrtcvad's last hit."""
    model: Path | None = None
    """Silero's ONNX file; none: the one that ships with faster-whisper."""


class VoiceModelMissing(Exception):
    """Silero's file cannot be found or loaded; the message says where it was looked for."""


class VoiceModel:
    """Silero's network, loaded once and shared by all calls."""

    def __init__(self, path: Path, settings: VoiceSettings) -> None:
        self._settings = settings
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        network: str | bytes
        try:
            network = rewritten(path)
        except UnknownNetwork as unknown:
            log.warning(
                "Silero's file is not the known one, it is run as it is",
                extra={"why": str(unknown)},
            )
            network = str(path)
        self._session = onnxruntime.InferenceSession(
            network, providers=["CPUExecutionProvider"], sess_options=options
        )

    def detector(self) -> Detector:
        """A detector for one call."""
        return Detector(self, self._settings)

    def judge(self, windows: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
        """Probabilities of consecutive windows of shape (n, 576), and the state after them."""
        probabilities = np.empty(len(windows), np.float32)
        for index in range(len(windows)):
            feed = {"input": windows[index : index + 1], "h": h, "c": c}
            probabilities[index : index + 1], h, c = self._session.run(_OUTPUTS, feed)
        return probabilities, h, c


class Detector:
    """One call's speech detector; feed it every chunk, in order."""

    def __init__(self, model: VoiceModel, settings: VoiceSettings) -> None:
        self._model = model
        self._gate = webrtcvad.Vad(settings.gate)
        self._hold = round(settings.gate_hold * CALLER_RATE)
        self._open_for = 0
        self._ungated = b""
        self._past: deque[Samples] = deque()
        self._past_length = 0
        # The window that is being filled, in place: NumPy's joining and cutting costs as much as
        # the network does.
        self._window = np.zeros((1, _SPAN), np.float32)
        self._filled = CONTEXT
        self._is_warm = False
        self._h = np.zeros(_STATE, np.float32)
        self._c = np.zeros(_STATE, np.float32)
        self._latest = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the gate is open, so that Silero listens."""
        return self._open_for > 0

    def probability(self, chunk: AudioChunk) -> float:
        """How likely the end of this chunk is speech, 0..1. Raises ValueError when not 16 kHz."""
        if chunk.rate != CALLER_RATE:
            raise ValueError(f"speech is detected at {CALLER_RATE} Hz, got {chunk.rate} Hz")
        self._pass_gate(chunk.samples)
        self._remember(chunk.samples)
        if not self.is_open:
            self._forget()
        elif self._is_warm:
            self._listen(chunk.samples)
        else:
            self._warm_up()
        return self._latest

    def _pass_gate(self, samples: Samples) -> None:
        pending = self._ungated + samples.tobytes()
        whole = len(pending) - len(pending) % _GATE_BYTES
        for start in range(0, whole, _GATE_BYTES):
            if self._gate.is_speech(pending[start : start + _GATE_BYTES], CALLER_RATE):
                self._open_for = self._hold + _GATE_FRAME
            else:
                self._open_for = max(0, self._open_for - _GATE_FRAME)
        self._ungated = pending[whole:]

    def _remember(self, samples: Samples) -> None:
        self._past.append(samples)
        self._past_length += len(samples)
        while self._past_length - len(self._past[0]) >= _PAST:
            self._past_length -= len(self._past.popleft())

    def _warm_up(self) -> None:
        """Hear the last windows again, up to now: a judgement at once, whatever the chunk's
        length."""
        past = np.concatenate([np.zeros(_PAST, np.int16), *self._past])[-_PAST:] * _SCALE
        windows = np.lib.stride_tricks.sliding_window_view(past, _SPAN)[::WINDOW]
        self._judge(np.ascontiguousarray(windows))
        self._window[0, :CONTEXT] = past[-CONTEXT:]
        self._filled = CONTEXT
        self._is_warm = True

    def _listen(self, samples: Samples) -> None:
        row = self._window[0]
        while len(samples):
            taken = samples[: _SPAN - self._filled]
            end = self._filled + len(taken)
            np.multiply(taken, _SCALE, out=row[self._filled : end])
            samples = samples[len(taken) :]
            self._filled = end
            if end == _SPAN:
                self._judge(self._window)
                row[:CONTEXT] = row[WINDOW:]
                self._filled = CONTEXT

    def _judge(self, windows: Floats) -> None:
        judged, self._h, self._c = self._model.judge(windows, self._h, self._c)
        self._latest = float(judged[-1])

    def _forget(self) -> None:
        if self._is_warm:
            self._h = np.zeros(_STATE, np.float32)
            self._c = np.zeros(_STATE, np.float32)
            self._latest = 0.0
            self._is_warm = False


def load_voice_model(settings: VoiceSettings) -> VoiceModel:
    """Load Silero. Raises VoiceModelMissing."""
    path = settings.model or _shipped_model()
    if not path.is_file():
        raise VoiceModelMissing(
            f"no speech detection model at {path}; reinstall faster-whisper, which ships it, "
            "or set voice.model"
        )
    return VoiceModel(path, settings)


def _shipped_model() -> Path:
    # Found without importing the package, which would load its whole engine.
    spec = importlib.util.find_spec("faster_whisper")
    folder = Path(spec.origin).parent if spec and spec.origin else Path("faster_whisper")
    return folder / "assets" / "silero_vad_v6.onnx"
