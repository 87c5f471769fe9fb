"""A socket's audio on its way to the microphone, at the pace of speech.

A socket brings audio in bursts, faster than it was spoken, or not at all for a while; the
conversation counts on one second of audio per second. `Incoming` keeps what came early and hands
it out in steps of 20 ms; where nothing comes for longer than a network may hesitate, the line is
silent. Pure: `step()` is called every 20 ms.
"""

from __future__ import annotations

from collections import deque

from media.audio import AudioChunk, silence
from media.codecs import Inbound, inbound
from media.microphone import CHUNK_SECONDS, Chunker
from signaling.realtime.config import Format
from signaling.realtime.refusal import Refused

CODECS = {"audio/pcm": "pcm24", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}
"""The codec of a format, by its name in media/codecs.py."""
CAPACITY = 120.0
"""Seconds of audio that may wait."""
HESITATION = 10
"""Steps without audio that are waited for before the line counts as silent."""
BEHIND = 5
"""Chunks that may wait before two are handed out in one step."""


class Incoming:
    """One caller's audio."""

    def __init__(self, spoken: Format) -> None:
        self._waiting: deque[AudioChunk] = deque()
        self._chunker = Chunker()
        self._missing = 0
        self.format = spoken
        self._codec = _decoder(spoken)

    def speak(self, spoken: Format) -> None:
        """What comes from now on is in this format."""
        if spoken != self.format:
            self.format = spoken
            self._codec = _decoder(spoken)

    def take(self, payload: bytes) -> None:
        """Audio has come. Raises Refused when more waits than is kept."""
        if not payload:
            return
        if len(self._waiting) * CHUNK_SECONDS + self._codec.seconds(payload) > CAPACITY:
            raise Refused(
                "input_audio_buffer_full", f"more than {CAPACITY:.0f} seconds of audio wait"
            )
        self._waiting.extend(self._chunker.feed(self._codec.decode(payload)))

    def step(self) -> list[AudioChunk]:
        """What the microphone hears in these 20 ms."""
        if self._waiting:
            self._missing = 0
            count = 2 if len(self._waiting) > BEHIND else 1
            return [self._waiting.popleft() for _ in range(count)]
        self._missing += 1
        return [silence(CHUNK_SECONDS)] if self._missing > HESITATION else []


def _decoder(spoken: Format) -> Inbound:
    codec = inbound(CODECS[spoken.type])
    assert codec is not None, "every format has its codec"
    return codec
