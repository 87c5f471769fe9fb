"""Voice to voice of `bench.media`: how long after a caller's last word the first answer arrives.

The engines are instant fakes on all sides, so what is measured is transport, speech detection and
the wait for the end of the turn. The caller says one utterance again and again, over a clean
network or one that loses packets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from statistics import median

import numpy as np

from bench.media_load import Caller, callers, encoded
from bench.media_sound import speech
from media.audio import Samples
from media.opus import FRAME, Decoder

REPLY = 0.5
"""Seconds that each answer lasts."""
_PAUSE = 3.5
"""Seconds between two utterances: the slowest answer is over by then."""
_LOUD = 1_500
_QUIET = 0.3
"""Seconds."""
_GAP = 6
"""Packets of silence that end a stretch of speech."""


@cache
def utterance() -> Samples:
    """The longest stretch of the recorded speech without a pause, at 48 kHz: a pause would be
    taken for the end of the turn by whoever waits no longer than that."""
    said = speech(48_000)
    whole = said[: len(said) - len(said) % FRAME].reshape(-1, FRAME).astype(float)
    voiced = np.flatnonzero(np.sqrt((whole**2).mean(axis=1)) > 0.02 * 32_767)
    cuts = [0, *(np.flatnonzero(np.diff(voiced) > _GAP) + 1), len(voiced)]
    begin, end = max(pairwise(cuts), key=lambda cut: cut[1] - cut[0])
    return said[voiced[begin] * FRAME : (voiced[end - 1] + 1) * FRAME]


async def voice_to_voice(url: str, turns: int, *, loss: float) -> tuple[float, float]:
    """Milliseconds from the caller's last packet of speech to the first loud one of the answer,
    median of the turns, and the answers per turn: 1, or the turn was missed or taken for two.

    NaN when none was answered."""
    said = utterance()
    packets = encoded(np.concatenate([said, np.zeros(int(_PAUSE * 48_000), np.int16)]))
    spoken = len(said) // FRAME
    async with callers(1, url, packets, loss=loss) as (call,):
        await asyncio.sleep((turns + 0.9) * len(packets) / 50)
        answers = list(_onsets(call))
        ends = [begun + (spoken - 1) / 50 for begun in call.mouth.begun]
    waits = [
        min(onset - end for onset in answers if onset > end)
        for end in ends[1:]  # the first warms up
        if any(end < onset < end + _PAUSE for onset in answers)
    ]
    counted = [onset for onset in answers if onset > ends[0] + _PAUSE]
    return (
        median(waits) * 1000 if waits else float("nan"),
        len(counted) / max(1, len(ends) - 1),
    )


def _onsets(call: Caller) -> Iterator[float]:
    """When the agent began to be heard, after as much quiet as no answer has within."""
    decoder, heard_at = Decoder(), float("-inf")
    for at, _, payload in call.arrivals:
        if np.abs(decoder.decode(payload)).max(initial=0) > _LOUD:
            if at - heard_at > _QUIET:
                yield at
            heard_at = at
