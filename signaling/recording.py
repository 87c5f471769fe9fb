"""What a caller in Python hears: each frame of the agent's audio, and when its packet arrived.

aiortc holds audio back for 80 ms before it decodes, so the arrival of the packets is noted as they
come: a measurement must not count the listener's own buffer.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import AudioFrame

from media.audio import AudioChunk, Resampler, Samples
from media.listening import mono
from media.opus import WIRE_RATE
from signaling.voice_track import is_voiced

_GAP = WIRE_RATE // 5
"""Samples (200 ms) between two frames' arrivals that are a pause, and not jitter."""


@dataclass(frozen=True, slots=True, eq=False)
class HeardFrame:
    """A frame of the agent's: samples at 48 kHz, and the loop time when its packet arrived."""

    at: float
    samples: Samples


class Recording:
    """Everything that arrived since `began` (loop time)."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.frames: list[HeardFrame] = []
        self._arrivals: dict[int, float] = {}
        self._voiced = asyncio.Event()

    def tap(self, receiver: RTCRtpReceiver) -> None:
        """Note when packets arrive. Without it a frame's time is that of its decoding.

        A connection that takes over is tapped anew: its packets count from another beginning."""
        arrivals: dict[int, float] = {}
        self._arrivals = arrivals
        origin: int | None = None
        deliver = getattr(receiver, "_handle_rtp_packet", None)
        if deliver is None:
            return
        clock = asyncio.get_running_loop().time

        async def note(packet: RtpPacket, arrival_time_ms: int) -> None:
            nonlocal origin
            if origin is None:
                origin = packet.timestamp
            arrivals.setdefault((packet.timestamp - origin) % (1 << 32), clock())
            await deliver(packet, arrival_time_ms)

        # The receiver's public face tells of decoded frames only.
        receiver._handle_rtp_packet = note  # type: ignore[method-assign]

    async def listen(self, track: MediaStreamTrack) -> None:
        """Keep what the track brings until it ends."""
        clock, arrivals = asyncio.get_running_loop().time, self._arrivals
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, AudioFrame):
                    at = arrivals.pop(frame.pts or 0, clock())
                    self.frames.append(HeardFrame(at, mono(frame)))
                    if is_voiced(self.frames[-1].samples):
                        self._voiced.set()
        except MediaStreamError:
            return

    def audio(self, rate: int = WIRE_RATE, *, since: float | None = None) -> AudioChunk:
        """What was heard from `since` (loop time; the beginning) on, silence where nothing came."""
        begin = self.began if since is None else since
        heard = self.frames[bisect_left(self.frames, begin, key=lambda frame: frame.at) :]
        samples = _laid_out(heard, begin)
        if rate == WIRE_RATE:
            return AudioChunk(samples, WIRE_RATE)
        resampler = Resampler(WIRE_RATE, rate)
        return AudioChunk(np.concatenate([resampler.feed(samples), resampler.flush()]), rate)

    def first_voice(self, since: float) -> float | None:
        """Loop time of the agent's first audible frame that arrived at `since` or later."""
        begin = bisect_left(self.frames, since, key=lambda frame: frame.at)
        return next((frame.at for frame in self.frames[begin:] if is_voiced(frame.samples)), None)

    def last_voice(self) -> float | None:
        """Loop time of the agent's last audible frame so far."""
        return next((each.at for each in reversed(self.frames) if is_voiced(each.samples)), None)

    async def next_voice(self, since: float) -> float:
        """Wait for the agent's first audible frame at `since` or later; its loop time."""
        while (at := self.first_voice(since)) is None:
            self._voiced.clear()
            await self._voiced.wait()
        return at

    async def fell_silent(self, seconds: float) -> None:
        """Wait until the agent has been inaudible for `seconds`."""
        clock = asyncio.get_running_loop().time
        while (last := self.last_voice()) is not None:
            self._voiced.clear()
            try:
                async with asyncio.timeout_at(last + seconds):
                    await self._voiced.wait()
            except TimeoutError:
                if clock() - (self.last_voice() or last) >= seconds:
                    return


def _laid_out(frames: list[HeardFrame], begin: float) -> Samples:
    """Frames one after another where they adjoin, and where they arrived after a pause."""
    if not frames:
        return np.zeros(0, np.int16)
    places: list[int] = []
    end = 0
    for frame in frames:
        arrived = max(0, round((frame.at - begin) * WIRE_RATE))
        is_late = arrived - end > _GAP
        end = arrived if is_late else end
        places.append(end)
        end += len(frame.samples)
    laid = np.zeros(end, np.int16)
    for place, frame in zip(places, frames, strict=True):
        laid[place : place + len(frame.samples)] = frame.samples
    return laid
