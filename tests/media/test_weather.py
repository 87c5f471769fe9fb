"""What bad weather on the network leaves of the caller's words, in virtual time: to the packet.

The same weather over real peers and a real network is in `test_bad_network.py`, where a machine
that stalls has a part in every time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from media.audio import Samples
from media.opus import FRAME, Encoder
from media.packets import RtpPacket
from media.reception import Reception
from tests.media.bad_network import HELD, Way, Weather
from tests.media.bursts import onsets

CLEAN = Weather()
OUTAGE = Weather(loss=1.0)
SECONDS = 16
TROUBLE = range(4, 7)
"""The seconds in which the weather is bad."""
_TOUCHED = range(TROUBLE.start, TROUBLE.stop + 1)
"""Those and the next one, in which what was late then still arrives."""
_OPUS = 96
_STEP = 0.02


@dataclass
class Heard:
    """What came out, and when."""

    pieces: list[tuple[float, Samples]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return sum(len(samples) for _, samples in self.pieces) / 16_000

    def bursts(self) -> dict[int, float]:
        """Seconds from each burst's begin to its first loud piece, by its second."""
        return {int(at): at % 1.0 for at in onsets(self.pieces)}


def packets() -> list[RtpPacket]:
    """A tone of 0.4 s at the start of every second, a packet per 20 ms."""
    time = np.arange(SECONDS * 48_000) / 48_000
    tone = np.sin(2 * np.pi * 500 * time) * 12_000 * (time % 1.0 < 0.4)
    encoder = Encoder()
    frames = tone.astype(np.int16).reshape(-1, FRAME)
    return [
        RtpPacket(_OPUS, False, number, number * FRAME, 7, encoder.encode(frame))
        for number, frame in enumerate(frames)
    ]


def hear(weather: Weather, seed: int) -> Heard:
    """The bursts through that weather, between two clean stretches."""
    way, heard = Way(random.Random(seed)), Heard()
    happening: list[tuple[float, int, RtpPacket | None]] = []
    for number, packet in enumerate(packets()):
        leaves = number * _STEP
        today = weather if int(leaves) in TROUBLE else CLEAN
        happening += [(arrives, number, packet) for arrives in way.carry(leaves, today)]
        happening.append((leaves + _STEP / 3, number, None))
    now = 0.0
    reception = Reception({_OPUS: "opus"}, lambda samples: heard.pieces.append((now, samples)), now)
    for now, _, arrived in sorted(happening, key=lambda each: each[:2]):
        if arrived is not None:
            reception.arrive(arrived, now)
        reception.tick(now)
    return heard


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "weather",
    [
        pytest.param(Weather(loss=0.02), id="2 % lost"),
        pytest.param(Weather(loss=0.10), id="10 % lost"),
        pytest.param(Weather(jitter=0.06), id="60 ms of jitter"),
        pytest.param(Weather(reordered=0.1, repeated=0.1), id="reordered and repeated"),
        pytest.param(OUTAGE, id="an outage of three seconds"),
    ],
)
def test_the_callers_words_come_through_and_are_in_time_again(weather: Weather, seed: int) -> None:
    heard = hear(weather, seed)
    delays = heard.bursts()
    clean = {second: delay for second, delay in delays.items() if second not in _TOUCHED}
    assert clean.keys() == set(range(1, SECONDS)) - set(_TOUCHED)
    assert list(clean.values()) == pytest.approx([CLEAN.delay] * len(clean))
    if weather is not OUTAGE:
        assert delays.keys() >= set(TROUBLE)
        assert max(delays.values()) <= CLEAN.delay + weather.jitter + HELD + _STEP
    assert heard.seconds == pytest.approx(SECONDS, abs=_STEP)
