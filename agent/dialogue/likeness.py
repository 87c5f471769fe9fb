"""Whether a sound is one that was sent, by its wave: for the moment in which no level is known yet.

What a loudspeaker brings back is the same wave, later and coloured by a room: correlated with what
was sent, with all frequencies made equally loud (GCC-PHAT: Knapp and Carter 1976), it has a sharp
peak at the echo's delay within a fifth of a second. Another voice has none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RATE = 8_000
"""Samples a second that are compared: telephony's, in which all voices are."""
BAND = (200.0, 3600.0)
"""Hz that are compared."""
FRAME = 0.02
LATEST = 35
"""Frames (0.7 s) by which an echo may be late."""
WINDOW = 15
"""Frames (0.3 s) of what came in that are looked for in what was sent."""
VOICED = 7
"""Of these so many must be voice: before, there is too little to tell by."""
LOOK_EVERY = 2
"""Frames from one look to the next."""
UNLIKE = 8.5
"""Peak of the correlation, against its mean power, under which a sound is another's. Echoes in made
rooms are at 19.9 at the median, people at 5.8; 2 of 100 looks at an echo, 6 at people are wrong."""
SURE = 3.0
"""How much must speak for another voice, together: about 60 ms more."""
MOST, LEAST = 4.0, -20.0
"""How much can be remembered for another voice, and for an echo."""
FOR, AGAINST = 2.0, -6.0
"""How much one look can say."""
UNDECIDED = 50
"""Frames (1 s) of a voice after which it is not waited for a decision any more."""

Wave = npt.NDArray[np.float32]
Samples = npt.NDArray[np.int16]


class Likeness:
    """What came in, held against what was sent. Nothing is taken for another's at first."""

    def __init__(self) -> None:
        self._came: deque[Wave] = deque(maxlen=WINDOW)
        self._voiced: deque[bool] = deque(maxlen=WINDOW)
        self._unlooked = self._undecided = 0
        self._score = 0.0
        self._is_other: bool | None = False

    def feed(self, came: Samples, sent: Sequence[Samples], *, is_voice: bool) -> bool | None:
        """Take 20 ms that came in; `sent`: the frames that left lately, the newest last. Both of
        any rate that is a multiple of 8 kHz.

        True: it is another's voice; False: it is what was sent, or nobody's; None: it is a voice,
        and cannot be told yet."""
        self._came.append(_at_rate(came))
        self._voiced.append(is_voice)
        self._unlooked += 1
        if not any(self._voiced):
            # Another voice may be over; what brings the agent back is there to stay.
            self._score, self._undecided, self._is_other = min(self._score, 0.0), 0, False
            return False
        if sum(self._voiced) >= VOICED and self._unlooked >= LOOK_EVERY:
            self._unlooked = 0
            self._weigh(peak(np.concatenate(self._came), _joined(sent)))
        self._decide()
        return self._is_other

    def _weigh(self, found: float) -> None:
        if found > 0:  # There was something to correlate.
            says = max(AGAINST, min(FOR, UNLIKE - found))
            self._score = max(LEAST, min(MOST, self._score + says))

    def _decide(self) -> None:
        """As the score says; what was decided holds until it says the contrary."""
        self._undecided = 0 if self._is_other else self._undecided + 1
        if self._score >= SURE:
            self._is_other = True
        elif self._score <= -SURE or self._undecided > UNDECIDED:
            self._is_other = False
        elif not (self._is_other and self._score > 0):
            self._is_other = None


def peak(came: Wave, sent: Wave) -> float:
    """How far the best delay stands out: the highest correlation over the root mean square of all.

    Both at 8 kHz and ending now; `sent` is the longer one, by the delays that are tried."""
    size = 1 << (len(sent) - 1).bit_length()
    product = np.fft.rfft(came, size) * np.conj(np.fft.rfft(sent, size))
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    power = np.abs(product)
    heard = (frequencies > BAND[0]) & (frequencies < BAND[1]) & (power > 0)
    product[heard] /= power[heard]
    product[~heard] = 0.0
    # Negative shifts: `came` begins somewhere inside `sent`.
    delays = np.roll(np.fft.irfft(product, size), -1)[-(len(sent) - len(came)) - 1 :]
    mean = float(np.sqrt(np.mean(np.square(delays))))
    return float(np.abs(delays).max()) / mean if mean > 0 else 0.0


def _joined(sent: Sequence[Samples]) -> Wave:
    """The last frames of it, with silence before the first."""
    wave = np.zeros(round((WINDOW + LATEST) * FRAME * RATE), np.float32)
    if there := [_at_rate(frame) for frame in list(sent)[-(WINDOW + LATEST) :]]:
        known = np.concatenate(there)
        wave[-len(known) :] = known
    return wave


def _at_rate(samples: Samples) -> Wave:
    size = round(FRAME * RATE)
    wave: Wave = samples.reshape(size, -1).mean(axis=1, dtype=np.float32)
    return wave
