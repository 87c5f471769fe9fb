"""A speaker's way out, over a queue and a sender that are not the real ones."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aiortc.rtcdtlstransport import State
from aiortc.rtp import HeaderExtensionsMap

from media import outward
from media.audio import AudioChunk
from media.clips import Clips
from media.departures import Left
from media.leaving import Leaving
from media.opus import VOICE_RATE
from media.outward import Outward
from media.speaker import Speaker, SpeakerSettings
from media.track import EARLY, Packet, Ticks
from tests.media.test_ahead import ACTS, voice

SAMPLES = {"opus": 960, "PCMA": 160}
"""Of a packet, by RTP's clock."""
_GRACE = 0.0015
_EARLY = 1e-6
"""Seconds by which sums of steps may differ."""

Sent = tuple[bytes, int, int]
"""Payload, sequence number, timestamp."""


class Queue:
    """What `media/native/sendqueue.c` does, told the time."""

    def __init__(self, room: int = 16) -> None:
        self.wire: list[Sent] = []
        self.left_at: list[float] = []
        """When each packet left."""
        self._now = 0.0
        self.led = 0.0
        """Until when packets leave at their very time."""
        self._waiting: deque[tuple[Sent, float]] = deque()
        self._early: deque[Sent] = deque()
        self._room = room

    def pass_time(self, now: float) -> None:
        self._now = now
        while self._waiting and self._leaves_at(self._waiting[0][1]) <= now:
            self._early.append(self._waiting.popleft()[0])
            self._let_go(self._early[-1])

    def _leaves_at(self, due: float) -> float:
        return due - _EARLY if due <= self.led else due + _GRACE

    def _let_go(self, packet: Sent) -> None:
        self.wire.append(packet)
        self.left_at.append(self._now)

    def send(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> int:
        self._let_go((payload, sequence, timestamp))
        return len(payload)

    def queue(self, payload: bytes, sequence: int, timestamp: int, due: float) -> bool:
        if len(self._waiting) + len(self._early) >= self._room:
            return False
        self._waiting.append(((payload, sequence, timestamp), due))
        return True

    def lead(self, through: float) -> None:
        self.led = through

    def release(self) -> Left | None:
        if self._early:
            return Left(len(self._early.popleft()[0]), late=0.002)
        if not self._waiting:
            return None
        self._let_go(self._waiting.popleft()[0])
        return Left(len(self.wire[-1][0]), late=None)

    def take_back(self) -> int:
        self._waiting.clear()
        return len(self._early)


def outgoing(codec: str) -> tuple[Any, Outward]:
    """aiortc's sender, as far as it is looked at, and what it sends by."""
    pair = SimpleNamespace(protocol=SimpleNamespace(transport=None), remote_addr=None)
    ice = SimpleNamespace(_nominated={1: pair})
    dtls = SimpleNamespace(
        transport=SimpleNamespace(_connection=ice),
        _state=State.CONNECTED,
        _tx_srtp=None,
        _RTCDtlsTransport__tx_bytes=0,
        _RTCDtlsTransport__tx_packets=0,
    )
    sender = SimpleNamespace(
        transport=dtls,
        _ssrc=7,
        _enabled=True,
        _RTCRtpSender__rtp_header_extensions_map=HeaderExtensionsMap(),
        _RTCRtpSender__octet_count=0,
        _RTCRtpSender__packet_count=0,
    )
    spoken: Any = SimpleNamespace(clockRate=SAMPLES[codec] * 50, payloadType=111)
    return sender, Outward(sender, spoken, "0")


class Call:
    """A speaker and its way out, in a process that may be busy while time passes, and that sleeps
    through as many steps as it may, at most `most` in a row."""

    def __init__(
        self, room: int = 16, codec: str = "opus", most: int = 0, buffer: float = 10.0
    ) -> None:
        self.queue = Queue(room)
        self.speaker = Speaker(SpeakerSettings(buffer=buffer), Clips())
        self.speaker.speak_codec(codec)
        self.sender, out = outgoing(codec)
        with patch.object(outward, "departures", lambda *_: self.queue):
            out._open_way()
        self.leaving = Leaving(self.speaker, out)
        self.speaker.on_play = self.make_up
        self.speaker.before_change = self._take_back
        self.speaker.on_wait = self._wake
        self.speaker.behind = lambda: self.leaving.behind(self.steps_behind)
        self.late: list[float | None] = []
        self.beats = 0
        """How often the process was awake."""
        self._most = most
        self._next = 0
        """The step that is taken next."""
        self._wanted = 0
        """The step at which it is to be awake."""
        self._clock = asyncio.get_running_loop().time
        self._start = self._clock()
        self._ticks = Ticks(self._start)

    async def pass_time(self, seconds: float, *, busy: bool = False) -> None:
        """Time passes; busy: without a step being taken."""
        end = self._clock() + seconds
        while self._clock() < end:
            await asyncio.sleep(min(0.005, end - self._clock()))
            self.queue.pass_time(self._clock())
            if not busy and (behind := self.steps_behind):
                if self._next + behind > self._wanted:
                    await self._beat()

    @property
    def steps_behind(self) -> int:
        """Steps that have come and were not taken."""
        soon, following = self._clock() + EARLY, self._next
        return next(n for n in count() if self._ticks.time(following + n) > soon)

    @property
    def steps_to_sleep(self) -> int:
        """Steps that are still to come and are slept through."""
        return max(0, self._wanted - self._next - self.steps_behind)

    def make_up(self) -> None:
        """Take the steps that it rested through."""
        while self.steps_behind and self._next < self._wanted:
            self._step()
        self._wake()

    async def _beat(self) -> None:
        self.beats += 1
        while self.steps_behind:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self.steps_behind:
                self._step()
        if self._most:
            tick = self._next - 1
            rest = self.leaving.rest(tick, self._ticks.time(tick), self._most)
            self._wanted = self._next + rest

    def _step(self) -> None:
        has_rested = self._next < self._wanted
        tick = self._ticks.take(self._ticks.due if has_rested else self._clock())
        self._next = tick + 1
        self.late.append(self.leaving.step(tick, self._ticks.time(tick)))

    def _wake(self) -> None:
        """Be awake at the next step that comes."""
        self._wanted = min(self._wanted, self._next + self.steps_behind)

    def _take_back(self) -> None:
        self.leaving.take_back()
        self._wake()

    @property
    def packets(self) -> list[bytes]:
        return [payload for payload, _, _ in self.queue.wire]


OTHER_ACTS = {
    **{what: act for what, act in ACTS.items() if what not in ("telephone", "browser")},
    "nothing": lambda speaker: None,
}
_PHRASE = AudioChunk(voice(0.13, seed=9), VOICE_RATE)
Script = list[tuple[str, int, int]]
"""What is done, then milliseconds that pass, and milliseconds for which the process is busy."""


async def talking(room: int = 16, codec: str = "opus", most: int = 0) -> Call:
    """A call whose agent talks, and has much to say."""
    call = Call(room, codec, most)
    await call.speaker.play(AudioChunk(voice(3.0), VOICE_RATE))
    await call.pass_time(0.3)
    return call


async def do(speaker: Speaker, what: str, amount: int) -> None:
    if what == "say":
        await speaker.play(AudioChunk(voice(0.1 + amount / 400, seed=amount), VOICE_RATE))
    elif what == "phrase":
        await speaker.play(_PHRASE)
    else:
        OTHER_ACTS[what](speaker)


async def busy_call(script: Script, codec: str, most: int = 0) -> tuple[Call, list[int]]:
    """A call, and at which step each thing was done: where the listener was."""
    call, steps = Call(codec=codec, most=most), list[int]()
    await do(call.speaker, "phrase", 0)  # the second time it is a clip
    for what, passes, busy in script:
        if not call.speaker.is_speaking:
            call.make_up()
        if what not in ("say", "phrase", "nothing"):
            call.leaving.take_back()  # so that the step is the one where the listener is
        steps.append(call.leaving._through + 1)
        await do(call.speaker, what, passes)
        await call.pass_time(passes / 1000)
        await call.pass_time(busy / 1000, busy=True)
    await call.pass_time(0.1)
    call.leaving.take_back()
    return call, steps


async def plain_call(
    script: Script, codec: str, at: list[int], last: int
) -> list[tuple[int, bytes]]:
    """Steps and packets of a speaker to which the same happens at the same steps, and whose packets
    all wait for it."""
    speaker, left = Speaker(SpeakerSettings(buffer=10.0), Clips()), list[tuple[int, bytes]]()
    speaker.speak_codec(codec)
    await do(speaker, "phrase", 0)
    step = 0
    for place, (what, passes, _) in enumerate([*script, ("nothing", 0, 0)]):
        until = at[place] if place < len(at) else last + 1
        while step < until:
            packet: Packet | None = speaker.leave()
            if packet is not None:
                left.append((step, packet.payload))
            step += 1
        await do(speaker, what, passes)
    return left
