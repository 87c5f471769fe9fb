"""Two real aiortc peers, connected over this machine's own network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
)

from media.audio import Samples
from media.track import Ticks
from signaling.gathering import Gatherer
from signaling.ice import IceSettings


@dataclass(frozen=True)
class Line:
    """A connected caller and callee; each has sent its track to the other."""

    caller: RTCPeerConnection
    callee: RTCPeerConnection

    @property
    def receiver(self) -> RTCRtpReceiver:
        """The callee's receiver of what the caller says."""
        return self.callee.getReceivers()[0]

    @property
    def sender(self) -> RTCRtpSender:
        return self.callee.getSenders()[0]


class Playing(MediaStreamTrack):
    """A caller's microphone: mono samples in real time, then silence."""

    kind = "audio"

    def __init__(self, samples: Samples, rate: int) -> None:
        super().__init__()
        self._samples, self._rate, self._frame = samples, rate, rate // 50
        self._ticks: Ticks | None = None

    async def recv(self) -> av.AudioFrame:
        clock = asyncio.get_running_loop().time
        if self._ticks is None:
            self._ticks = Ticks(clock())
        await asyncio.sleep(self._ticks.wait(clock()))
        tick = self._ticks.take(clock())
        samples = np.zeros(self._frame, np.int16)
        said = self._samples[tick * self._frame : (tick + 1) * self._frame]
        samples[: len(said)] = said
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = self._rate, tick * self._frame
        frame.time_base = Fraction(1, self._rate)
        return frame


@asynccontextmanager
async def connect(
    caller_says: MediaStreamTrack,
    answer: Callable[[RTCPeerConnection], object],
    *,
    codec: str = "audio/opus",
) -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    """Connect a caller that speaks `codec` to a callee whose audio `answer` sets up, and whose
    sockets are the server's.

    Both are closed at the end."""
    caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    callee = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        transceiver = caller.addTransceiver(caller_says, direction="sendrecv")
        known = RTCRtpSender.getCapabilities("audio").codecs
        transceiver.setCodecPreferences([each for each in known if each.mimeType == codec])
        await caller.setLocalDescription(await caller.createOffer())
        await callee.setRemoteDescription(caller.localDescription)
        callee.getTransceivers()[0].direction = "sendrecv"
        answer(callee)
        Gatherer(IceSettings()).prepare(callee)
        await callee.setLocalDescription(await callee.createAnswer())
        await caller.setRemoteDescription(callee.localDescription)
        yield caller, callee
    finally:
        await caller.close()
        await callee.close()


@asynccontextmanager
async def line(
    caller_says: MediaStreamTrack, callee_says: MediaStreamTrack, *, codec: str = "audio/opus"
) -> AsyncIterator[Line]:
    """Connect two peers that each send a track."""
    async with connect(caller_says, lambda callee: callee.addTrack(callee_says), codec=codec) as (
        caller,
        callee,
    ):
        yield Line(caller, callee)
