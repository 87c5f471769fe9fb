"""A socket's audio on its way to the microphone, at the pace of speech.

A socket brings audio in bursts, faster than it was spoken, or not at all for a while; the
conversation counts on one second of audio per second. `Incoming` keeps what came early and hands
it out in steps of 20 ms; where nothing comes for longer than a network may hesitate, the line is
silent. Pure: `step()` is called every 20 ms.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from media.audio import AudioChunk, silence
from media.codecs import Inbound, inbound
from media.microphone import CHUNK_SECONDS, Chunker, Mark
from media.opus import BadPacket, packet_seconds
from signaling.realtime.config import Format
from signaling.realtime.refusal import Refused

T = TypeVar("T")

CODECS = {"audio/pcm": "pcm24", "audio/pcmu": "pcmu", "audio/pcma": "pcma", "audio/opus": "opus"}
"""The codec of a format, by its name in media/codecs.py."""
BYTES_PER_SECOND = {"audio/pcm": 48_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
BYTES_PER_SAMPLE = {"audio/pcm": 2, "audio/pcmu": 1, "audio/pcma": 1}
SILENCES = 64
"""Silences of our own whose places are remembered."""
CAPACITY = 120.0
"""Seconds of audio that may wait."""
HURRY = 25
"""Chunks that are handed out in one step when it is not the pace that ends turns."""
HESITATION = 10
"""Steps without audio that are waited for before the line counts as silent."""
BEHIND = 5
"""Chunks that may wait before two are handed out in one step."""


@dataclass(slots=True)
class _Silence:
    begin: float
    seconds: float = 0.0


def seconds_of(spoken: Format, payload: bytes) -> float:
    """How long a payload lasts. Raises Refused when it is no audio of that format."""
    if spoken.type == "audio/opus":
        return _understood(packet_seconds, payload)
    return len(payload) / BYTES_PER_SECOND[spoken.type]


def decoder(spoken: Format) -> Inbound:
    """What makes 16 kHz samples of a format's payloads, one after the other."""
    codec = inbound(CODECS[spoken.type])
    assert codec is not None, "every format has its codec"
    return codec


class Incoming:
    """One caller's audio."""

    def __init__(self, spoken: Format) -> None:
        self.is_paced = True
        """Audio is heard at the pace of speech, silence included; otherwise as fast as it comes."""
        self._waiting: deque[AudioChunk | Mark] = deque()
        self._chunks = 0
        self.heard = 0.0
        """Seconds that were handed out."""
        self._silences: deque[_Silence] = deque()
        """Those of our own in these."""
        self._forgotten = 0.0
        """Seconds of such silence that are not kept one by one any more."""
        self._chunker = Chunker()
        self._missing = 0
        self.format = spoken
        self._codec = decoder(spoken)

    def speak(self, spoken: Format) -> None:
        """What comes from now on is in this format."""
        if spoken != self.format:
            self.format = spoken
            self._codec = decoder(spoken)

    def take(self, payload: bytes) -> None:
        """Audio has come. Raises Refused when more waits than is kept."""
        if not payload:
            return
        if self._chunks * CHUNK_SECONDS + _understood(self._codec.seconds, payload) > CAPACITY:
            raise Refused(
                "input_audio_buffer_full", f"more than {CAPACITY:.0f} seconds of audio wait"
            )
        chunks = self._chunker.feed(_understood(self._codec.decode, payload))
        self._chunks += len(chunks)
        self._waiting.extend(chunks)

    def mark(self, mark: Mark) -> None:
        """Name the moment after all the audio so far; a `clear` takes back what waits of it."""
        while mark.kind == "clear" and self._waiting:
            if isinstance(self._waiting[-1], Mark):
                break
            self._waiting.pop()
            self._chunks -= 1
        self._waiting.append(mark)

    def step(self) -> list[AudioChunk | Mark]:
        """What the microphone hears in these 20 ms."""
        if not self._waiting:
            return self._wait()
        self._missing = 0
        most = (2 if self._chunks > BEHIND else 1) if self.is_paced else HURRY
        out: list[AudioChunk | Mark] = []
        while self._waiting and (most or isinstance(self._waiting[0], Mark)):
            out.append(each := self._waiting.popleft())
            if not isinstance(each, Mark):
                most -= 1
                self._chunks -= 1
                self.heard += each.seconds
        return out

    def written(self, position: float) -> float:
        """Of the first `position` seconds that were heard, how many the client has sent."""
        ours = (min(each.seconds, max(0.0, position - each.begin)) for each in self._silences)
        return max(0.0, position - self._forgotten - sum(ours))

    def _wait(self) -> list[AudioChunk | Mark]:
        """Nothing came: after a moment the line is silent."""
        self._missing += 1
        if self._missing <= HESITATION or not self.is_paced:
            return []
        last = self._silences[-1] if self._silences else None
        if last is None or last.begin + last.seconds < self.heard - CHUNK_SECONDS / 2:
            self._silences.append(last := _Silence(self.heard))
        last.seconds += CHUNK_SECONDS
        self.heard += CHUNK_SECONDS
        if len(self._silences) > SILENCES:
            self._forgotten += self._silences.popleft().seconds
        return [silence(CHUNK_SECONDS)]


def _understood(read: Callable[[bytes], T], payload: bytes) -> T:
    try:
        return read(payload)
    except BadPacket as error:
        raise Refused("invalid_value", f"this is no audio: {error}", param="audio") from error
