"""What the load is read from: the loop, the packets, the engines' queues, the callers' waits.

Everything is told to it as it happens and forgotten a few seconds later; reading costs less than a
packet does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
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


class Queue(Protocol):
    """An engine's queue."""

    @property
    def wait(self) -> float:
        """Seconds that the oldest committed job waits, or that one which came now would."""


Queues = Iterable[tuple[Stage, Queue]]


class Gauge:
    """One server's readings. Times are the loop's."""

    def __init__(self, queues: Queues = ()) -> None:
        self._queues = tuple(queues)
        self._lags = _Recent(WINDOW)
        self._packets = _Recent(WINDOW)
        self._waits = _Recent(TURNS)
        self._waiting: dict[str, float] = {}
        """Calls whose caller has finished and hears nothing yet, and since when."""

    def lag(self, seconds: float, now: float) -> None:
        """The loop was so late."""
        self._lags.add(seconds, now)

    def lateness(self, seconds: float, now: float) -> None:
        """A 20 ms step of some calls was so late."""
        self._packets.add(seconds, now)

    def observe(self, call_id: str, event: Event) -> None:
        """An observer of calls' events: how long callers wait for a reply."""
        match event:
            case events.SpeechStopped():
                self._waiting[call_id] = event.at
            case events.ReplySpoken():
                since = self._waiting.pop(call_id, None)
                if since is not None:
                    self._waits.add(event.at - since, event.at)
            case (
                events.SpeechStarted()
                | events.TurnDropped()
                | events.TurnFinished()
                | events.StageFailed()
                | events.CallerAway()
                | events.CallEnded()
            ):
                self._waiting.pop(call_id, None)

    def read(self, now: float) -> Reading:
        """The readings at `now`."""
        queues = self._longest()
        return Reading(
            loop_lag=self._lags.quantile(0.9, now),
            packets=self._packets.quantile(0.95, now),
            stt=queues.get("stt", 0.0),
            llm=queues.get("llm", 0.0),
            tts=queues.get("tts", 0.0),
            first_sound=self._first_sound(now),
        )

    def _longest(self) -> Mapping[Stage, float]:
        longest: dict[Stage, float] = {}
        for stage, queue in self._queues:
            longest[stage] = max(longest.get(stage, 0.0), queue.wait)
        return longest

    def _first_sound(self, now: float) -> float:
        """Also of those who still wait: they tell of a jam before it is over."""
        waits = sorted([*self._waits.values(now), *(now - at for at in self._waiting.values())])
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
