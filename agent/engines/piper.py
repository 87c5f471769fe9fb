"""The voice `piper`: PiperVoice (piper-tts), a neural voice that runs in real time on one core.

A text is spoken sentence by sentence, each sentence one run of the voice's ONNX graph and one
piece of `Speech`. Runs go in parallel, one thread each: a second thread on one sentence gains
little. Word times are the graph's own durations where it tells them, otherwise estimated from its
phonemes. espeak-ng, which makes the phonemes, is one per process behind piper-tts's own lock; it
takes microseconds a word.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnxruntime.capi import onnxruntime_pybind11_state as state
from piper import PiperVoice
from piper.config import PiperConfig, SynthesisConfig
from piper.patch_voice_with_alignment import add_alignment_output
from pydantic import BaseModel, Field

from agent.engines.clips import Wave, edged, sounding, to_int16
from agent.engines.jobs import Stop
from agent.engines.phonemes import (
    Sentence,
    estimated_marks,
    exact_marks,
    place_words,
    sounds_of,
    timed,
)
from agent.engines.protocols import Priority, Speech, Urgent
from agent.engines.threads import Workers
from agent.errors import EngineMissing, LanguageUnsupported
from media.audio import AudioChunk

_Durations = npt.NDArray[np.int64]
_WARM_UP = "Hello."
_FULL_STOPS = frozenset(".!?…。")
# What onnx and ONNX Runtime raise for a file that is no graph; they share no base class.
_UNREADABLE = (
    DecodeError,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoSuchFile,
    state.NotImplemented,
)


class PiperSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How Piper's voices speak."""

    workers: int = Field(default=2, ge=1, le=64)
    """Sentences that are synthesized at the same time, each on one thread."""
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """How fast it speaks, as a multiple of the voice's own speed."""
    speaker: int | None = Field(default=None, ge=0)
    """Number of the speaker in a voice that has several; none: the voice's default."""
    volume: float = Field(default=1.0, gt=0, le=4)
    """Factor on the voice's own level, the same for every sentence."""
    variation: float | None = Field(default=None, ge=0, le=1.5)
    """How much the sound varies (`noise_scale`); none: the voice's own value."""
    rhythm_variation: float | None = Field(default=None, ge=0, le=1.5)
    """How much the durations vary (`noise_w`); none: the voice's own value."""
    leading_silence: float = Field(default=0.02, ge=0, le=0.5)
    """Seconds of silence that are left in front of a sentence at most."""
    sentence_pause: float = Field(default=0.22, ge=0, le=2)
    """Seconds of silence after a sentence."""
    clause_pause: float = Field(default=0.08, ge=0, le=2)
    """Seconds of silence after a piece that ends without a full stop, as at a comma."""
    silence_level: float = Field(default=40, ge=20, le=80)
    """Decibels below the loudest 5 ms of a sentence from which on its edges count as silence."""
    exact_words: bool = True
    """Ask the voice itself for its words' times, where its graph has them."""


class Piper:
    """A `Synthesizer`. `voices` maps a language (ISO 639-1) to its `.onnx` file, which has its
    `.onnx.json` beside it.

    The `voice` of `speak` is a speaker's name or number in a voice with several."""

    def __init__(self, settings: PiperSettings, voices: Mapping[str, Path]) -> None:
        self._settings = settings
        self._paths = dict(voices)
        self._workers = Workers(settings.workers, stage="tts", name="piper")
        self._voices: dict[str, PiperVoice] = {}

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker."""
        return self._workers.wait

    async def start(self) -> None:
        """Load every voice, one that has several languages once, and speak a word with it, unheard.
        Raises EngineMissing."""
        loaded: dict[Path, PiperVoice] = {}
        for language, path in self._paths.items():
            if path not in loaded:
                loaded[path] = await self._workers.run(partial(self._load, path))
            self._voices[language] = loaded[path]

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        """One piece for each sentence of `text`; see `Synthesizer.speak`."""
        found = self._voice(language)
        manner = self._manner(found.config, voice)
        # Terminates a run of the graph that has begun, from another thread.
        options = onnxruntime.RunOptions()
        own = replace(found, session=_Stoppable(found.session, options))

        def work(stop: Stop) -> Iterator[Speech]:
            return self._pieces(own, text, manner, stop)

        pieces = self._workers.stream(work, priority=priority)
        try:
            async for piece in pieces:
                yield piece
        finally:
            options.terminate = True
            await pieces.aclose()

    async def aclose(self) -> None:
        await self._workers.aclose()
        self._voices.clear()

    def _load(self, path: Path, stop: Stop) -> PiperVoice:
        config = _config(path)
        voice = PiperVoice(
            session=_session(path, exact_words=self._settings.exact_words), config=config
        )
        for _ in self._pieces(voice, _WARM_UP, self._manner(config, ""), stop):
            pass
        return voice

    def _voice(self, language: str) -> PiperVoice:
        voice = self._voices.get(language) or self._voices.get(language.split("-")[0])
        if voice is not None:
            return voice
        known = ", ".join(sorted(self._paths)) or "none"
        raise LanguageUnsupported(
            "tts", f"no Piper voice is configured for language {language!r}; there is: {known}"
        )

    def _manner(self, config: PiperConfig, voice: str) -> SynthesisConfig:
        settings = self._settings
        return SynthesisConfig(
            speaker_id=_speaker(config, voice) if voice else settings.speaker,
            length_scale=config.length_scale / settings.speed,
            noise_scale=settings.variation,
            noise_w_scale=settings.rhythm_variation,
            normalize_audio=False,
        )

    def _pieces(
        self, voice: PiperVoice, text: str, manner: SynthesisConfig, stop: Stop
    ) -> Iterator[Speech]:
        """In a worker: the text's sentences, one by one."""

        def count(word: str) -> int:
            return sum(sounds_of(phonemes) for phonemes in voice.phonemize(word))

        for sentence in place_words(text, voice.phonemize(text), count):
            if stop.is_set():
                return
            ids = voice.phonemes_to_ids(sentence.phonemes)
            wave, samples = voice.phoneme_ids_to_audio(ids, manner, include_alignments=True)
            if wave.size:
                yield self._piece(voice.config, sentence, wave.reshape(-1), samples)

    def _piece(
        self, config: PiperConfig, sentence: Sentence, wave: Wave, samples: _Durations | None
    ) -> Speech:
        settings, rate = self._settings, config.sample_rate
        start, end = sounding(wave, rate, below_peak_db=settings.silence_level)
        ends_sentence = bool(sentence.phonemes) and sentence.phonemes[-1] in _FULL_STOPS
        pause = settings.sentence_pause if ends_sentence else settings.clause_pause
        clip = edged(wave, rate, start, end, lead=settings.leading_silence, trail=pause)
        marks = None
        if samples is not None:
            marks = exact_marks(sentence.phonemes, config.phoneme_id_map, samples, rate)
        if marks is None:
            marks = estimated_marks(sentence.phonemes, start / rate, end / rate)
        cut = max(0.0, start / rate - settings.leading_silence)
        words = timed(sentence, marks, shift=cut, end=len(clip) / rate)
        return Speech(AudioChunk(to_int16(clip, settings.volume), rate), tuple(words))


def _config(path: Path) -> PiperConfig:
    """The voice's description, beside its graph. Raises EngineMissing."""
    described = Path(f"{path}.json")
    for file in (path, described):
        if not file.is_file():
            raise EngineMissing("tts", f"Piper voice file {file} is not there: download or mend it")
    try:
        return PiperConfig.from_dict(json.loads(described.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{described} does not describe a Piper voice ({error!r}): download it again"
        raise EngineMissing("tts", message) from error


def _session(path: Path, *, exact_words: bool) -> onnxruntime.InferenceSession:
    """The voice's graph on one thread. Raises EngineMissing."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            _graph(path) if exact_words else str(path), options, providers=["CPUExecutionProvider"]
        )
    except _UNREADABLE as error:
        message = f"{path} is not a readable ONNX graph ({error}): download it again"
        raise EngineMissing("tts", message) from error


def _graph(path: Path) -> str | bytes:
    """The graph with its durations as a second output, or its path where it has none to give."""
    model = onnx.load(str(path))
    try:
        add_alignment_output(model)
    except ValueError:  # no durations inside, or already an output
        return str(path)
    return bytes(model.SerializeToString())


def _speaker(config: PiperConfig, voice: str) -> int:
    """The number of a voice's speaker, by name or number. Raises EngineMissing."""
    if voice in config.speaker_id_map:
        return int(config.speaker_id_map[voice])
    if voice.isdecimal() and int(voice) < config.num_speakers:
        return int(voice)
    known = ", ".join(config.speaker_id_map) or f"numbers below {config.num_speakers}"
    raise EngineMissing("tts", f"the Piper voice has no speaker {voice!r}; there is: {known}")


class _Stoppable:
    """A session whose runs end when its `RunOptions` say so."""

    def __init__(
        self, session: onnxruntime.InferenceSession, options: onnxruntime.RunOptions
    ) -> None:
        self._session = session
        self._options = options

    def run(self, outputs: Sequence[str] | None, inputs: Mapping[str, Any]) -> list[Any]:
        results: list[Any] = self._session.run(outputs, inputs, self._options)
        return results
