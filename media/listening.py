"""Listening over aiortc's own receive path: a remote track's frames become microphone chunks.

It works with any aiortc and any codec it decodes, at the price of the 80 ms that aiortc's buffer
holds back. Time goes on when nothing arrives (a peer in DTX, a broken network): chunks of silence
take the place of what is missing, so that an utterance still ends.
"""

from __future__ import annotations

import asyncio

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from media.audio import CALLER_RATE, AudioChunk, Resampler, Samples
from media.microphone import CHUNK, CHUNK_SECONDS, Chunker, Intake

PATIENCE = 0.2
"""Seconds without a frame after which silence takes its place."""


async def listen(track: MediaStreamTrack, microphone: Intake) -> None:
    """Move a remote audio track's sound into the microphone until the track ends, then close it.

    aiortc's queue is unbounded: this drains it always, whether or not anybody listens."""
    resampler = Resampler(CALLER_RATE, CALLER_RATE)
    chunker = Chunker()
    clock = asyncio.get_running_loop().time
    silent_since: float | None = None
    try:
        while True:
            wait = PATIENCE if silent_since is None else CHUNK_SECONDS
            try:
                async with asyncio.timeout(wait):
                    frame = await track.recv()
            except TimeoutError:
                now = clock()
                silent_since = now - PATIENCE if silent_since is None else silent_since
                while silent_since + CHUNK_SECONDS <= now:
                    silent_since += CHUNK_SECONDS
                    microphone.put(AudioChunk(np.zeros(CHUNK, np.int16)))
                continue
            silent_since = None
            if not isinstance(frame, AudioFrame):
                continue
            if frame.sample_rate != resampler.source:
                resampler = Resampler(frame.sample_rate, CALLER_RATE, prompt=True)
            for chunk in chunker.feed(resampler.feed(mono(frame))):
                microphone.put(chunk)
    except MediaStreamError:
        pass
    finally:
        microphone.close()


def mono(frame: AudioFrame) -> Samples:
    """The frame's channels mixed into one, int16. Raises ValueError unless it is packed int16."""
    if frame.format.name != "s16":
        raise ValueError(f"aiortc decodes to s16, got {frame.format.name}")
    channels = len(frame.layout.channels)
    samples = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
    if channels == 1:
        return samples
    mixed = samples.reshape(-1, channels).sum(axis=1, dtype=np.int32) // channels
    return np.asarray(mixed, np.int16)
