"""The agent's own voice coming back through the caller's loudspeaker and microphone.

Telephones have no echo canceller. Three witnesses: the rise and fall, for what comes back follows
what was sent, and tells by how long and how much quieter; where it does not say so clearly, the
level alone, for what comes back is as much quieter than what was sent as it has been before; and
the words, for what comes back is what the agent is saying.
"""

from __future__ import annotations

from collections import deque

from pydantic import BaseModel, Field
from rapidfuzz import fuzz

from agent.dialogue.envelopes import FLOOR, FRAME, LATEST, Envelopes, Fit
from agent.dialogue.words import words

LOOK_EVERY = 10
"""Levels (0.2 s) between two looks at how what came in follows what was sent."""
MISSING_DB = 12.0
"""Decibels under what must be coming back, where it does not."""
MISSING = 10
"""Levels (0.2 s) of that in a row, after which there is no such echo: a caller who spoke over the
agent only seemed to follow it."""
SOONER = 3
"""Levels (60 ms) by which an echo may come sooner than it did: the network's jitter."""


class EchoSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the agent's own voice is told from the caller's."""

    enabled: bool = True
    """False: nothing is ever taken for an echo by its level."""
    margin_db: float = Field(default=6.0, ge=0, le=40)
    """Decibels over the learned echo from which sound is the caller's."""
    following_margin_db: float = Field(default=4.0, ge=0, le=40)
    """The same over an echo that was seen to follow what was sent: it is known more closely."""
    loudest_db: float = Field(default=-3.0, ge=-60, le=20)
    """Decibels by which an echo may at most differ from what was sent; louder is the caller."""
    audible_db: float = Field(default=-50.0, ge=-100, le=0)
    """Level (dBFS) of the agent's voice from which an echo of it could be heard."""
    learn_seconds: float = Field(default=0.6, gt=0, le=30)
    """Seconds of the agent's voice after which the level of its echo is known."""
    tail: float = Field(default=0.4, ge=0, le=2)
    """Seconds that the agent's voice may need to come back."""
    likeness: float = Field(default=0.75, gt=0, lt=1)
    """How closely (correlation) what comes in must follow what was sent to be known as its echo,
    delay, loudness and all."""
    ringing_db: float = Field(default=100.0, gt=0, le=2000)
    """Decibels a second by which an echo fades in the caller's room."""
    forget_seconds: float = Field(default=5.0, gt=0, le=60)
    """Seconds of the agent's voice that are not followed, after which an echo is not known any
    more: the caller has picked up the receiver."""
    rate_db: float = Field(default=25.0, gt=0, le=200)
    """Decibels a second that the learned level moves."""
    similarity: float = Field(default=82.0, ge=50, le=100)
    """How alike, of 100, a transcript must be to what the agent says to be its echo."""


class EchoGate:
    """The echo of one call, by level. All levels are dBFS.

    Once what came in is seen to follow what was sent, a sound is held against what must be coming
    back just then: a caller is heard between the agent's words, and over its quieter ones. Before,
    compared are the loudest of what came in and the loudest of what was sent, both over the time
    that an echo may take: so neither the delay nor the gaps between syllables matter.
    """

    def __init__(self, settings: EchoSettings | None = None) -> None:
        self._settings = settings or EchoSettings()
        self._learned = 0.0
        self._gain = -200.0
        self._sent = _Loudest(self._settings.tail)
        self._came = _Loudest(self._settings.tail)
        self._envelopes = Envelopes(self._settings.ringing_db)
        self._fit: Fit | None = None
        self._unlooked = self._missed = 0
        self._unlike = self._silent = self._speaks = 0.0

    @property
    def gain_db(self) -> float | None:
        """How much louder the echo is than what was sent (negative); None: not learned yet."""
        if self._fit is not None:
            return self._fit.gain_db
        return self._gain if self._learned >= self._settings.learn_seconds else None

    @property
    def is_unsure(self) -> bool:
        """Nothing is known of an echo yet, so that any is assumed that there can be."""
        return self._settings.enabled and self.gain_db is None

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
        self._follow(agent_db, mic_db, seconds)
        if caller or sent < settings.audible_db:
            return
        if self._unlooked >= LOOK_EVERY:
            self._look()
        gain = min(came - sent, settings.loudest_db)
        if self._learned < settings.learn_seconds:
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
        if self._fit is not None:
            sent = self._envelopes.sent(self._fit.delay, SOONER)
        if not settings.enabled or sent < settings.audible_db:
            return False
        return mic_db <= sent + self._loudest_gain()

    def _loudest_gain(self) -> float:
        """How much louder than what was sent an echo can be at this moment."""
        if self._fit is not None:
            return self._fit.gain_db + self._settings.following_margin_db
        gain = self.gain_db
        return self._settings.loudest_db if gain is None else gain + self._settings.margin_db

    def _follow(self, agent_db: float | None, mic_db: float, seconds: float) -> None:
        self._silent = self._silent + seconds if agent_db is None else 0.0
        self._speaks += seconds
        if self._silent > LATEST * FRAME:
            self._envelopes.clear()
            self._speaks = 0.0
        for _ in range(max(1, round(seconds / FRAME))):
            self._envelopes.feed(agent_db, mic_db)
            self._unlooked += 1
            self._miss()

    def _miss(self) -> None:
        """Give the echo up when it does not come back with what was sent."""
        if self._fit is None:
            return
        expected = self._envelopes.sent(self._fit.delay, 0) + self._fit.gain_db
        is_missing = self._envelopes.came < expected - MISSING_DB and expected > FLOOR + MISSING_DB
        self._missed = self._missed + 1 if is_missing else 0
        if self._missed >= MISSING:
            self._fit, self._missed = None, 0

    def _look(self) -> None:
        """See whether what came in follows what was sent, while there is something to follow."""
        fit = self._envelopes.fit()
        if fit is not None and self._is_that_of_an_echo(fit):
            self._fit, self._unlike = fit, 0.0
        else:
            self._unlike += self._unlooked * FRAME
            if self._unlike >= self._settings.forget_seconds:
                self._fit = None
        self._unlooked = 0

    def _is_that_of_an_echo(self, fit: Fit) -> bool:
        """It follows closely, and is no louder than an echo can be: that would be the caller."""
        settings = self._settings
        return fit.likeness >= settings.likeness and fit.gain_db <= settings.loudest_db

    def _step(self, gain: float, seconds: float) -> float:
        """Towards `gain`; slowly for a sound far over the learned echo: that is the caller, too.

        Not downwards before the agent's first sound can have come back."""
        settings, step = self._settings, self._settings.rate_db * seconds
        rise = step if gain <= self._gain + settings.margin_db else step / 25
        fall = step if self._speaks > settings.tail else 0.0
        return max(-fall, min(rise, gain - self._gain))


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
