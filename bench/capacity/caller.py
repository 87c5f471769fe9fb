"""A light caller: it says packets encoded beforehand, and notes what comes back, undecoded.

Thirty-two of them take less of a core than the server's side of three calls.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench.lateness import Lateness
from bench.media_load import encoded
from bench.recordings import Spoken
from media.audio import Resampler
from media.opus import FRAME, FRAME_SECONDS, WIRE_RATE
from media.pacer import Pacer
from media.packets import RtpPacket
from media.rtp import ShortPath
from media.track import Packet, SpeakerTrack

Message = dict[str, Any]

PATIENCE = 20.0
"""Seconds that a call may take to be connected."""
_SILENCE = encoded(np.zeros(FRAME * 2, np.int16))[1]


class Refused(Exception):
    """The server took no call. `seconds` after which it said so, `status` by which."""

    def __init__(self, status: int, seconds: float, retry_after: float) -> None:
        super().__init__(f"HTTP {status} after {1000 * seconds:.0f} ms")
        self.status = status
        self.seconds = seconds
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Phrase:
    """A recording, ready to be said; `voiced`: packets up to the end of its voice."""

    name: str
    packets: tuple[bytes, ...]
    voiced: int

    @classmethod
    def of(cls, spoken: Spoken) -> Phrase:
        resampler = Resampler(spoken.audio.rate, WIRE_RATE)
        samples = np.concatenate([resampler.feed(spoken.audio.samples), resampler.flush()])
        return cls(spoken.name, tuple(encoded(samples)), round(spoken.end / FRAME_SECONDS))

    @property
    def seconds(self) -> float:
        return len(self.packets) * FRAME_SECONDS


class _Mouth:
    """What a short path takes a speaker for: phrases, and silence between them."""

    is_closed = False
    is_short = False

    def __init__(self) -> None:
        self.track = SpeakerTrack(self.leave)
        self._left: deque[bytes] = deque()
        self._voiced = 0
        self._said: asyncio.Future[float] | None = None

    def speak_codec(self, name: str) -> bool:
        return True

    def say(self, phrase: Phrase) -> asyncio.Future[float]:
        """Becomes the moment (time.monotonic) in which its last voiced packet left."""
        self._left.extend(phrase.packets)
        self._voiced = phrase.voiced
        self._said = asyncio.get_running_loop().create_future()
        return self._said

    def prepare(self) -> Sequence[bytes]:
        """Nothing: its packets are there already."""
        return ()

    def leave(self) -> Packet:
        if not self._left:
            return Packet(_SILENCE, begins=False)
        packet = self._left.popleft()
        self._voiced -= 1
        if self._voiced == 0 and self._said is not None and not self._said.done():
            self._said.set_result(time.monotonic())
        return Packet(packet, begins=False)


class Caller:
    """One call to the server."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, Message]] = []
        """What came over the control channel, and when (time.monotonic)."""
        self.spurts: list[float] = []
        """When the agent began to sound after silence."""
        self.lateness: list[float] = []
        """Seconds by which each packet came later than the earliest of its talkspurt."""
        self.is_gone = False
        self._mouth = _Mouth()
        self._judged = Lateness()
        self._leave: Callable[[], None] | None = None
        self._changed = asyncio.Event()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self._pc.addTransceiver(self._mouth.track, direction="sendrecv")
        self._short: Any = ShortPath(transceiver, self._mouth, lambda samples: None)
        channel = self._pc.createDataChannel("control")
        channel.on("message", self._take)
        self._pc.on("connectionstatechange", self._look)

    async def call(self, session: aiohttp.ClientSession, url: str, pacer: Pacer) -> None:
        """Connect. Raises Refused, TimeoutError."""
        await self._pc.setLocalDescription(await self._pc.createOffer())
        offer = {"sdp": self._pc.localDescription.sdp, "type": "offer"}
        asked = time.monotonic()
        async with session.post(f"{url}/offer", json=offer) as response:
            if response.status != 200:
                after = float(response.headers.get("Retry-After", 15))
                raise Refused(response.status, time.monotonic() - asked, after)
            answer = (await response.json())["sdp"]
        await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(PATIENCE):
            await self._until(lambda: self._pc.connectionState == "connected")
            # aiortc starts its sender and receiver right after, and tells nobody.
            while self._short.reception is None or self._short._outward is None:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        self._short.reception.tick = lambda *_: None
        self._short.reception.arrive = self._arrive
        self._leave = pacer.join(self._short.step, self._fail)

    async def say(self, phrase: Phrase) -> float:
        """Say it; when its voice ended (time.monotonic)."""
        return await self._mouth.say(phrase)

    async def settled(self, since: float, *, within: float) -> list[tuple[float, Message]]:
        """The messages after `since`, once the turn is over and the agent listens again.

        Raises TimeoutError; ConnectionError when the call is over."""
        async with asyncio.timeout(within):
            while True:
                told = [(at, each) for at, each in self.messages if at >= since]
                if _is_settled([each for _, each in told]):
                    return told
                if self.is_gone:
                    raise ConnectionError("the call is over")
                self._changed.clear()
                await self._changed.wait()

    async def greeted(self) -> None:
        """Wait until the agent has greeted and listens."""
        async with asyncio.timeout(PATIENCE):
            await self._until(lambda: self._count("reply.spoken") > 0 or self.is_gone)
            await self._until(lambda: self._phase() == "listening" or self.is_gone)

    async def close(self) -> None:
        if self._leave is not None:
            self._leave()
        await self._pc.close()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    def _count(self, kind: str) -> int:
        return sum(each["type"] == kind for _, each in self.messages)

    def _phase(self) -> str:
        phases = [each["phase"] for _, each in self.messages if each["type"] == "phase"]
        return str(phases[-1]) if phases else ""

    def _take(self, text: str | bytes) -> None:
        self.messages.append((time.monotonic(), json.loads(text)))
        self._changed.set()

    def _arrive(self, packet: RtpPacket, now: float) -> None:
        at = time.monotonic()
        if packet.marker:
            self.spurts.append(at)
        self.lateness.append(self._judged.feed(packet, at))

    def _look(self) -> None:
        self.is_gone = self.is_gone or self._pc.connectionState in ("closed", "failed")
        self._changed.set()

    @staticmethod
    def _fail(error: Exception) -> None:
        raise error


def _is_settled(told: Sequence[Message]) -> bool:
    ended = any(each["type"] in ("turn.finished", "turn.dropped") for each in told)
    phases = [each["phase"] for each in told if each["type"] == "phase"]
    return ended and bool(phases) and phases[-1] in ("listening", "ended")
