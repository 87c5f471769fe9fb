"""What a caller in Python says: a track that sends audio in real time, and silence between.

Encoded by our own Opus (a tenth of aiortc's CPU), so that many callers fit beside a server that
is measured.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from media.audio import AudioChunk, Resampler, Samples
from media.opus import FRAME, FRAME_SECONDS, WIRE_RATE, Encoder, OpusSettings
from media.track import Ticks

VOICED = -45.0
"""Decibels of full scale above which 20 ms count as voice."""
VOICE_RANGE = 30.0
"""Decibels under a recording's loudest 20 ms below which it is its room that is heard."""

_TIME_BASE = Fraction(1, WIRE_RATE)


@dataclass(frozen=True, slots=True)
class Said:
    """When something was said, in loop time: its first sample, its last voiced one, its last.

    The times are those at which the sample would have left a real microphone: a frame is sent when
    its last sample is in."""

    begin: float
    voice_end: float
    end: float


@dataclass(slots=True)
class _Saying:
    """An utterance on its way: frames still to be sent, and what is known of its times."""

    frames: deque[Samples]
    last_voiced: int
    done: asyncio.Future[Said]
    sent: int = 0
    begin: float = 0.0
    voice_end: float = 0.0


class VoiceTrack(MediaStreamTrack):
    """Sends what it is given to say, one Opus packet per 20 ms, silence otherwise."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = Encoder(OpusSettings(bitrate=32_000, mode="audio"))
        self._sayings: deque[_Saying] = deque()
        self._silence: Samples = np.zeros(FRAME, np.int16)
        self._ticks: Ticks | None = None
        self.is_cut = False
        """Send no packets at all, as a peer that went away."""
        self.around: Callable[[float], Samples] | None = None
        """What the microphone hears besides: a frame of it for each loop time it is asked with."""

    async def say(self, audio: AudioChunk) -> Said:
        """Say audio of any rate after what is being said; done when its last sample has left.

        Raises MediaStreamError when the track was stopped before."""
        if self.readyState != "live":
            raise MediaStreamError("the call has ended")
        frames = frames_of(audio)
        done: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        saying = _Saying(deque(frames), _last_voiced(frames), done)
        self._sayings.append(saying)
        try:
            return await done
        finally:
            saying.frames.clear()

    async def recv(self) -> av.Packet[Any]:
        """The next packet, when its time has come. Raises MediaStreamError once stopped."""
        clock = asyncio.get_running_loop().time
        if self._ticks is None:
            self._ticks = Ticks(clock())
        while self.readyState == "live":
            if (wait := self._ticks.wait(clock())) > 0:
                await asyncio.sleep(wait)
                continue
            tick = self._ticks.take(clock())
            payload = self._encoder.encode(self._heard(clock()))
            if not self.is_cut:
                return _timed(payload, tick)
            # A frame that is thrown away must not spin the sender.
            await asyncio.sleep(FRAME_SECONDS / 4)
        raise MediaStreamError

    def stop(self) -> None:
        """End the track; who waits for something to be said is told."""
        super().stop()
        for saying in self._sayings:
            if not saying.done.done():
                saying.done.set_exception(MediaStreamError("the call has ended"))
        self._sayings.clear()

    def _heard(self, now: float) -> Samples:
        voice = self._next(now)
        if self.around is None:
            return voice
        mixed = voice.astype(np.int32) + self.around(now)
        heard: Samples = np.clip(mixed, -32768, 32767).astype(np.int16)
        return heard

    def _next(self, now: float) -> Samples:
        while self._sayings and not self._sayings[0].frames:
            self._sayings.popleft()
        if not self._sayings:
            return self._silence
        saying = self._sayings[0]
        frame = saying.frames.popleft()
        if saying.sent == 0:
            saying.begin = now - FRAME_SECONDS
        if saying.sent == saying.last_voiced:
            saying.voice_end = now
        saying.sent += 1
        if not saying.frames and not saying.done.done():
            saying.done.set_result(Said(saying.begin, saying.voice_end, now))
        return frame


def is_voiced(frame: Samples, floor: float = VOICED) -> bool:
    """Whether a short stretch of samples is louder than `floor` decibels of full scale."""
    return level(frame) > floor


def level(samples: Samples) -> float:
    """Decibels of full scale (root mean square) of samples of shape (n,)."""
    if not len(samples):
        return -120.0
    power = float(np.mean(np.square(samples.astype(np.float32) / 32_768)))
    return 10 * float(np.log10(power + 1e-12))


def _last_voiced(frames: list[Samples]) -> int:
    """The last frame that is voice, and not the recording's own noise after it."""
    levels = [level(frame) for frame in frames]
    floor = max(VOICED, max(levels) - VOICE_RANGE)
    return max(
        (index for index, each in enumerate(levels) if each > floor), default=len(levels) - 1
    )


def frames_of(audio: AudioChunk) -> list[Samples]:
    """The audio at the wire's rate, in frames of 20 ms, the last one filled with silence."""
    resampler = Resampler(audio.rate, WIRE_RATE)
    samples = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
    missing = -len(samples) % FRAME if len(samples) else FRAME
    padded = np.concatenate([samples, np.zeros(missing, np.int16)])
    return [padded[start : start + FRAME] for start in range(0, len(padded), FRAME)]


def _timed(payload: bytes, tick: int) -> av.Packet[Any]:
    packet = av.Packet(payload)
    packet.pts = tick * FRAME
    packet.time_base = _TIME_BASE
    return packet
