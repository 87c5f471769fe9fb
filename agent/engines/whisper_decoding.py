"""Audio to text with a loaded Whisper: how much it looks at, what it may say, when to doubt it.

Whisper was made for windows of 30 s. A short utterance costs a tenth of that when the encoder sees
only the utterance and a margin of silence behind it (without the margin the stock weights fail:
whisper.cpp #1855). What comes out is then guarded: text that repeats itself, that does not end, or
that the model finds unlikely is decoded once more from the full 30 s.

Several utterances of which the encoder sees as much can be understood in one go: a token costs the
decoder hardly more for all of them than for one. What is understood is the same to the bit.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from agent.engines.jobs import Stop, Wanted
from media.audio import CALLER_RATE, Samples

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

WINDOW_SECONDS = 30.0
"""What one pass of the encoder can take."""
FRAMES_PER_SECOND = 100
_HOP = CALLER_RATE // FRAMES_PER_SECOND
_WINDOW_FRAMES = round(WINDOW_SECONDS * FRAMES_PER_SECOND)
_LONGEST_TEXT = 224
"""Tokens; half of the decoder's positions, the most that CTranslate2 generates."""

HALLUCINATIONS = frozenset(
    {
        "thank you",
        "thank you very much",
        "thank you so much",
        "thank you for watching",
        "thanks",
        "thanks for watching",
        "please subscribe",
        "bye",
        "bye bye",
        "you",
        "so",
        "시청해주셔서 감사합니다",
        "시청해 주셔서 감사합니다",
        "구독과 좋아요 부탁드립니다",
        "감사합니다",
        "고맙습니다",
        "다음 영상에서 만나요",
    }
)
"""What Whisper makes of silence and noise. People say some of these too, so nothing is dropped:
their confidence falls when the model itself doubts that anybody spoke."""


class DecodingSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How Whisper decodes, and when its text is doubted."""

    margin: float = Field(2.5, ge=0, le=30)
    """Seconds of silence that the encoder sees after the utterance."""
    least: float = Field(5.0, ge=1, le=30)
    """Seconds that the encoder sees at least, margin included."""
    tokens_per_second: float = Field(16.0, gt=0, le=50)
    """Tokens that a second of speech may have; Korean needs about twice as many as English."""
    spare_tokens: int = Field(12, ge=1, le=200)
    """Tokens that any utterance may have in addition."""
    compression: float = Field(2.4, gt=1)
    """Text that zlib makes so many times smaller repeats itself."""
    log_probability: float = Field(-1.0, lt=0)
    """A mean log probability of the tokens below this is doubted."""
    no_speech: float = Field(0.6, gt=0, lt=1)
    """Probability of no speech above which doubtful text is taken for silence."""
    phantom: float = Field(0.3, gt=0, lt=1)
    """Probability of no speech above which a phrase typical of silence is not believed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The text of a stretch of audio. `doubtful`: it failed the guard."""

    text: str
    confidence: float
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one look at an utterance brought. `log_probability`: of a token, on average."""

    text: str
    log_probability: float
    no_speech: float
    doubtful: bool


class Decoder:
    """One loaded model. Its methods run in workers, several at a time if the model has workers."""

    def __init__(self, model: WhisperModel, settings: DecodingSettings) -> None:
        self._model = model
        self._settings = settings
        self._prompts: dict[str, _Prompt] = {}

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of what the model understands."""
        return frozenset(self._model.supported_languages)

    def decode(self, samples: Samples, language: str, *, stop: Stop, retry: bool) -> Heard | None:
        """The text of at most 30 s of 16 kHz audio; None when it was stopped.

        With `retry` a doubtful text is decoded again from 30 s, and the better one counts."""
        attempt = self.look([Wanted(samples, stop)], language)[0]
        if attempt is not None and retry and self.wants_second_look(samples, attempt):
            attempt = self.look_again(samples, attempt, language, stop=stop)
        return None if attempt is None else self.judge(attempt)

    def frames(self, samples: Samples) -> int:
        """How much the encoder sees of an utterance; those of as much can be looked at together."""
        return frames_for(len(samples) / CALLER_RATE, self._settings)

    def look(
        self, utterances: Sequence[Wanted[Samples]], language: str, *, frames: int = 0
    ) -> list[Attempt | None]:
        """What one go brings of utterances of the same `frames()`, in their order.

        None: it was stopped, as is done once all of them are. `frames`: see so much instead."""
        if _nobody_waits(utterances):
            return [None] * len(utterances)
        seen = frames or self.frames(utterances[0].item)
        features = np.stack([self._features(each.item, seen) for each in utterances])
        if _nobody_waits(utterances):
            return [None] * len(utterances)
        encoded = self._model.encode(features)
        if _nobody_waits(utterances):
            return [None] * len(utterances)
        caps = [token_cap(len(each.item) / CALLER_RATE, self._settings) for each in utterances]
        results = self._generate(encoded, language, len(caps), max(caps))
        attempts: list[Attempt | None] = []
        for utterance, cap, result in zip(utterances, caps, results, strict=True):
            if len(result.sequences_ids[0]) >= cap < max(caps):
                # Alone it would have been cut off there, and its score would be that of the rest.
                attempts += self.look([utterance], language, frames=seen)
            else:
                attempts.append(self._attempt(result, language, cap))
        return attempts

    def wants_second_look(self, samples: Samples, attempt: Attempt) -> bool:
        """It is doubtful, and the encoder has not seen 30 s. Doubtful text over no speech needs
        none: it is silence."""
        has_seen_all = self.frames(samples) >= _WINDOW_FRAMES
        return attempt.doubtful and not has_seen_all and not self._is_silence(attempt)

    def look_again(
        self, samples: Samples, before: Attempt, language: str, *, stop: Stop
    ) -> Attempt | None:
        """The better of the look before and one at 30 s; None when it was stopped."""
        padded = self.look([Wanted(samples, stop)], language, frames=_WINDOW_FRAMES)[0]
        return padded and max(before, padded, key=_credit)

    def judge(self, attempt: Attempt) -> Heard:
        """What is believed of it."""
        if self._is_silence(attempt):
            return Heard("", 0.0)
        confidence = math.exp(min(attempt.log_probability, 0.0)) * (1 - attempt.no_speech / 2)
        if attempt.no_speech > self._settings.phantom and is_phantom(attempt.text):
            confidence *= 0.2 * (1 - attempt.no_speech)
        heard = Heard(attempt.text, confidence)
        return (
            replace(heard, doubtful=True, confidence=confidence / 2) if attempt.doubtful else heard
        )

    def _generate(self, encoded: Any, language: str, count: int, cap: int) -> list[Any]:
        """CTranslate2's results for so many utterances, of at most `cap` tokens each."""
        prompt = self._prompt(language)
        results: list[Any] = self._model.model.generate(
            encoded,
            [list(prompt.tokens)] * count,
            beam_size=1,
            max_length=2 * cap,  # CTranslate2 generates half of it at most
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=list(prompt.suppressed),
        )
        return results

    def _attempt(self, result: Any, language: str, cap: int) -> Attempt:
        tokens = result.sequences_ids[0]
        text = self._prompt(language).tokenizer.decode(tokens).strip()
        # The score is a mean over the text; the end token counts as well, as it does in OpenAI's.
        mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
        doubtful = (
            len(tokens) >= cap
            or mean < self._settings.log_probability
            or compression(text) > self._settings.compression
        )
        return Attempt(text, mean, result.no_speech_prob, doubtful)

    def _features(self, samples: Samples, frames: int) -> npt.NDArray[np.float32]:
        """Log-mel features of shape (mels, frames). Silence is added to the audio, not to them:
        that is what the model was trained on."""
        audio = np.zeros(frames * _HOP, np.float32)
        audio[: len(samples)] = samples[: len(audio)]
        audio /= 32768.0
        features: npt.NDArray[np.float32] = self._model.feature_extractor(audio, padding=0)
        return features

    def _prompt(self, language: str) -> _Prompt:
        if language not in self._prompts:
            self._prompts[language] = _make_prompt(self._model, language)
        return self._prompts[language]

    def _is_silence(self, attempt: Attempt) -> bool:
        return (
            attempt.no_speech > self._settings.no_speech
            and attempt.log_probability < self._settings.log_probability
        )


@dataclass(frozen=True, slots=True)
class _Prompt:
    tokenizer: Tokenizer
    tokens: tuple[int, ...]
    suppressed: tuple[int, ...]


def frames_for(seconds: float, settings: DecodingSettings) -> int:
    """Feature frames (10 ms each, an even number) to encode for an utterance of `seconds`."""
    wanted = max(settings.least, seconds + settings.margin)
    frames = math.ceil(wanted * FRAMES_PER_SECOND / 2) * 2  # the encoder halves them
    return min(frames, _WINDOW_FRAMES)


def token_cap(seconds: float, settings: DecodingSettings) -> int:
    """Tokens that an utterance of `seconds` can have; more is a loop."""
    return min(settings.spare_tokens + round(seconds * settings.tokens_per_second), _LONGEST_TEXT)


def compression(text: str) -> float:
    """How many times smaller zlib makes the text; below 1 for a short one."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw))


def is_phantom(text: str) -> bool:
    """The text is one that Whisper makes of silence."""
    return text.strip(" .,!?…♪\"'").casefold() in HALLUCINATIONS


def window_end(samples: Samples, *, longest: int, earliest: int) -> int:
    """Where to cut audio longer than a window: its quietest 0.2 s between the two samples.

    Depends only on the audio up to `longest`, so it stays where it is while the caller goes on.
    """
    step = CALLER_RATE // 50
    part = samples[earliest:longest].astype(np.float32)
    energy = np.square(part[: len(part) // step * step]).reshape(-1, step).mean(axis=1)
    smooth = np.convolve(energy, np.ones(10) / 10, mode="same")
    return earliest + int(np.argmin(smooth)) * step + step // 2


def _nobody_waits(utterances: Sequence[Wanted[Samples]]) -> bool:
    return all(each.stop.is_set() for each in utterances)


def _credit(attempt: Attempt) -> tuple[bool, float]:
    return not attempt.doubtful, attempt.log_probability


def _make_prompt(model: WhisperModel, language: str) -> _Prompt:
    from faster_whisper.tokenizer import Tokenizer
    from faster_whisper.transcribe import get_suppressed_tokens

    tokenizer = Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
    )
    tokens = (*tokenizer.sot_sequence, tokenizer.no_timestamps)
    return _Prompt(tokenizer, tokens, tuple(get_suppressed_tokens(tokenizer, [-1])))
