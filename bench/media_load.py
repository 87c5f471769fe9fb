"""The callers' side of `bench.media`: many light callers in one process, and what they notice.

A caller sends packets encoded beforehand over the short path and notes when each answer packet
arrives; it decodes nothing, so that forty of them fit on one core beside the server's. Each sends
at a phase of its own within the 20 ms, as people do who know nothing of each other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench.lateness import SenderClock
from media.audio import Samples
from media.opus import FRAME, FRAME_SECONDS, Encoder, OpusSettings
from media.pacer import Pacer
from media.packets import RtpPacket
from media.rtp import ShortPath
from media.track import Packet, SpeakerTrack


class NotTaken(Exception):
    """The server did not take the call."""


_PATIENCE = 20.0
"""Seconds that a call may take to be connected."""
_GOLDEN = 0.618
"""Multiples of it, modulo 1, are spread evenly for any number of callers."""
_FIRST = 3.0
"""Seconds that the first packet of a call is waited for."""


def encoded(samples: Samples) -> list[bytes]:
    """48 kHz samples as Opus packets of 20 ms."""
    encoder = Encoder(OpusSettings(bitrate=32_000))
    whole = len(samples) - len(samples) % FRAME
    return [encoder.encode(samples[start : start + FRAME]) for start in range(0, whole, FRAME)]


class Mouth:
    """What a short path takes a speaker for: packets from a list, again and again."""

    is_closed = False
    is_short = False

    def __init__(self, packets: Sequence[bytes], offset: int) -> None:
        self._packets = packets
        self._next = offset
        self.track = SpeakerTrack(self.leave)
        self.begun: list[float] = []
        """When each round of the packets began to leave (time.monotonic)."""

    def speak_codec(self, name: str) -> bool:
        return True

    def prepare(self) -> Sequence[bytes]:
        """Nothing: its packets are there already."""
        return ()

    def leave(self) -> Packet:
        index = self._next % len(self._packets)
        if index == 0:
            self.begun.append(time.monotonic())
        self._next += 1
        return Packet(self._packets[index], begins=False)


class Caller:
    """One call to the server."""

    def __init__(
        self,
        packets: Sequence[bytes],
        *,
        offset: int = 0,
        phase: float = 0.0,
        loss: float = 0.0,
        is_answered: bool = True,
    ) -> None:
        """`phase`: where in the 20 ms its packets leave, 0 to 1; `is_answered`: whether the agent
        talks at once, so that its first packet is waited for."""
        self.mouth = Mouth(packets, offset)
        self.arrivals: list[tuple[float, int, bytes]] = []
        """When each packet came, its RTP timestamp and payload."""
        self.connected = self.first_packet = float("nan")
        """Seconds from the offer; no first packet comes from who has nothing to say."""
        self._loss = loss
        self._phase = phase * FRAME_SECONDS
        self._is_answered = is_answered
        self._leave: Callable[[], None] | None = None
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = self._pc.addTransceiver(self.mouth.track, direction="sendrecv")
        self._short: Any = ShortPath(transceiver, self.mouth, lambda samples: None)
        # As real callers do; FastRTC hears nothing before.
        self._pc.createDataChannel("control")
        self._is_up = asyncio.Event()

    async def call(self, session: aiohttp.ClientSession, url: str) -> None:
        """Connect, and talk from then on."""
        begun = time.monotonic()
        self._pc.on("connectionstatechange", self._look)
        await self._pc.setLocalDescription(await self._pc.createOffer())
        offer = {"sdp": self._pc.localDescription.sdp}
        async with session.post(url, json=offer) as response:
            if response.status != 200:
                raise NotTaken(f"HTTP {response.status} to the offer")
            answer = (await response.json())["sdp"]
        await self._pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._is_up.wait()
        self.connected = time.monotonic() - begun
        # aiortc starts its sender and receiver right after, and tells nobody.
        while self._short.reception is None or self._short._outward is None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        first = asyncio.Event()
        self._short.reception.tick = lambda *_: None

        def note(packet: RtpPacket, now: float) -> None:
            self.arrivals.append((time.monotonic(), packet.timestamp, packet.payload))
            first.set()

        self._short.reception.arrive = note
        if self._loss:
            self._lose(self._short._outward)
        now = asyncio.get_running_loop().time()
        await asyncio.sleep((self._phase - now) % FRAME_SECONDS)
        self._leave = Pacer().join(self._short.step, self._fail)
        if not self._is_answered:
            return
        try:
            async with asyncio.timeout(_FIRST):
                await first.wait()
            self.first_packet = self.arrivals[0][0] - begun
        except TimeoutError:
            self.first_packet = float("nan")

    async def close(self) -> None:
        if self._leave is not None:
            self._leave()
        await self._pc.close()

    def lateness(self, since: float) -> list[float]:
        """Seconds by which each packet that came after `since` was later than the earliest."""
        clock = SenderClock()
        ways = [(at, at - clock.seconds(stamp)) for at, stamp, _ in self.arrivals]
        late = np.array([way for at, way in ways if at > since])
        return list(late - late.min()) if len(late) else []

    def _lose(self, outward: Any) -> None:
        stock, generator = outward.send, random.Random(1)

        def send(payload: bytes, marker: bool, tick: int) -> None:
            if generator.random() < self._loss:
                outward._sequence = outward._sequence + 1 & 0xFFFF
            else:
                stock(payload, marker, tick)

        outward.send = send

    def _look(self) -> None:
        if self._pc.connectionState == "connected":
            self._is_up.set()

    @staticmethod
    def _fail(error: Exception) -> None:
        raise error


@asynccontextmanager
async def callers(
    count: int,
    url: str,
    packets: Sequence[bytes],
    *,
    loss: float = 0.0,
    are_answered: bool = True,
) -> AsyncIterator[list[Caller]]:
    """`count` callers that are connected and talking."""
    made = [
        Caller(
            packets,
            offset=-7 * number,
            phase=number * _GOLDEN % 1.0,
            loss=loss,
            is_answered=are_answered,
        )
        for number in range(count)
    ]
    async with aiohttp.ClientSession() as session:
        try:
            for caller in made:
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await caller.call(session, f"{url}/offer")
                except TimeoutError:
                    raise NotTaken(f"a call was not connected within {_PATIENCE} s") from None
            yield made
        finally:
            for caller in made:
                await caller.close()
