"""Whether the caller interrupts the agent: ducked soon, confirmed later, otherwise taken back.

Two stages, because a cough, a "uh-huh" and an interruption begin alike: the agent gets quieter
after a moment of speech, stops when the speech lasts or says something, and is itself again when
it ceases.

Anything like speech makes it quieter; only clear speech stops it, whatever a recogniser makes of
the rest: that of the caller, not of the room behind them.
"""

from __future__ import annotations

from enum import Enum

from pydantic import BaseModel, Field

from agent.dialogue.backchannel import is_backchannel, may_become_backchannel
from agent.dialogue.clarity import Clarity, ClaritySettings
from agent.dialogue.words import words

_SLACK = 1e-6


class Verdict(Enum):
    DUCK = "duck"
    """Someone may be interrupting: be quieter."""
    INTERRUPT = "interrupt"
    """The caller has the floor: stop."""
    RESUME = "resume"
    """It was nothing: go on as before."""


class BargeInSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """When the agent gives way to a caller who speaks over it."""

    speech_above: float = Field(default=0.5, gt=0, lt=1)
    """Voice probability from which audio is speech."""
    silence_below: float = Field(default=0.35, gt=0, lt=1)
    """Voice probability under which speech is over; between the two nothing changes."""
    duck_after: float = Field(default=0.04, gt=0, le=1)
    """Seconds of speech after which the agent is quieter. The detector needs 30 to 60 ms before,
    the way to the caller's ear as much after."""
    clarity: ClaritySettings = ClaritySettings()
    """Whose speech interrupts."""
    confirm_after: float = Field(default=0.5, gt=0, le=3)
    """Seconds of clear speech that interrupt, whatever is said."""
    backchannel_confirm_after: float = Field(default=1.0, gt=0, le=5)
    """Seconds of clear speech that interrupt while only backchannels ("uh-huh") were understood."""
    gap: float = Field(default=0.2, ge=0, le=1)
    """Seconds of silence that may lie inside the speech."""
    hold: bool = False
    """True: the agent falls silent and holds its words while it is unsure, and goes on from there;
    false: it goes on, quieter, as people do through an "uh-huh"."""
    resume_after: float = Field(default=0.7, gt=0, le=1.2)
    """Seconds of silence after which a ducked agent goes on as before."""
    resume_latest: float = Field(default=1.0, gt=0, le=1.2)
    """The same while it is not yet understood what the caller said; not below `resume_after`."""


class BargeIn:
    """One stretch of the agent's speech, and the caller's voice over it.

    After INTERRUPT it is silent until `reset`.
    """

    def __init__(self, settings: BargeInSettings, language: str) -> None:
        self._settings = settings
        self._language = language
        self._clarity = Clarity(settings.clarity)
        self._speech = self._silence = 0.0
        self._said = ""
        self.reset()

    def reset(self) -> None:
        """A new stretch of the agent's speech begins."""
        self.ducked = False
        """The agent is to be quieter now."""
        self._voiced = False
        self._interrupted = False
        self._forget()

    def feed(
        self, probability: float, seconds: float, *, echo: bool = False, is_awaited: bool = False
    ) -> Verdict | None:
        """Take `seconds` of the caller's audio in which speech has `probability`.

        `echo`: the sound is the agent's own voice coming back; it counts as silence.
        `is_awaited`: what the caller said is being understood: the agent stays quiet longer.
        """
        if self._interrupted:
            return None
        if self._hears(probability, echo):
            if self._silence > self._settings.gap + _SLACK:
                self._speech = 0.0
                self._clarity.reset()
            self._speech += seconds
            self._clarity.feed(probability, seconds)
            self._silence = 0.0
            return self._verdict()
        self._silence += seconds
        return self._ceased(is_awaited)

    def read(self, text: str) -> Verdict | None:
        """What was understood of the caller since they began to speak over the agent."""
        self._said = text if words(text) else ""
        if self._interrupted or not self.ducked:
            return None
        return self._verdict()

    @property
    def patience(self) -> float:
        """Seconds for which a ducked agent may still wait for what was said to be understood."""
        settings = self._settings
        return max(0.0, max(settings.resume_after, settings.resume_latest) - self._silence)

    def _hears(self, probability: float, echo: bool) -> bool:
        if echo or probability < self._settings.silence_below:
            self._voiced = False
        elif probability >= self._settings.speech_above:
            self._voiced = True
        return self._voiced

    def _verdict(self) -> Verdict | None:
        settings = self._settings
        if not self.ducked:
            if self._speech < settings.duck_after - _SLACK:
                return None
            self.ducked = True
            return Verdict.DUCK
        clarity = self._clarity
        is_enough = clarity.is_near and clarity.seconds >= self._needed() - _SLACK
        return self._interrupt() if is_enough else None

    def _needed(self) -> float:
        """Seconds of clear speech that interrupt, by what was understood of it."""
        settings, said, language = self._settings, self._said, self._language
        if is_backchannel(said, language):
            return settings.backchannel_confirm_after
        if not said or may_become_backchannel(said, language):
            return settings.confirm_after
        return 0.0

    def _ceased(self, is_awaited: bool) -> Verdict | None:
        if self._silence > self._settings.gap + _SLACK and not self.ducked:
            self._forget()
        settings = self._settings
        longest = max(settings.resume_after, settings.resume_latest)
        quiet = longest if is_awaited else settings.resume_after
        if not self.ducked or self._silence < quiet - _SLACK:
            return None
        self.ducked = False
        self._forget()
        return Verdict.RESUME

    def _interrupt(self) -> Verdict:
        self._interrupted = True
        return Verdict.INTERRUPT

    def _forget(self) -> None:
        self._speech = self._silence = 0.0
        self._clarity.reset()
        self._said = ""
