"""The agent's own voice coming back through the caller's loudspeaker and microphone.

Telephones have no echo canceller. Two witnesses: the level, for what comes back is as much
quieter than what was sent as it has been before; and the words, for what comes back is what the
agent is saying.
"""

from __future__ import annotations

from collections import deque

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
    learn_seconds: float = Field(default=0.6, gt=0, le=30)
    """Seconds of the agent's voice after which the level of its echo is known."""
    tail: float = Field(default=0.4, ge=0, le=2)
    """Seconds that the agent's voice may need to come back."""
    rate_db: float = Field(default=25.0, gt=0, le=200)
    """Decibels a second that the learned level moves."""
    similarity: float = Field(default=82.0, ge=50, le=100)
    """How alike, of 100, a transcript must be to what the agent says to be its echo."""


class EchoGate:
    """The echo of one call, by level. All levels are dBFS.

    Compared are the loudest of what came in and the loudest of what was sent, both over the time
    that an echo may take: so neither the delay nor the gaps between syllables matter.
    """

    def __init__(self, settings: EchoSettings | None = None) -> None:
        self._settings = settings or EchoSettings()
        self._learned = 0.0
        self._gain = -200.0
        self._sent = _Loudest(self._settings.tail)
        self._came = _Loudest(self._settings.tail)

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
        settings = self._settings
        sent = self._sent.feed(agent_db, seconds)
        came = self._came.feed(None if caller else mic_db, seconds)
        if caller or sent < settings.audible_db:
            return
        gain = min(came - sent, settings.loudest_db)
        if self.gain_db is None:
            self._gain = max(self._gain, gain)
        else:
            self._gain += self._step(gain, seconds)
        self._learned += seconds

    def is_echo(self, mic_db: float, agent_db: float | None) -> bool:
        """Whether sound of `mic_db` is explained by what the agent sends or has just sent.

        Until the echo's level is learned, anything is that is no louder than an echo can be: an
        agent that takes itself for the caller would never end its first sentence.
        """
        settings = self._settings
        sent = max(self._sent.level, -200.0 if agent_db is None else agent_db)
        if not settings.enabled or sent < settings.audible_db:
            return False
        gain = self.gain_db
        if gain is None:
            return mic_db <= sent + settings.loudest_db
        return mic_db <= sent + gain + settings.margin_db

    def _step(self, gain: float, seconds: float) -> float:
        """Towards `gain`; slowly for a sound far over the learned echo: that is the caller, too."""
        step = self._settings.rate_db * seconds
        rise = step if gain <= self._gain + self._settings.margin_db else step / 25
        return max(-step, min(rise, gain - self._gain))


class _Loudest:
    """The loudest level of the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._levels: deque[tuple[float, float]] = deque()
        self._position = 0.0

    @property
    def level(self) -> float:
        return self._levels[0][1] if self._levels else -200.0

    def feed(self, level: float | None, seconds: float) -> float:
        self._position += seconds
        while self._levels and self._levels[0][0] < self._position - self._seconds - 1e-6:
            self._levels.popleft()
        if level is not None:
            # Kept falling from the left: what is quieter than the newest can never be the loudest.
            while self._levels and self._levels[-1][1] <= level:
                self._levels.pop()
            self._levels.append((self._position, level))
        return self.level


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
