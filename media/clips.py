"""Audio that is said again and again, encoded once for all calls: greetings, fillers, cached
phrases.

A cache of phrases hands out the same `AudioChunk` each time; the second time it is said it becomes
a `Clip`, which is resampled and encoded once, frame by frame as it is needed. A clip lives as long
as its chunk does. What another server encoded comes as `EncodedAudio`, with its packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakSet

import numpy as np

from media.audio import AudioChunk, Resampler, Samples
from media.opus import VOICE_FRAME, VOICE_RATE, BadPacket, Decoder, Encoder, OpusSettings


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class EncodedAudio(AudioChunk):
    """Audio at 24 kHz that comes with its Opus packets, 20 ms each."""

    packets: tuple[bytes, ...] = ()

    @classmethod
    def decoded(cls, packets: tuple[bytes, ...], length: int) -> EncodedAudio:
        """The first `length` samples of the packets. Raises BadPacket."""
        decoder = Decoder(VOICE_RATE)
        frames = [decoder.decode(packet) for packet in packets]
        if any(len(frame) != VOICE_FRAME for frame in frames) or length > VOICE_FRAME * len(frames):
            raise BadPacket("packets of 20 ms that hold all of the audio are needed")
        samples = np.concatenate(frames)[:length] if frames else np.zeros(0, np.int16)
        samples.setflags(write=False)
        return cls(samples, VOICE_RATE, packets)


def encoded(audio: AudioChunk, settings: OpusSettings) -> EncodedAudio:
    """The audio at 24 kHz with its packets; what has some already is given back."""
    if isinstance(audio, EncodedAudio):
        return audio
    clip = Clip(audio, settings)
    packets = tuple(clip.packet(index) for index in range(len(clip.samples) // VOICE_FRAME))
    length = round(len(audio) * VOICE_RATE / audio.rate)
    return EncodedAudio(clip.samples[:length], VOICE_RATE, packets)


class Clip:
    """A piece of audio at 24 kHz, filled up to whole frames, and its packets."""

    def __init__(self, audio: AudioChunk, settings: OpusSettings) -> None:
        resampler = Resampler(audio.rate, VOICE_RATE)
        sound = np.concatenate([resampler.feed(audio.samples), resampler.flush()])
        self.samples: Samples = np.pad(sound, (0, -len(sound) % VOICE_FRAME))
        """Of shape (n · 480,)."""
        self._encoder = Encoder(settings, VOICE_RATE)
        self._packets = list(audio.packets) if isinstance(audio, EncodedAudio) else []

    def packet(self, index: int) -> bytes:
        """The packet of a frame. It can be decoded after any other at the clip's beginning, and
        after the one before it otherwise."""
        while len(self._packets) <= index:
            start = len(self._packets) * VOICE_FRAME
            self._packets.append(self._encoder.encode(self.samples[start : start + VOICE_FRAME]))
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
        """The clip of a chunk that was said before, or that comes encoded; None the first time."""
        clip = self._clips.get(audio)
        if clip is None and (audio in self._met or isinstance(audio, EncodedAudio)):
            clip = self._clips[audio] = Clip(audio, self._settings)
        self._met.add(audio)
        return clip
