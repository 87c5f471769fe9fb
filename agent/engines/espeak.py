"""The voice `espeak`: espeak-ng, which needs no download and speaks a hundred languages, flatly.

The library and its data come in the wheel `espeakng-loader`. It is called through ctypes, here and
nowhere else. espeak-ng holds its state in globals: one lock for the process, one worker for an
engine. (piper-tts carries a copy of its own inside its extension module, which this one never
meets.) It makes a sentence's audio in one or two milliseconds, so a sentence is one piece of
`Speech`; a text that is not wanted any more is aborted at the next 60 ms of audio.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import cache

import espeakng_loader
import numpy as np
from pydantic import BaseModel, Field

from agent.engines.clips import Wave, edged, sounding, to_int16
from agent.engines.jobs import Stop
from agent.engines.protocols import Priority, Speech, Urgent
from agent.engines.threads import Workers
from agent.engines.words import between_marks
from agent.errors import EngineFailed, EngineMissing, LanguageUnsupported
from media.audio import AudioChunk, Samples

_SYNCHRONOUS, _BUFFER_MS, _DONT_EXIT = 2, 60, 0x8000
_UTF8, _BY_CHARACTER = 1, 1
_RATE, _VOLUME, _PITCH = 1, 2, 3
_USUAL_RATE = 175
_WORD_EVENT, _LAST_EVENT = 1, 0


class EspeakSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How espeak-ng speaks."""

    voices: Mapping[str, str] = {"en": "en-us"}
    """espeak-ng's voice for a language (ISO 639-1), such as `en-gb-x-rp` or `en-us+f3`. A language
    that is not named here is spoken by the voice of its own name."""
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    """How fast it speaks, as a multiple of 175 words a minute."""
    pitch: int = Field(default=50, ge=0, le=99)
    """Pitch of the voice; 50 is usual."""
    volume: float = Field(default=0.7, gt=0, le=2)
    """Factor on espeak-ng's level, which is louder than that of other voices."""
    leading_silence: float = Field(default=0.02, ge=0, le=0.5)
    """Seconds of silence that are left in front of a sentence at most."""
    sentence_pause: float = Field(default=0.22, ge=0, le=2)
    """Seconds of silence after a sentence."""
    clause_pause: float = Field(default=0.08, ge=0, le=2)
    """Seconds of silence after a piece that ends without a full stop, as at a comma."""


class Espeak:
    """A `Synthesizer`. The `voice` of `speak` is the name of one of espeak-ng's voices."""

    def __init__(self, settings: EspeakSettings) -> None:
        self._settings = settings
        # One: the library serves one at a time anyway.
        self._workers = Workers(1, stage="tts", name="espeak")

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job has waited for a worker."""
        return self._workers.wait

    async def start(self) -> None:
        """Load the library. Raises EngineMissing."""

        def load(stop: Stop) -> None:
            _library()

        await self._workers.run(load)

    async def speak(
        self,
        text: str,
        *,
        language: str,
        voice: str = "",
        priority: Urgent = Priority.COMMITTED,
    ) -> AsyncGenerator[Speech, None]:
        """All of `text` in one piece, or none when it says nothing; see `Synthesizer.speak`."""
        name = voice or self._settings.voices.get(language, language)

        def work(stop: Stop) -> Speech | None:
            return self._speech(text, name, stop)

        speech = await self._workers.run(work, priority=priority)
        if speech is not None:
            yield speech

    async def aclose(self) -> None:
        await self._workers.aclose()

    def _speech(self, text: str, voice: str, stop: Stop) -> Speech | None:
        """In the worker."""
        settings = self._settings
        clip = _Clip(stop)
        with _ONE_AT_A_TIME:
            rate = _synthesize(_library(), text, voice, settings, clip)
        wave: Wave = clip.samples.astype(np.float32) / np.float32(32768)
        if stop.is_set() or not wave.any():
            return None
        start, end = sounding(wave, rate, below_peak_db=_SILENCE_DB)
        ends_sentence = text.rstrip().endswith(_FULL_STOPS)
        pause = settings.sentence_pause if ends_sentence else settings.clause_pause
        edge = edged(wave, rate, start, end, lead=settings.leading_silence, trail=pause)
        cut = max(0, start - round(settings.leading_silence * rate))
        marks = {at: (sample - cut) / rate for at, sample in clip.marks.items()}
        words = between_marks(text, marks, (end - cut) / rate)
        return Speech(AudioChunk(to_int16(edge, settings.volume), rate), words)


_ONE_AT_A_TIME = threading.Lock()
"""Around every use of the library, whose state is one for the process."""
_SILENCE_DB = 45.0
_FULL_STOPS = (".", "!", "?", "…", "。")


@dataclass
class _Clip:
    """What the library hands over while it speaks."""

    stop: Stop
    buffers: list[Samples] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)
    """Where a word begins: its first character's index in the text, and the sample."""

    @property
    def samples(self) -> Samples:
        return np.concatenate([np.zeros(0, np.int16), *self.buffers])

    def take(
        self, audio: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        """The library's callback; answers 1 to abort."""
        if audio and count:
            # NumPy's `as_array` would make a type for each new length, which ctypes keeps for good.
            self.buffers.append(np.frombuffer(ctypes.string_at(audio, 2 * count), np.int16))
        at = 0
        while events[at].type != _LAST_EVENT:
            if events[at].type == _WORD_EVENT:
                self.marks.setdefault(events[at].text_position - 1, events[at].sample)
            at += 1
        return int(self.stop.is_set())


class _Identity(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    """`espeak_EVENT` of speak_lib.h."""

    type: int
    text_position: int
    sample: int
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class _Library:
    functions: ctypes.CDLL
    rate: int


@cache
def _library() -> _Library:
    """The library, initialised: once in a process. Raises EngineMissing."""
    data = espeakng_loader.get_data_path()
    try:
        functions = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as error:
        message = f"espeak-ng does not load ({error}): reinstall the package espeakng-loader"
        raise EngineMissing("tts", message) from error
    functions.espeak_Initialize.argtypes = (
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
    )
    functions.espeak_SetVoiceByName.argtypes = (ctypes.c_char_p,)
    functions.espeak_SetSynthCallback.argtypes = (_Callback,)
    functions.espeak_SetSynthCallback.restype = None
    functions.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    rate = functions.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), _DONT_EXIT)
    if rate <= 0:
        raise EngineMissing("tts", f"espeak-ng finds no data in {data}: reinstall espeakng-loader")
    return _Library(functions, rate)


def _synthesize(
    library: _Library, text: str, voice: str, settings: EspeakSettings, clip: _Clip
) -> int:
    """Fill the clip; returns its rate. Only under the lock."""
    functions = library.functions
    if functions.espeak_SetVoiceByName(voice.encode()):
        message = f"espeak-ng has no voice {voice!r}: `espeak-ng --voices` lists what there is"
        raise LanguageUnsupported("tts", message)
    functions.espeak_SetParameter(_RATE, round(_USUAL_RATE * settings.speed), 0)
    functions.espeak_SetParameter(_PITCH, settings.pitch, 0)
    callback = _Callback(clip.take)
    functions.espeak_SetSynthCallback(callback)
    said = text.replace("\0", " ").encode() + b"\0"
    status = functions.espeak_Synth(said, len(said), 0, _BY_CHARACTER, 0, _UTF8, None, None)
    functions.espeak_SetSynthCallback(_Callback())
    if status:
        raise EngineFailed("tts", f"espeak-ng could not speak {text!r} (status {status})")
    return library.rate
