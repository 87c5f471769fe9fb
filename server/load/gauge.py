"""What the load is read from: the loop, the packets, the engines' queues, the callers' waits.

Everything is told to it as it happens and forgotten a few seconds later; reading costs less than a
packet does.

What a caller waits while nobody else speaks or waits is no load: it is what the models take on this
machine. To go without preparing replies would only make it longer. Such waits are kept apart, as
what the others are compared with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from agent import events
from agent.errors import Stage
from agent.events import Event
from server.load.ladder import Reading

WINDOW = 2.0
"""Seconds that a sample of the loop or of a packet counts."""
TURNS = 20.0
"""Seconds that a caller's wait counts."""
ENOUGH_TURNS = 3
"""Waits of which one is an exception: fewer are taken by their median."""
LONE_TURNS = 20
"""Waits of callers who had the server for themselves that are remembered, however long ago."""


class Queue(Protocol):
    """An engine's queue."""

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job waits, or that one which came now would."""


Queues = Iterable[tuple[Stage, Queue]]


@dataclass(slots=True)
class _Wait:
    """A caller who has finished and hears nothing yet."""

    since: float
    alone: bool
    """Nobody else has spoken or waited meanwhile."""
    llm: float = 0.0
    """The most that the language model was said to be waited for meanwhile, seconds."""


class Gauge:
    """One server's readings. Times are the loop's."""

    def __init__(self, queues: Queues = ()) -> None:
        self._queues = tuple(queues)
        self._lags = _Recent(WINDOW)
        self._packets = _Recent(WINDOW)
        self._waits = _Recent(TURNS)
        self._talking: set[str] = set()
        """Calls whose caller is speaking."""
        self._waiting: dict[str, _Wait] = {}
        self._alone: deque[tuple[float, float]] = deque(maxlen=LONE_TURNS)
        """Of waits alone: how long, and the model's part of it."""

    def lag(self, seconds: float, now: float) -> None:
        """The loop was so late."""
        self._lags.add(seconds, now)

    def lateness(self, seconds: float, now: float) -> None:
        """A 20 ms step of some calls was so late."""
        self._packets.add(seconds, now)

    def observe(self, call_id: str, event: Event) -> None:
        """An observer of calls' events: how long callers wait for a reply."""
        match event:
            case events.SpeechStarted():
                self._waiting.pop(call_id, None)
                self._talking.add(call_id)
                self._accompany(call_id)
            case events.SpeechStopped():
                self._talking.discard(call_id)
                self._accompany(call_id)
                self._waiting[call_id] = _Wait(event.at, alone=not self._others(call_id))
            case events.ReplySpoken():
                if (wait := self._waiting.pop(call_id, None)) is not None:
                    self._answered(wait, event.at)
            case (
                events.TurnDropped()
                | events.TurnFinished()
                | events.StageFailed()
                | events.CallerAway()
                | events.CallEnded()
            ):
                self._waiting.pop(call_id, None)
                self._talking.discard(call_id)

    def read(self, now: float) -> Reading:
        """The readings at `now`."""
        queues = self._longest()
        llm = queues.get("llm", 0.0)
        for wait in self._waiting.values():
            wait.llm = max(wait.llm, llm)
            if wait.alone:
                llm = 0.0
        sounds, models = zip(*self._alone, strict=True) if self._alone else ((0.0,), (0.0,))
        return Reading(
            loop_lag=self._lags.quantile(0.9, now),
            packets=self._packets.quantile(0.95, now),
            stt=queues.get("stt", 0.0),
            llm=llm,
            tts=queues.get("tts", 0.0),
            first_sound=self._first_sound(now),
            alone_llm=median(models),
            alone_first_sound=median(sounds),
        )

    def _others(self, call_id: str) -> bool:
        return bool((self._talking | self._waiting.keys()) - {call_id})

    def _accompany(self, call_id: str) -> None:
        """Whoever waits is not alone any more."""
        for other, wait in self._waiting.items():
            wait.alone = wait.alone and other == call_id

    def _answered(self, wait: _Wait, at: float) -> None:
        if wait.alone:
            self._alone.append((at - wait.since, wait.llm))
        else:
            self._waits.add(at - wait.since, at)

    def _longest(self) -> Mapping[Stage, float]:
        longest: dict[Stage, float] = {}
        for stage, queue in self._queues:
            longest[stage] = max(longest.get(stage, 0.0), queue.wait)
        return longest

    def _first_sound(self, now: float) -> float:
        """Also of those who still wait: they tell of a jam before it is over."""
        waiting = [now - wait.since for wait in self._waiting.values() if not wait.alone]
        waits = sorted([*self._waits.values(now), *waiting])
        return _quantile(waits, 0.9 if len(waits) > ENOUGH_TURNS else 0.5)


class _Recent:
    """Samples of the last seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._samples: deque[tuple[float, float]] = deque(maxlen=1000)

    def add(self, value: float, now: float) -> None:
        self._samples.append((now, value))

    def values(self, now: float) -> list[float]:
        while self._samples and self._samples[0][0] < now - self._seconds:
            self._samples.popleft()
        return [value for _, value in self._samples]

    def quantile(self, share: float, now: float) -> float:
        return _quantile(sorted(self.values(now)), share)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
