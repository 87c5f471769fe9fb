"""A call that is lent to the compiled part's thread, and what Python makes of it afterwards."""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from pylibsrtp import Policy

from media.audio import AudioChunk, Samples
from media.ears import Calm, Ear, Heard, open_ear
from media.opus import FRAME, Encoder
from media.voice import Detector, VoiceModel, VoiceSettings, load_voice_model
from tests.media import two_readers
from tests.media.two_readers import Network, Sent, built, session

ANYTHING = Calm(0.0, 1.0)
STEP = 0.02
SPAN = FRAME
"""Opus' clock, of a step."""


@cache
def model() -> VoiceModel:
    return load_voice_model(VoiceSettings())


def encoded(sound: Samples) -> list[bytes]:
    """48 kHz, of whole 20 ms, as Opus packets."""
    encoder = Encoder()
    return [encoder.encode(sound[at : at + FRAME]) for at in range(0, len(sound), FRAME)]


QUIET = encoded(np.zeros(FRAME * 60, np.int16))
"""The gate stays closed."""


def noise(count: int) -> list[bytes]:
    """It opens the gate."""
    sound = np.random.default_rng(1).standard_normal(count * FRAME) * 9_000
    return encoded(np.asarray(sound, np.int16))


class LentCall:
    """A caller, a socket of ours, who reads it in Python and who in C."""

    def __init__(self) -> None:
        self.heard = two_readers.Heard(built())
        self.network = Network(self.heard)
        self.caller = session(Policy.SSRC_ANY_OUTBOUND)
        self.detector = model().detector()
        self.voices: list[float | None] = []
        self.all: list[Heard] = []
        self.wanted = asyncio.Event()
        assert self.heard.arrivals is not None
        self.arrivals = self.heard.arrivals
        ear = open_ear(self.arrivals, self.detector, self._on_wanted)
        if ear is None:
            pytest.skip("no socket is heard in C on this system")
        self.ear: Ear = ear
        self.calls = 0
        """How often Python was wanted."""
        self._over = 0.0

    def _on_wanted(self) -> None:
        self.calls += 1
        self.wanted.set()

    def begin(self) -> None:
        """The first packet comes by Python's way, so that others may pass."""
        self.send(Sent(0, payload=QUIET[0]))
        self.read()
        self.voices.append(self.detector.probability(AudioChunk(self.heard.sound[-1])))
        assert self.arrivals.may_pass

    def read(self) -> None:
        """In Python."""
        self.heard.now = time.monotonic()
        self.heard.read(self.network.ours)

    def send(self, *packets: Sent) -> None:
        for sent in packets:
            self.network.send(self.caller.protect(sent.packet()))
        if packets and not self.ear.is_lent:  # A busy kernel delivers them a little later.
            select.select([self.network.ours.number], [], [], 20)

    def lend(self, steps: int = 1, calm: Calm = ANYTHING, late: float = 0.0) -> bool:
        """From now on, or from so many seconds ago."""
        self.wanted.clear()
        begin = time.monotonic() - late
        self._over = begin + steps * STEP
        return self.ear.lend(self.network.ours, begin, steps, calm)

    def is_drained(self) -> bool:
        return not select.select([self.network.ours.number], [], [], 0)[0]

    async def drained(self) -> None:
        """Whatever was sent has been read, here or there."""
        async with asyncio.timeout(20):
            while not self.is_drained():  # noqa: ASYNC110 - a thread reads it
                await asyncio.sleep(0.001)

    async def lent_until_drained(self) -> None:
        """As often as it takes: a slow machine has gaps where there should be none."""
        while not self.is_drained():
            if not self.ear.is_lent:
                assert self.lend(steps=16)
            await asyncio.sleep(0.001)
            if self.wanted.is_set() or time.monotonic() > self._over:
                self.take()

    def take(self) -> Heard:
        """What was heard is told to the reception, as if Python had read it."""
        heard = self.ear.take()
        self.all.append(heard)
        for step in heard.steps:
            if step.after is not None:
                self.heard.reception.passed(step.after, step.after.heard_at)
            for sound in step.sounds:
                self.heard.reception.hear(sound.samples)
                self.voices.append(sound.voice)
        for arrival in heard.rest:
            self.arrivals.hand_on(arrival, self.network.ours)
        if not self.arrivals.may_pass:
            following = self.heard.reception.next
            self.arrivals.let_pass(following and self.heard.counters.get(following.ssrc))
        return heard

    async def lent(self, *packets: Sent, calm: Calm = ANYTHING) -> Heard:
        """What one lending makes of these packets."""
        self.send(*packets)
        assert self.lend(calm=calm)
        await self.drained()
        return self.take()

    def close(self) -> None:
        self.ear.close()
        self.network.close()


def told_in_python(packets: Sequence[Sent]) -> tuple[two_readers.Heard, list[float]]:
    """What Python hears of such packets, and thinks of each sound of 20 ms."""
    caller, plain = session(Policy.SSRC_ANY_OUTBOUND), two_readers.Heard(None)
    detector: Detector = model().detector()
    for sent in packets:
        plain.take(caller.protect(sent.packet()))
    return plain, [detector.probability(AudioChunk(sound)) for sound in plain.sound]


def assert_heard_alike(call: LentCall, packets: Sequence[Sent]) -> None:
    plain, voices = told_in_python(packets)
    assert np.array_equal(np.concatenate(call.heard.sound), np.concatenate(plain.sound))
    assert call.voices == pytest.approx(voices)
    counted, stock = call.heard.counters[7], plain.counters[7]
    assert (counted.packets_received, counted.max_seq) == (stock.packets_received, stock.max_seq)
    assert call.heard.reception.lost == plain.reception.lost == 0
