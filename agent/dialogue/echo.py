"""The agent's own voice coming back through the caller's loudspeaker and microphone.

Telephones have no echo canceller. Two witnesses: the level, for what comes back is as much
quieter than what was sent as it has been before; and the words, for what comes back is what the
agent is saying.
"""

from __future__ import annotations

from pydantic import BaseModel, Field
from rapidfuzz import fuzz

from agent.dialogue.words import words


class EchoSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the agent's own voice is told from the caller's."""

    enabled: bool = True
    """False: nothing is ever taken for an echo by its level."""
    margin_db: float = Field(default=6.0, ge=0, le=40)
    """Decibels over the learned echo from which sound is the caller's."""
    loudest_db: float = Field(default=-3.0, ge=-60, le=20)
    """Decibels by which an echo may at most differ from what was sent; louder is the caller."""
    audible_db: float = Field(default=-50.0, ge=-100, le=0)
    """Level (dBFS) of the agent's voice from which an echo of it could be heard."""
    learn_seconds: float = Field(default=0.4, gt=0, le=30)
    """Seconds of the agent's voice that must be learned from before anything is an echo."""
    tail: float = Field(default=0.4, ge=0, le=2)
    """Seconds that the agent's voice may need to come back."""
    rate_db: float = Field(default=25.0, gt=0, le=200)
    """Decibels a second that the learned level moves."""
    similarity: float = Field(default=82.0, ge=50, le=100)
    """How alike, of 100, a transcript must be to what the agent says to be its echo."""


class EchoGate:
    """The echo of one call, by level. All levels are dBFS."""

    def __init__(self, settings: EchoSettings | None = None) -> None:
        self._settings = settings or EchoSettings()
        self._learned = 0.0
        self._gain: float | None = None
        self._sent: list[tuple[float, float]] = []
        """What may still come back: (seconds ago, level)."""

    @property
    def gain_db(self) -> float | None:
        """How much louder the echo is than what was sent (negative); None: not learned yet."""
        return self._gain if self._learned >= self._settings.learn_seconds else None

    def feed(
        self, mic_db: float, agent_db: float | None, seconds: float, *, caller: bool = False
    ) -> None:
        """Learn from `seconds` of audio: what came in, and what the agent sent meanwhile.

        `agent_db`: None while the agent is silent. `caller`: words of the caller's were understood
        in it, so that nothing is learned from it.
        """
        loudest = self._recent(agent_db, seconds)
        if loudest is None or caller:
            return
        gain = min(mic_db - loudest, self._settings.loudest_db)
        if self._gain is None:
            self._gain = gain
        # Towards the upper part of the levels: speech has gaps, and those are no echo. A sound far
        # over the learned level is a caller speaking at the same time: hardly anything is learned.
        step = self._settings.rate_db * seconds
        if gain < self._gain:
            self._gain = max(gain, self._gain - step / 4)
        elif gain <= self._gain + self._settings.margin_db or not self._certain:
            self._gain = min(gain, self._gain + step)
        else:
            self._gain += step / 25
        self._learned += seconds

    def is_echo(self, mic_db: float, agent_db: float | None) -> bool:
        """Whether sound of `mic_db` is explained by what the agent sends or has just sent."""
        if not self._settings.enabled or not self._certain or self._gain is None:
            return False
        levels = [level for _, level in self._sent]
        if agent_db is not None:
            levels.append(agent_db)
        loudest = max(levels, default=-200.0)
        if loudest < self._settings.audible_db:
            return False
        return mic_db <= loudest + self._gain + self._settings.margin_db

    @property
    def _certain(self) -> bool:
        return self._learned >= self._settings.learn_seconds

    def _recent(self, agent_db: float | None, seconds: float) -> float | None:
        """The loudest that may be coming back now; None when nothing audible may."""
        tail = self._settings.tail
        self._sent = [(age + seconds, db) for age, db in self._sent if age + seconds <= tail]
        if agent_db is not None:
            self._sent.append((0.0, agent_db))
        loudest = max((db for _, db in self._sent), default=-200.0)
        return loudest if loudest >= self._settings.audible_db else None


def repeats(text: str, spoken: str, settings: EchoSettings | None = None) -> bool:
    """Whether the transcript `text` only repeats what the agent has `spoken`.

    A single word is never an echo by this witness: "tea" is an answer to "coffee or tea?".
    """
    heard, said = words(text), words(spoken)
    if len(heard) < 2 or len(said) < 2:
        return False
    if len(heard) == 2:
        return any(said[i : i + 2] == heard for i in range(len(said) - 1))
    if len(heard) > len(said) + 2:
        return False
    needed = (settings or EchoSettings()).similarity
    return fuzz.partial_ratio(" ".join(heard), " ".join(said)) >= needed
