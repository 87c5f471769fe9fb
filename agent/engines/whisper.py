"""Speech to text by Whisper (faster-whisper on CTranslate2).

Several workers of one thread each share a model: a second thread gains nothing on an utterance,
a second worker serves a second call. One of them is kept free of partials, so that a final
transcript finds it. When all are busy, utterances of about the same length that wait are
understood in one go. Decoding itself is in `whisper_decoding.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, Field

from agent.engines import cublas
from agent.engines.jobs import Batch, Stop
from agent.engines.protocols import Priority, Transcript, Urgent
from agent.engines.threads import Workers
from agent.engines.whisper_decoding import (
    FRAMES_PER_SECOND,
    WINDOW_SECONDS,
    Attempt,
    Decoder,
    DecodingSettings,
    Heard,
    window_end,
)
from agent.errors import EngineFailed, EngineMissing, LanguageUnsupported, WrongSetting
from media.audio import CALLER_RATE, AudioChunk, Samples

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

logger = logging.getLogger(__name__)

ANY_LANGUAGE = "*"
"""Stands for every language that has no model of its own."""

_LONGEST = round((WINDOW_SECONDS - 1.0) * CALLER_RATE)
_EARLIEST = round(WINDOW_SECONDS / 2 * CALLER_RATE)


class BatchSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How many utterances that wait for a worker are understood in one go.

    It halves what each costs, and lets the first of them wait for the others' words. Whisper cannot
    leave out padding: together go those of which the encoder sees as much, as of all that are
    shorter than `decoding.least` less `decoding.margin`."""

    most: int = Field(8, ge=1, le=64)
    """Utterances; 1: each alone."""
    seconds: float = Field(0.0, ge=0, le=600)
    """Seconds of audio that the encoder sees of all of them, margins included; 0: 30 on a CPU,
    whose caches hold no more, and 240 on a GPU, 8 of the longest."""

    def on(self, device: Literal["auto", "cpu", "cuda"]) -> BatchSettings:
        """The same with the seconds that are usual there, where nobody chose them."""
        return self.model_copy(
            update={"seconds": self.seconds or (240.0 if device == "cuda" else 30.0)}
        )


ComputeType = Literal[
    "",
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
]
"""CTranslate2's names of the arithmetic."""


class WhisperSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How Whisper runs."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; `auto`: on a GPU when one can be used, otherwise on the CPU."""
    compute_type: ComputeType = ""
    """The arithmetic; empty: int8 on a CPU, float16 on a GPU (int8_float32 where it has none). One
    that the device does not have stops the start, or is done without where `device` is auto."""
    workers: int = Field(2, ge=1, le=64)
    """Utterances that are understood at the same time, one CPU thread each."""
    niceness: int = Field(5, ge=0, le=19)
    """How much the workers make room for the event loop; 0: not at all."""
    decoding: DecodingSettings = DecodingSettings()
    """How text is found and doubted."""
    batch: BatchSettings = BatchSettings()
    """What is understood together."""


class Whisper:
    """A `Transcriber`. `models`: language (ISO 639-1 or "*") to a folder in CTranslate2's format.

    Once closed, it stays closed.
    """

    def __init__(self, settings: WhisperSettings, models: Mapping[str, Path]) -> None:
        self._settings = settings
        self._folders = {language: Path(folder) for language, folder in models.items()}
        self._workers = Workers(
            settings.workers, stage="stt", name="whisper", niceness=settings.niceness
        )
        self._decoders: dict[Path, Decoder] = {}
        self.device = settings.device
        """`cpu` or `cuda` once it is started."""

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker."""
        return self._workers.wait

    async def start(self) -> None:
        """Load each model once and let it decode a second of silence. Raises EngineMissing."""
        if not self._folders:
            raise EngineMissing("stt", "whisper has no model; name a folder for a language")
        for folder in dict.fromkeys(self._folders.values()):
            _check_folder(folder)
            if folder not in self._decoders:
                self._decoders[folder] = await self._workers.run(
                    lambda stop, folder=folder: self._load(folder, stop)  # type: ignore[misc]  # mypy infers no lambda with a default
                )

    def open(self, *, language: str) -> WhisperRecognition:
        """Begin an utterance. Raises LanguageUnsupported; EngineMissing before `start()`."""
        folder = self._folders.get(language, self._folders.get(ANY_LANGUAGE))
        if folder is None:
            known = ", ".join(sorted(self._folders))
            raise LanguageUnsupported("stt", f"whisper has no model for {language!r}, only {known}")
        decoder = self._decoders.get(folder)
        if decoder is None:
            raise EngineMissing("stt", "whisper is not started")
        if language not in decoder.languages:
            raise LanguageUnsupported(
                "stt", f"the Whisper model in {folder} does not know the language {language!r}"
            )
        batch = self._settings.batch.on(self.device)
        return WhisperRecognition(decoder, self._workers, language, batch)

    async def aclose(self) -> None:
        await self._workers.aclose()
        self._decoders.clear()

    def _load(self, folder: Path, stop: Stop) -> Decoder:
        has_gpu = _has_gpu()
        if self.device == "cuda" and not has_gpu:
            raise WrongSetting(
                "stt",
                "stt.whisper.device is cuda, but CTranslate2 finds no GPU that it can use: set it "
                "to auto, or see to NVIDIA's driver (nvidia-smi)",
            )
        if self.device != "auto":
            return self._load_on(self.device, folder, stop)
        if not has_gpu:
            self.device = "cpu"
            return self._load_on("cpu", folder, stop)
        try:
            decoder = self._load_on("cuda", folder, stop)
            self.device = "cuda"
        except EngineMissing as error:
            logger.warning("Whisper goes on without the GPU", extra={"cause": str(error)})
            self.device = "cpu"
            decoder = self._load_on("cpu", folder, stop)
        return decoder

    def _load_on(self, device: str, folder: Path, stop: Stop) -> Decoder:
        compute_type = self._arithmetic(device)
        lacks_cublas = device == "cuda" and not cublas.is_there()
        try:
            model = _open_model(folder, device, compute_type, self._settings.workers)
            decoder = Decoder(model, self._settings.decoding)
            language = "en" if "en" in decoder.languages else min(decoder.languages)
            # The first pass allocates, and on a GPU it is the one that misses a library.
            decoder.decode(np.zeros(CALLER_RATE, np.int16), language, stop=stop, retry=False)
        except (RuntimeError, ValueError, OSError) as error:
            mend = f"; for cuBLAS 12: {cublas.MEND}" if lacks_cublas else ""
            raise EngineMissing(
                "stt",
                f"Whisper in {folder} does not load on {device} ({compute_type}): {error}{mend}",
            ) from error
        return decoder

    def _arithmetic(self, device: str) -> str:
        """Raises WrongSetting for one that the device does not have, where somebody chose both."""
        wanted, supported = self._settings.compute_type, _compute_types(device)
        usual = next((kind for kind in _USUAL[device] if kind in supported), _USUAL[device][0])
        if not wanted or wanted in supported:
            return wanted or usual
        known = ", ".join(sorted(supported)) or "unknown"
        why = f"stt.whisper.compute_type is {wanted}, which this {device} lacks; it has: {known}"
        if self._settings.device != "auto":
            raise WrongSetting("stt", why)
        logger.warning("Whisper computes in %s", usual, extra={"cause": why})
        return usual


class WhisperRecognition:
    """One utterance. Longer audio is cut at quiet places, and what lies before a cut is settled."""

    def __init__(
        self, decoder: Decoder, workers: Workers, language: str, batch: BatchSettings
    ) -> None:
        self._decoder = decoder
        self._workers = workers
        self._language = language
        self._batch = batch
        self._chunks: list[Samples] = []
        self._fed = 0
        self._settled: list[tuple[int, Heard]] = []  # where each window ends, and its text
        self._last: tuple[int, Transcript] | None = None  # of so many samples

    def feed(self, chunk: AudioChunk) -> None:
        if chunk.rate != CALLER_RATE:
            raise EngineFailed("stt", f"whisper takes {CALLER_RATE} Hz, got {chunk.rate}")
        self._chunks.append(chunk.samples)
        self._fed += len(chunk)

    async def partial(self) -> Transcript | None:
        """None as well when the text is doubtful: a second look is for the final."""
        if self._last is not None and self._last[0] == self._fed:
            return self._last[1]
        if not self._fed or self._workers.free < min(2, self._workers.count):
            return None
        return await self._understand(Priority.PARTIAL, retry=False)

    async def final(self, *, priority: Urgent = Priority.COMMITTED) -> Transcript:
        if self._last is not None and self._last[0] == self._fed:
            return self._last[1]
        if not self._fed:
            return Transcript("", self._language, 0.0)
        transcript = await self._understand(priority, retry=True)
        if transcript is None:
            raise EngineFailed("stt", "whisper was stopped before it had understood")
        return transcript

    def close(self) -> None:
        self._chunks.clear()
        self._settled.clear()
        self._fed = 0
        self._last = None

    async def _understand(self, priority: Urgent, *, retry: bool) -> Transcript | None:
        samples = self._joined()
        begin = await self._settle(samples, priority)
        heard = None if begin is None else await self._hear(samples[begin:], priority, retry=retry)
        if heard is None or (heard.doubtful and not retry):
            return None
        parts = [part for part in (*(settled for _, settled in self._settled), heard) if part.text]
        text = " ".join(part.text for part in parts)
        confidence = min((part.confidence for part in parts), default=0.0)
        transcript = Transcript(text, self._language, confidence)
        self._last = len(samples), transcript
        return transcript

    async def _settle(self, samples: Samples, priority: Urgent) -> int | None:
        """Understand all windows but the last: where that begins, or None when stopped."""
        settled = self._settled
        begin = settled[-1][0] if settled else 0
        while len(rest := samples[begin:]) > _LONGEST:
            end = window_end(rest, longest=_LONGEST, earliest=_EARLIEST)
            # A window that will not change any more deserves the second look even in a partial.
            heard = await self._hear(rest[:end], priority, retry=True)
            if heard is None:
                return None
            begin += end
            settled.append((begin, heard))
        return begin

    async def _hear(self, samples: Samples, priority: Urgent, *, retry: bool) -> Heard | None:
        """A window's text, in one go with others that wait; a second look is its own alone."""
        decoder, language = self._decoder, self._language
        frames = decoder.frames(samples)
        batch: Batch[Samples, Attempt | None] = Batch(
            kind=(decoder, language, frames),
            most=min(self._batch.most, round(self._batch.seconds * FRAMES_PER_SECOND) // frames),
            work=lambda utterances: decoder.look(utterances, language),
        )
        attempt = await self._workers.run_with_others(samples, batch, priority=priority)
        if attempt is None:
            return None
        if retry and decoder.wants_second_look(samples, attempt):
            before = attempt
            attempt = await self._workers.run(
                lambda stop: decoder.look_again(samples, before, language, stop=stop),
                priority=priority,
            )
        return None if attempt is None else decoder.judge(attempt)

    def _joined(self) -> Samples:
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0]


_USUAL = {"cpu": ("int8", "float32"), "cuda": ("float16", "int8_float32", "float32")}
"""Arithmetic where nobody chose one: the first that the device has. int8_float16 halves a model's
memory on a GPU, and took longer than float16 for utterances of every length that were tried."""
_FILES = ("model.bin", "config.json", "tokenizer.json")


def _check_folder(folder: Path) -> None:
    """faster-whisper would ask the network for what is missing, so look first."""
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise EngineMissing(
            "stt", f"{folder} is no Whisper model of CTranslate2's: it has no {', '.join(missing)}"
        )


def _has_gpu() -> bool:
    import ctranslate2

    return bool(ctranslate2.get_cuda_device_count())


def _compute_types(device: str) -> set[str]:
    """What the device can do, of CTranslate2's names; none where it does not answer."""
    import ctranslate2

    try:
        return set(ctranslate2.get_supported_compute_types(device))
    except (RuntimeError, ValueError):  # no driver, or a build without CUDA
        return set()


def _open_model(folder: Path, device: str, compute_type: str, workers: int) -> WhisperModel:
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise EngineMissing(
            "stt", f"faster-whisper is not installed ({error}); run pip install -r requirements.txt"
        ) from error
    return WhisperModel(
        str(folder),
        device=device,
        compute_type=compute_type,
        cpu_threads=1,
        num_workers=workers,
        local_files_only=True,
    )
