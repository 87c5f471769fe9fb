"""When the caller has finished: the end of a turn, by evidence.

The evidence is the voice probability (with hysteresis), the length of the pause, how complete the
words so far are in their language, Smart Turn's judgement of the sound when there is one, and the
caller's own rhythm. Complete sentences wait a third of a second, unfinished ones five times that.

Pure: audio comes in as probabilities and seconds, positions are seconds of audio fed since the
beginning of the call. Promises: `Started`, then any number of `Paused`/`Resumed`, then `Ended`;
never an `Ended` before `wait` seconds of silence, except at the longest utterance allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from agent.dialogue.completeness import Completeness, Reading, classify
from agent.dialogue.rhythm import Rhythm, RhythmSettings

LONGEST_BY_HAND = 600.0
"""Seconds after which an utterance is ended that its speaker was to end."""
_SLACK = 1e-6
"""Seconds; sums of chunk lengths are compared with settings, and must not miss by rounding."""

Preset = Literal["eager", "balanced", "patient"]


@dataclass(frozen=True, slots=True)
class Started:
    """The caller speaks; it began at `onset`, and is certain only now."""

    onset: float


@dataclass(frozen=True, slots=True)
class Paused:
    """Silence inside the utterance for `speculate_after`: time to prepare a reply."""

    speech_end: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """The caller goes on after `Paused`: what was prepared is stale."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over. Little `speech` means that it was none, but a noise."""

    speech_end: float
    waited: float
    """Seconds of silence that were waited; 0 when the utterance was cut at its longest."""
    speech: float
    """Seconds of voiced audio in the utterance."""


Signal = Started | Paused | Resumed | Ended


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds of silence that end a turn, by what the words so far say."""

    complete: float
    unsure: float
    unfinished: float
    spelling: float
    unread: float
    """Nothing has been understood yet: the same for everyone, as a wait that moves without knowing
    why cuts more callers off than one of the same mean that does not."""


PRESETS: dict[Preset, Waits] = {
    "eager": Waits(complete=0.25, unsure=0.6, unfinished=1.4, spelling=0.9, unread=0.6),
    "balanced": Waits(complete=0.3, unsure=0.7, unfinished=1.7, spelling=1.05, unread=0.75),
    "patient": Waits(complete=0.35, unsure=0.8, unfinished=2.0, spelling=1.2, unread=0.9),
}


class EndpointSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the end of the caller's turn is found."""

    preset: Preset = "balanced"
    """Temperament: `eager` answers soonest, `patient` cuts nobody off."""
    complete: float | None = Field(default=None, ge=0.1, le=5)
    """Seconds of silence after a finished sentence; unset: by preset (0.25, 0.3, 0.35)."""
    unsure: float | None = Field(default=None, ge=0.1, le=5)
    """Seconds of silence after words that may go on; unset: by preset (0.6, 0.7, 0.8)."""
    unfinished: float | None = Field(default=None, ge=0.1, le=10)
    """Seconds of silence after words that must go on; unset: by preset (1.4, 1.7, 2.0)."""
    spelling: float | None = Field(default=None, ge=0.1, le=10)
    """Seconds of silence inside digits or letters; unset: by preset (0.9, 1.05, 1.2)."""
    unread: float | None = Field(default=None, ge=0.1, le=10)
    """Seconds of silence while nothing was understood; unset: by preset (0.6, 0.75, 0.9)."""

    speech_above: float = Field(default=0.6, gt=0, lt=1)
    """Voice probability from which audio is speech."""
    silence_below: float = Field(default=0.5, gt=0, lt=1)
    """Voice probability under which speech is over; between the two nothing changes. The lower,
    the longer a voice that dies away is taken for speech: with 0.35 up to half a second."""
    tail: float = Field(default=0.12, ge=0, le=0.5)
    """Seconds for which the detector may still say speech though the voice is over: the pause is
    counted from the voice's last sound, at most so long before."""
    tail_db: float = Field(default=30.0, ge=10, le=60)
    """Decibels under the loudest of the utterance from which a sound is the voice's."""
    min_speech: float = Field(default=0.08, gt=0, le=1)
    """Seconds of speech that begin an utterance, or continue a paused one."""
    onset_gap: float = Field(default=0.1, ge=0, le=1)
    """Seconds of silence that may lie inside the speech that begins an utterance."""
    speculate_after: float = Field(default=0.1, gt=0, le=2)
    """Seconds of silence after which a reply is prepared."""
    shortest: float = Field(default=0.2, gt=0, le=2)
    """Seconds of silence that no evidence goes below."""
    stale_after: float = Field(default=0.3, gt=0, le=10)
    """Seconds of speech not yet read from which a text, whatever it says, counts as unsure."""
    longest: float = Field(default=60.0, ge=1, le=3600)
    """Seconds after which an utterance is ended though the caller goes on."""
    judge_weight: float = Field(default=1.0, ge=0, le=2)
    """How much Smart Turn's judgement counts; 1: as much as the words, 0: nothing."""
    follows_rhythm: bool = True
    """Whether the caller's own pauses change how long is waited."""
    rhythm: RhythmSettings = RhythmSettings()

    def waits(self) -> Waits:
        """The preset with its overrides."""
        base = PRESETS[self.preset]
        names = ("complete", "unsure", "unfinished", "spelling", "unread")
        values = {name: getattr(self, name) for name in names}
        return Waits(**{n: getattr(base, n) if v is None else v for n, v in values.items()})


@dataclass(slots=True)
class _Voice:
    """Speech or not, from probabilities; and the stretch of speech that is not certain yet."""

    on: bool = False
    begin: float = 0.0
    """Where the present stretch began."""
    end: float = 0.0
    """Where its last speech ended."""
    seconds: float = 0.0
    """Speech in it."""
    loudest: float = -200.0
    """dBFS of the loudest in it."""
    sounded: float = 0.0
    """Where its last sound was that is no mere tail."""
    surest: float = 0.0
    """The highest probability of a voice in it."""


class Endpointer:
    """The turns of one caller."""

    def __init__(self, settings: EndpointSettings, language: str) -> None:
        self._settings = settings
        self._waits = settings.waits()
        self._language = language
        self._rhythm = Rhythm(settings.rhythm)
        self._voice = _Voice()
        self.position = 0.0
        """Seconds of audio fed since the beginning of the call."""
        self.speaking = False
        """An utterance has started and not ended; pauses are part of it."""
        self.is_by_hand = False
        """No pause ends the utterance, however long: `end` does."""
        self._paused = False
        self._reopened = False
        self._onset = 0.0
        self._speech_end = 0.0
        self._quiet_from = 0.0
        """Where the caller's last sound ended, a little before the detector says so."""
        self._speech = self._certainty = 0.0
        self._last_end: float | None = None
        """Where the speech of the utterance before ended; None when it cannot be reopened."""
        self._last_speech = self._last_certainty = 0.0
        self._reading: Reading | None = None
        self._read_at = 0.0
        """How much speech of the utterance the reading covers, in seconds of speech."""
        self._judged: float | None = None

    def feed(self, probability: float, seconds: float, level: float | None = None) -> Signal | None:
        """Take `seconds` of audio in which speech has `probability`. At most one signal.

        `level`: its loudness in dBFS; None: as loud as what came before.
        """
        self.position += seconds
        confirmed = self._listen(probability, seconds, level)
        if not self.speaking:
            return self._start() if confirmed else None
        if confirmed:
            self._continue()
            if self._paused:
                self._paused = False
                return Resumed()
        longest = LONGEST_BY_HAND if self.is_by_hand else self._settings.longest
        if self.position - self._onset >= longest - _SLACK:
            return self._end(waited=0.0)
        # While a stretch of voice is not certain yet, the end waits for the verdict on it.
        return None if self._voice.on else self._rest()

    def read(self, text: str, *, until: float | None = None) -> None:
        """What is understood so far of the current utterance: all of it, partial or final.

        `until`: the position up to which the audio was understood; None: up to now.
        """
        if not self.speaking:
            return
        self._reading = classify(text, self._language)
        missed = 0.0 if until is None else max(0.0, self._speech_end - until)
        self._read_at = self._speech - missed

    def judge(self, complete: float) -> None:
        """Smart Turn's probability that the turn is complete. Holds for the current pause."""
        if self.speaking:
            self._judged = complete

    def speak_language(self, language: str) -> None:
        """The caller speaks another language from here on."""
        self._language = language

    def adjust(self, settings: EndpointSettings) -> None:
        """Go by other settings from here on; the caller's rhythm is kept."""
        self._settings = settings
        self._waits = settings.waits()

    @property
    def reading(self) -> Reading | None:
        """What the words so far say of the turn's end, and why; None: nothing was read."""
        return self._reading

    @property
    def speech(self) -> float:
        """Seconds of voiced audio in the current utterance, or in the last one."""
        return self._speech

    @property
    def certainty(self) -> float:
        """The highest probability of a voice in the current utterance, or in the last one."""
        return self._certainty

    @property
    def pause(self) -> Paused | None:
        """The pause that the caller is in, from when it was told until they go on or are done."""
        return Paused(self._quiet_from) if self._paused else None

    @property
    def silence(self) -> float:
        """Seconds since the caller's last speech in the current utterance; 0 outside of one."""
        return max(0.0, self.position - self._quiet_from) if self.speaking else 0.0

    @property
    def wait(self) -> float:
        """Seconds of silence that would end the turn now, by the evidence."""
        wait = self._by_evidence()
        is_read = self._reading is not None or self._judged is not None
        if is_read and self._settings.follows_rhythm:
            wait = self._rhythm.scale(wait)
        return max(wait, self._settings.shortest)

    def end(self) -> Ended | None:
        """The utterance ends here, by the caller's own word; None when there is none."""
        if not self.speaking:
            return None
        ended = self._end(waited=self.silence)
        self._voice.on = False
        self._last_end = None
        return ended

    def reopen(self) -> None:
        """A soft end: the turn that just ended goes on.

        Called before the next `Started`, that one continues the utterance; called after it, the
        utterance that it began is joined to the one before. The rhythm learns from the pause.
        """
        if self._last_end is None:
            return
        if self.speaking:
            self._join()
        else:
            self._reopened = True

    def _listen(self, probability: float, seconds: float, level: float | None) -> bool:
        """Whether speech is certain in the stretch that this audio continues."""
        voice, settings = self._voice, self._settings
        begin = self.position - seconds
        if probability >= settings.speech_above:
            voice.on = True
        elif probability < settings.silence_below:
            voice.on = False
        if not voice.on:
            return False
        if begin - voice.end > settings.onset_gap + _SLACK:
            voice.begin, voice.seconds, voice.loudest, voice.surest = begin, 0.0, -200.0, 0.0
        voice.end = self.position
        voice.seconds += seconds
        voice.surest = max(voice.surest, probability)
        if level is not None:
            voice.loudest = max(voice.loudest, level)
        if level is None or level > voice.loudest - settings.tail_db:
            voice.sounded = self.position
        return voice.seconds >= settings.min_speech - _SLACK

    def _start(self) -> Started:
        self.speaking = True
        self._paused = False
        self._onset = self._voice.begin
        self._speech_end, self._quiet_from = self._voice.end, self._last_sound()
        self._speech, self._certainty = self._voice.seconds, self._voice.surest
        self._reading, self._judged = None, None
        if self._reopened:
            self._join()
        return Started(self._onset)

    def _join(self) -> None:
        """The utterance that has just begun continues the one before."""
        assert self._last_end is not None, "reopen() checks it"
        self._rhythm.cut_off(self._onset - self._last_end)
        self._speech += self._last_speech
        self._certainty = max(self._certainty, self._last_certainty)
        self._last_end, self._reopened = None, False

    def _continue(self) -> None:
        self._certainty = max(self._certainty, self._voice.surest)
        gap = self._voice.begin - self._speech_end
        if gap > _SLACK:
            self._rhythm.paused(self._voice.begin - self._quiet_from)
            self._speech += self._voice.seconds
        else:
            self._speech += self._voice.end - self._speech_end
        self._speech_end, self._quiet_from = self._voice.end, self._last_sound()
        self._judged = None

    def _last_sound(self) -> float:
        return max(self._voice.sounded, self._voice.end - self._settings.tail)

    def _rest(self) -> Signal | None:
        silence = self.silence
        if silence >= self.wait - _SLACK and not self.is_by_hand:
            return self._end(waited=silence)
        if not self._paused and silence >= self._settings.speculate_after - _SLACK:
            self._paused = True
            return Paused(self._quiet_from)
        return None

    def _end(self, waited: float) -> Ended:
        self.speaking = self._paused = False
        # Speech that was cut at its longest goes on from here; otherwise the next begins anew.
        end = self.position if self._voice.on else -self._settings.onset_gap - 1
        self._voice = _Voice(on=self._voice.on, begin=self.position, end=end)
        self._last_end = self._quiet_from
        self._last_speech, self._last_certainty = self._speech, self._certainty
        self._rhythm.ended()
        return Ended(self._quiet_from, waited, self._speech)

    def _by_evidence(self) -> float:
        """Seconds by the words and Smart Turn, before the rhythm."""
        waits, kind = self._waits, self._completeness()
        if kind is None:
            base, score = waits.unread, 0.0
        else:
            base, score = getattr(waits, kind.value), _SCORES[kind]
        if self._judged is None:
            return base
        score += self._settings.judge_weight * (2 * self._judged - 1)
        if score >= 0:
            return _between(waits.unsure, waits.complete, min(1.0, score))
        low = waits.spelling if kind is Completeness.SPELLING else waits.unfinished
        return _between(waits.unsure, low, min(1.0, -score))

    def _completeness(self) -> Completeness | None:
        if self._reading is None:
            return None
        kind = self._reading.completeness
        unread = self._speech - self._read_at
        # Words from the middle of what was said tell nothing of its end, one way or the other.
        stale = unread > self._settings.stale_after + _SLACK
        return Completeness.UNSURE if stale else kind


_SCORES = {
    Completeness.COMPLETE: 1.0,
    Completeness.UNSURE: 0.0,
    Completeness.UNFINISHED: -1.0,
    Completeness.SPELLING: -1.0,
}


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
