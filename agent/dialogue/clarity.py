"""Whether a voice is somebody's at the microphone, or the voices of a room.

A detector is sure of whoever speaks into the microphone, and wavers at people who talk further
away, or several at once: of babble it says 0.4 to 0.8, of a caller 0.9 and more.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

LATELY = 1.0
"""Seconds after which what was heard counts a third: a caller is heard out of a long murmur."""
_SLACK = 1e-6


class ClaritySettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """What clear speech is."""

    doubtful_below: float = Field(default=0.6, gt=0, lt=1)
    """Voice probability up to which speech is not clear at all."""
    clear_above: float = Field(default=0.85, gt=0, lt=1)
    """Voice probability from which it is entirely; between the two in proportion."""
    word: float = Field(default=0.1, ge=0, le=1)
    """Seconds of clear speech without which nobody has said a word, whatever was understood."""
    share: float = Field(default=0.5, ge=0, le=1)
    """Share of the speech that is clear when it is the caller's."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.doubtful_below >= self.clear_above:
            raise ValueError(
                f"clarity.doubtful_below ({self.doubtful_below:g}) must be less than "
                f"clarity.clear_above ({self.clear_above:g})"
            )
        return self

    def clear(self, probability: float, seconds: float) -> float:
        """How many of `seconds` of speech are clear, by its probability."""
        span = self.clear_above - self.doubtful_below
        return seconds * min(1.0, max(0.0, (probability - self.doubtful_below) / span))


class Clarity:
    """The speech of the last moments."""

    def __init__(self, settings: ClaritySettings) -> None:
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        """What comes next is another's."""
        self.seconds = 0.0
        """Seconds of clear speech in all."""
        self._lately = self._clear_lately = 0.0

    def feed(self, probability: float, seconds: float) -> None:
        """Take `seconds` of what is speech, or was until just now."""
        clear = self._settings.clear(probability, seconds)
        kept = max(0.0, 1 - seconds / LATELY)
        self.seconds += clear
        self._lately = kept * self._lately + seconds
        self._clear_lately = kept * self._clear_lately + clear

    @property
    def is_near(self) -> bool:
        """Whether it is somebody at the microphone."""
        settings, clear = self._settings, self._clear_lately + _SLACK
        return clear >= settings.word and clear >= settings.share * self._lately
