"""Smart Turn v3: does it sound as if the caller had finished?

An ONNX model of eight megabytes (BSD-2, `pipecat-ai/smart-turn-v3`, 23 languages with Korean) that
listens to the last eight seconds: intonation and tempo say what the words do not. It takes
Whisper's log-mel features, (1, 80, 800), of audio padded with silence in front and brought to zero
mean and unit variance, and gives the probability that the turn is complete.
Source: the model's own `inference.py` and model card.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from agent.engines.jobs import Stop
from agent.engines.protocols import Priority
from agent.engines.threads import Workers
from agent.errors import EngineMissing
from media.audio import CALLER_RATE, AudioChunk, Samples

if TYPE_CHECKING:
    from faster_whisper.feature_extractor import FeatureExtractor
    from onnxruntime import InferenceSession

SECONDS = 8
_FRAMES = SECONDS * 100


class SmartTurnSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """The judge of the pause by its sound."""

    enabled: bool = True
    """Whether it is asked, where its model is configured or found."""
    path: str = ""
    """The ONNX file; empty: `smart-turn*.onnx` of the models folder, where there is one."""
    threads: int = Field(default=1, ge=1, le=8)
    """Threads of one judgement."""


class SmartTurn:
    """The judge, shared by all calls; one pause at a time."""

    def __init__(self, settings: SmartTurnSettings, path: Path) -> None:
        self._settings = settings
        self._path = path
        self._workers = Workers(1, stage="stt", name="smart-turn")
        self._session: InferenceSession
        self._features: FeatureExtractor

    async def start(self) -> None:
        """Load and warm up. Raises EngineMissing."""
        await self._workers.run(self._load)
        await self.complete(AudioChunk(np.zeros(CALLER_RATE, np.int16)))

    async def complete(self, audio: AudioChunk) -> float:
        """The probability (0..1) that the turn which `audio` (16 kHz) ends with is complete."""
        samples = audio.samples[-SECONDS * CALLER_RATE :]
        return await self._workers.run(
            lambda stop: self._judge(samples, stop), priority=Priority.SPECULATIVE
        )

    async def aclose(self) -> None:
        await self._workers.aclose()

    def _load(self, _: Stop) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor
        from onnxruntime import InferenceSession, SessionOptions

        if not self._path.is_file():
            raise EngineMissing("stt", f"Smart Turn's model is not there: {self._path}")
        options = SessionOptions()
        options.intra_op_num_threads = self._settings.threads
        options.inter_op_num_threads = 1
        session = InferenceSession(self._path, options, providers=["CPUExecutionProvider"])
        shape = session.get_inputs()[0].shape
        if list(shape[1:]) != [80, _FRAMES]:
            raise EngineMissing(
                "stt",
                f"{self._path} takes input of shape {shape}, Smart Turn v3's is (1, 80, {_FRAMES}):"
                " use smart-turn-v3.x-cpu.onnx, or leave turn.smart_turn.path empty",
            )
        self._session = session
        self._features = FeatureExtractor(chunk_length=SECONDS)

    def _judge(self, samples: Samples, stop: Stop) -> float:
        heard = features_input(samples)
        mel = self._features(heard)[:, :_FRAMES].astype(np.float32)
        if stop.is_set():
            return 0.0
        name = self._session.get_inputs()[0].name
        (probability,) = self._session.run(None, {name: mel[None]})[:1]
        return float(np.clip(np.ravel(probability)[0], 0.0, 1.0))


def features_input(samples: Samples) -> npt.NDArray[np.float32]:
    """Eight seconds as the model was trained on: silence first, zero mean, unit variance."""
    heard = np.zeros(SECONDS * CALLER_RATE, np.float32)
    if len(samples):
        heard[-len(samples) :] = samples.astype(np.float32) / 32768.0
    normal: npt.NDArray[np.float32] = (heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)
    return normal.astype(np.float32, copy=False)
