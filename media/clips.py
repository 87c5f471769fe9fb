"""Audio that is said again and again, encoded once for all calls: greetings, fillers, cached
phrases.

A cache of phrases hands out the same `AudioChunk` each time; the second time it is said it becomes
a `Clip`, which is resampled and encoded once, frame by frame as it is needed. A clip lives as long
as its chunk does.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from media.audio import AudioChunk, Resampler, Samples
from media.opus import FRAME, WIRE_RATE, Encoder, OpusSettings


class Clip:
    """A piece of audio at 48 kHz, filled up to whole frames, and its packets."""

    def __init__(self, audio: AudioChunk, settings: OpusSettings) -> None:
        resampler = Resampler(audio.rate, WIRE_RATE)
        sound = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
        self.samples: Samples = np.pad(sound, (0, -len(sound) % FRAME))
        """Of shape (n · 960,)."""
        self._encoder = Encoder(settings)
        self._packets: list[bytes] = []

    def packet(self, index: int) -> bytes:
        """The packet of a frame. It can be decoded after any other at the clip's beginning, and
        after the one before it otherwise."""
        while len(self._packets) <= index:
            start = len(self._packets) * FRAME
            self._packets.append(self._encoder.encode(self.samples[start : start + FRAME]))
        return self._packets[index]


class Clips:
    """The clips of a server, shared by its calls' speakers."""

    def __init__(self, settings: OpusSettings | None = None) -> None:
        self._settings = settings or OpusSettings()
        self._met: WeakSet[AudioChunk] = WeakSet()
        self._clips: WeakKeyDictionary[AudioChunk, Clip] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._clips)

    def find(self, audio: AudioChunk) -> Clip | None:
        """The clip of a chunk that was said before; None the first time."""
        clip = self._clips.get(audio)
        if clip is None and audio in self._met:
            clip = self._clips[audio] = Clip(audio, self._settings)
        self._met.add(audio)
        return clip
