"""Whether the caller speaks: what the detector says, less the agent's own voice coming back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent.context import Detector
from agent.dialogue.clarity import Clarity
from agent.dialogue.echo import EchoGate
from agent.dialogue.likeness import FRAME, Likeness
from agent.settings import TurnSettings
from media.audio import AudioChunk, Samples, level_db

ECHO_PROBABILITY = 0.1
"""What is left of the probability of speech when the sound is the agent's own."""
FIRST = 2.5
"""Seconds of the agent's voice in which the caller's is told from it by the wave as well: by their
levels alone, whoever begins to speak just behind the agent seems to follow it."""
SPOKEN, UNSPOKEN = 0.6, 0.3
"""The probabilities from which on somebody speaks, and below which nobody does."""
TAIL = 0.8
"""Seconds for which the agent's last sound may still come back."""


class Sounding(Protocol):
    """The agent's voice as it leaves: dBFS of the last 20 ms, None while it is silent."""

    @property
    def level(self) -> float | None: ...

    @property
    def recent(self) -> Sequence[Samples]:
        """The frames of 20 ms that left last (8 kHz or a multiple), the newest last."""

    def forget_recent(self) -> None:
        """They are not needed any more."""


class CallersVoice:
    """One call's detector behind its echo gate."""

    def __init__(self, detector: Detector, mouth: Sounding, settings: TurnSettings) -> None:
        self._detector = detector
        self._mouth = mouth
        self._settings = settings.barge_in
        self._clarity = Clarity(self._settings.clarity)
        self._echo = EchoGate(settings.echo)
        self._likeness: Likeness | None = Likeness()
        self._spoken = 0.0
        self._coming_back = 0.0
        self._silent = 0.0
        self._probability = 0.0
        self.is_near = False
        """Whether the voice that was heard last is somebody's at the microphone."""
        self.level: float | None = None
        """dBFS of the last chunk; None when nobody needed to know."""

    async def hear(self, chunk: AudioChunk) -> float:
        """The probability that the caller speaks in this chunk (16 kHz).

        Loudness is measured only while there is a voice, or something to come back."""
        probability = await self._hear(chunk)
        self._judge(probability, chunk.seconds)
        self._probability = probability
        return probability

    def may_come_late(self, *, in_turn: bool) -> bool:
        """Whether the next chunk may come 20 ms late: the caller is in the middle of a word of
        their turn, or says nothing at all, and nothing of the agent's is to be told from them.

        The end of a turn comes no later: its pause is heard chunk by chunk."""
        if self._coming_back or self._mouth.level is not None:
            return False
        return self._probability > SPOKEN if in_turn else self._probability < UNSPOKEN

    async def _hear(self, chunk: AudioChunk) -> float:
        probability = await self._detector.hear(chunk)
        sent = self._mouth.level
        if sent is None and not self._coming_back:
            self.level = level_db(chunk.samples) if probability > ECHO_PROBABILITY else None
            return probability
        self._coming_back = TAIL if sent is not None else max(0, self._coming_back - chunk.seconds)
        level = self.level = level_db(chunk.samples)
        is_other = self._is_other(chunk, probability)
        # What may be the caller's teaches nothing: their level would be taken for the echo's.
        teaches_nothing = is_other or (is_other is None and self._echo.is_unsure)
        self._echo.feed(level, sent, chunk.seconds, caller=bool(teaches_nothing))
        if probability > ECHO_PROBABILITY and not is_other and self._echo.is_echo(level, sent):
            return ECHO_PROBABILITY
        return probability

    def _is_other(self, chunk: AudioChunk, probability: float) -> bool | None:
        """Whether it is surely the caller's, while little is known of the echo's level; None: it
        may be."""
        if self._likeness is None:
            return False
        self._spoken += chunk.seconds if self._mouth.level is not None else 0.0
        if self._spoken > FIRST and not self._echo.is_unsure:
            self._likeness = None
            self._mouth.forget_recent()
            return False
        if abs(chunk.seconds - FRAME) > 1e-6:
            return False
        is_voice = probability >= self._settings.speech_above
        return self._likeness.feed(chunk.samples, self._mouth.recent, is_voice=is_voice)

    def _judge(self, probability: float, seconds: float) -> None:
        settings = self._settings
        if probability < settings.silence_below:
            self._silent += seconds
            return
        if self._silent > settings.resume_after:
            self._clarity.reset()
            self.is_near = False
        self._silent = 0.0
        self._clarity.feed(probability, seconds)
        self.is_near = self.is_near or self._clarity.is_near
