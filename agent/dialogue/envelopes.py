"""Whether one sound follows another: the levels of what was sent and of what came in, side by side.

An echo rises and falls with what was sent, after a delay that stays about the same. The delay at
which the two correlate best is that of the echo, and the levels' difference there is its gain: a
pair of microphones and sound cards does not have to be known, and neither have the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRAME = 0.02
"""Seconds of a level."""
FLOOR = -60.0
"""dBFS; quieter is as good as silent."""
WINDOW = 75
"""Levels (1.5 s) that are compared. Of people who talk at once without hearing each other, 95 of
100 such stretches correlate by less than 0.7 at their best delay."""
SHORTEST = 40
"""Levels (0.8 s) under which nothing can be told: whoever begins to speak follows somebody."""
LATEST = 35
"""Levels (0.7 s) by which an echo may be late: a network's two ways and a jitter buffer."""
MOVING_DB = 2.0
"""Standard deviation of levels under which there is nothing to follow."""

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """How what came in follows what was sent, at the best delay.

    `likeness`: Pearson's correlation of the levels; `delay`: in levels of 20 ms; `gain_db`: how
    much louder (an echo: negative) the louder half of it came in, three of four times at most."""

    likeness: float
    delay: int
    gain_db: float


class Envelopes:
    """The last two seconds of both. A level that falls off is held up as a room would ring, in
    both alike: so it does not matter whether the room does."""

    def __init__(self, ringing_db: float) -> None:
        """`ringing_db`: decibels a second by which a room's ringing fades."""
        self._fading = ringing_db * FRAME
        self._held_sent = self._held_came = FLOOR
        # Written twice, a window apart: any stretch of the past lies in one piece.
        self._sent: Levels = np.full(2 * (WINDOW + LATEST), FLOOR)
        self._came: Levels = np.full(2 * (WINDOW + LATEST), FLOOR)
        self._next = 0
        self._known = 0

    def clear(self) -> None:
        """Forget what was: between then and now something else may have been said."""
        self._sent[:] = self._came[:] = self._held_sent = self._held_came = FLOOR
        self._known = 0

    def feed(self, sent_db: float | None, came_db: float) -> None:
        """Take 20 ms of both; `sent_db`: None when nothing was sent."""
        fading, size, at = self._fading, WINDOW + LATEST, self._next
        sent = FLOOR if sent_db is None else sent_db
        self._held_sent = max(sent, self._held_sent - fading, FLOOR)
        self._held_came = max(came_db, self._held_came - fading, FLOOR)
        self._sent[at] = self._sent[at + size] = self._held_sent
        self._came[at] = self._came[at + size] = self._held_came
        self._next = (at + 1) % size
        self._known = min(WINDOW, self._known + 1)

    def sent(self, delay: int, sooner: int) -> float:
        """The loudest of what was sent `delay` levels ago, or up to `sooner` levels later."""
        end = self._next + WINDOW + LATEST
        return float(self._sent[end - 1 - delay : end - max(0, delay - sooner)].max())

    @property
    def came(self) -> float:
        """What comes in just now, held up as what was sent is."""
        return self._held_came

    def fit(self) -> Fit | None:
        """The best fit; None where either stands still, or too little of them is known."""
        known, end = self._known, self._next + WINDOW + LATEST
        came = self._came[end - known : end]
        if known < SHORTEST or came.std() < MOVING_DB:
            return None
        past = self._sent[end - known - LATEST : end]
        sent = np.lib.stride_tricks.sliding_window_view(past, known)[::-1]
        likeness = _correlations(sent, came)
        delay = int(likeness.argmax())
        louder = sent[delay] > np.median(sent[delay])
        if not louder.any():
            return None
        gain = float(np.percentile((came - sent[delay])[louder], 75))
        return Fit(float(likeness[delay]), delay, gain)


def _correlations(sent: Levels, came: Levels) -> Levels:
    """Pearson's, of each row of `sent` (n, m) with `came` (m); 0 for a row that stands still."""
    rows = sent - sent.mean(axis=1, keepdims=True)
    column = came - came.mean()
    spread = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    moving = spread > MOVING_DB * np.sqrt(len(came))
    scale = np.where(moving, spread * np.linalg.norm(column), 1.0)
    found: Levels = np.where(moving, rows @ column / scale, 0.0)
    return found
