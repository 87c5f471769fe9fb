"""Is this speech? webrtcvad is the gate, Silero the judge.

webrtcvad costs 2 µs a chunk and lets some noise through; Silero costs 10 to 50 µs a window and is
right far more often. So Silero runs only while the gate is open: from webrtcvad's first hit until
`gate_hold` after its last. While it is closed the probability is 0.

Silero hears windows of 512 samples (32 ms), each with the 64 samples before it as context, and
remembers what it heard. When the gate opens, the last windows are heard again in one run, so that
it judges the onset with a warm memory and no delay.

The network is the one that ships with faster-whisper (Silero VAD v6, MIT), in one of two ways:
compiled (`media/compiled_voice.py`), or, without a compiler, by onnxruntime as `media/silero.py`
writes it again. There the windows of several callers that come at one beat of the pacer are judged
in one run, in which they cost a third of what they would alone. Either is shared by all calls; a
`Detector` holds the state of one.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

import numpy as np
import onnxruntime
import webrtcvad
from pydantic import BaseModel, Field

from media.audio import CALLER_RATE, AudioChunk, Samples
from media.compiled_voice import CompiledVoice, NoGate
from media.native import native
from media.silero import CONTEXT, STATE, WINDOW, Floats, UnknownNetwork, known, rewritten

_SPAN = CONTEXT + WINDOW
_GATE_FRAME = 160
_GATE_BYTES = 2 * _GATE_FRAME
_REMEMBERED = 8
"""Windows (a quarter of a second) heard again when the gate opens."""
_PAST = _REMEMBERED * WINDOW + CONTEXT
_SCALE = np.float32(1 / 32768)
_STATE = (1, 1, STATE)
_OUTPUTS = ["speech_probs", "hn", "cn"]
_SEVERAL = 3
"""Callers heard at once from which on a window waits for the others'."""

State = tuple[Floats, Floats]
"""What the network remembers of a stream: two arrays of shape (1, 1, 128)."""
Judgement = tuple[float, State]
"""The probability of speech in the last window, and the state after it."""


log = logging.getLogger(__name__)


class VoiceSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How speech is told from everything else."""

    gate: int = Field(default=1, ge=0, le=3)
    """webrtcvad's aggressiveness, 0 (lets most through) to 3; the gate before Silero."""
    gate_hold: float = Field(default=0.5, ge=0.0, le=5.0)
    """Seconds that the gate stays open after webrtcvad's last hit."""
    together: float = Field(default=0.0, ge=0.0, le=0.02)
    """Seconds that a window may wait for those of other calls, while three callers or more are
    heard by onnxruntime; 0: only those that come at the same beat are judged in one run. Compiled,
    none waits."""
    model: Path | None = None
    """Silero's ONNX file; none: the one that ships with faster-whisper."""


class VoiceModelMissing(Exception):
    """Silero's file cannot be found or loaded; the message says where it was looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A call's window that is judged in the next common run."""

    window: Samples
    state: State
    judgement: asyncio.Future[Judgement]


class Detector(Protocol):
    """One call's speech detector; feed it every chunk, in order."""

    @property
    def is_open(self) -> bool:
        """Whether the gate is open, so that Silero listens."""

    async def hear(self, chunk: AudioChunk) -> float:
        """As `probability`; may be judged together with other calls' chunks of the same beat."""

    def probability(self, chunk: AudioChunk) -> float:
        """How likely the end of this chunk is speech, 0..1. Raises ValueError when not 16 kHz."""


class VoiceModel(Protocol):
    """Silero's network, loaded once and shared by all calls."""

    def detector(self) -> Detector:
        """A detector for one call."""


class OnnxVoice:
    """The network as onnxruntime runs it."""

    def __init__(self, network: str | bytes, settings: VoiceSettings, *, can_share: bool) -> None:
        """`network`: an ONNX file or its content; `can_share`: each row of a run may be another
        stream's."""
        self._settings = settings
        self.listening: WeakSet[OnnxDetector] = WeakSet()
        """The detectors whose gate is open."""
        self._waiting: list[_Waiting] = []
        self._can_share = can_share
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            network, providers=["CPUExecutionProvider"], sess_options=options
        )

    def detector(self) -> OnnxDetector:
        """A detector for one call."""
        return OnnxDetector(self, self._settings)

    def judge(self, windows: Samples, state: State) -> Judgement:
        """Consecutive windows of one call, shape (n, 576), and what it remembers."""
        probability = 0.0
        for index in range(len(windows)):
            (probability,), state = self._run(windows[index : index + 1], state)
        return float(probability), state

    async def judge_together(self, window: Samples, state: State) -> Judgement:
        """One window, shape (1, 576), in one run with those of other calls that are there too."""
        if not self._can_share or len(self.listening) < _SEVERAL:
            return self.judge(window, state)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            if self._settings.together:
                loop.call_later(self._settings.together, self._judge_waiting)
            else:
                # Behind the calls whose chunks came at the same beat, which are to go on already.
                loop.call_soon(self._judge_waiting)
        waiting = _Waiting(window, state, loop.create_future())
        self._waiting.append(waiting)
        return await waiting.judgement

    def _judge_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            windows = np.concatenate([each.window for each in waiting])
            h = np.concatenate([each.state[0] for each in waiting], axis=1)
            c = np.concatenate([each.state[1] for each in waiting], axis=1)
            probabilities, (h, c) = self._run(windows, (h, c))
        except Exception as error:  # Whatever it is, it is told to those who wait.
            for each in waiting:
                if not each.judgement.done():
                    each.judgement.set_exception(error)
            return
        for row, each in enumerate(waiting):
            if not each.judgement.done():
                state = h[:, row : row + 1], c[:, row : row + 1]
                each.judgement.set_result((float(probabilities[row]), state))

    def _run(self, windows: Samples, state: State) -> tuple[Floats, State]:
        feed = {"input": windows * _SCALE, "h": state[0], "c": state[1]}
        probabilities, h, c = self._session.run(_OUTPUTS, feed)
        return probabilities, (h, c)


class OnnxDetector:
    """One call's speech detector; feed it every chunk, in order."""

    def __init__(self, model: OnnxVoice, settings: VoiceSettings) -> None:
        self._model = model
        self._gate = webrtcvad.Vad(settings.gate)
        self._hold = round(settings.gate_hold * CALLER_RATE)
        self._open_for = 0
        self._ungated = b""
        self._past: deque[Samples] = deque()
        self._past_length = 0
        # The window that is being filled, in place: NumPy's joining and cutting costs as much as
        # the network does.
        self._window = np.zeros((1, _SPAN), np.int16)
        self._filled = CONTEXT
        self._is_warm = False
        self._state = _new_state()
        self._latest = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the gate is open, so that Silero listens."""
        return self._open_for > 0

    async def hear(self, chunk: AudioChunk) -> float:
        """As `probability`; judged together with other calls' chunks that came at the same beat."""
        for windows in self._windows(chunk):
            if len(windows) == 1:
                judgement = await self._model.judge_together(windows, self._state)
            else:
                judgement = self._model.judge(windows, self._state)
            self._latest, self._state = judgement
        return self._latest

    def probability(self, chunk: AudioChunk) -> float:
        """How likely the end of this chunk is speech, 0..1. Raises ValueError when not 16 kHz."""
        for windows in self._windows(chunk):
            self._latest, self._state = self._model.judge(windows, self._state)
        return self._latest

    def _windows(self, chunk: AudioChunk) -> Iterator[Samples]:
        """What Silero is to judge now that this chunk came: arrays of shape (n, 576), each to be
        judged before the next is asked for."""
        if chunk.rate != CALLER_RATE:
            raise ValueError(f"speech is detected at {CALLER_RATE} Hz, got {chunk.rate} Hz")
        self._pass_gate(chunk.samples)
        self._remember(chunk.samples)
        if not self.is_open:
            self._forget()
        elif self._is_warm:
            yield from self._listen(chunk.samples)
        else:
            yield self._warm_up()

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

    def _warm_up(self) -> Samples:
        """Hear the last windows again, up to now: a judgement at once, whatever the chunk's
        length."""
        past = np.concatenate([np.zeros(_PAST, np.int16), *self._past])[-_PAST:]
        windows = np.lib.stride_tricks.sliding_window_view(past, _SPAN)[::WINDOW]
        self._window[0, :CONTEXT] = past[-CONTEXT:]
        self._filled = CONTEXT
        self._is_warm = True
        self._model.listening.add(self)
        return np.ascontiguousarray(windows)

    def _listen(self, samples: Samples) -> Iterator[Samples]:
        row = self._window[0]
        while len(samples):
            taken = samples[: _SPAN - self._filled]
            end = self._filled + len(taken)
            row[self._filled : end] = taken
            samples = samples[len(taken) :]
            self._filled = end
            if end == _SPAN:
                yield self._window
                row[:CONTEXT] = row[WINDOW:]
                self._filled = CONTEXT

    def _forget(self) -> None:
        if self._is_warm:
            self._state = _new_state()
            self._latest = 0.0
            self._is_warm = False
            self._model.listening.discard(self)


def _new_state() -> State:
    return np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)


def load_voice_model(settings: VoiceSettings) -> VoiceModel:
    """Load Silero. Raises VoiceModelMissing."""
    path = settings.model or _shipped_model()
    if not path.is_file():
        raise VoiceModelMissing(
            f"no speech detection model at {path}; reinstall faster-whisper, which ships it, "
            "or set voice.model"
        )
    try:
        network = known(path)
    except UnknownNetwork as unknown:
        log.warning(
            "Silero's file is not the known one, it is run as it is", extra={"why": str(unknown)}
        )
        return OnnxVoice(str(path), settings, can_share=False)
    library = native()
    if library is not None:
        try:
            hold = round(settings.gate_hold * CALLER_RATE)
            return CompiledVoice(library, network, gate=settings.gate, hold=hold)
        except NoGate as error:
            log.warning("speech is detected without the compiled part", extra={"why": str(error)})
    return OnnxVoice(rewritten(network), settings, can_share=True)


def _shipped_model() -> Path:
    # Found without importing the package, which would load its whole engine.
    spec = importlib.util.find_spec("faster_whisper")
    folder = Path(spec.origin).parent if spec and spec.origin else Path("faster_whisper")
    return folder / "assets" / "silero_vad_v6.onnx"
