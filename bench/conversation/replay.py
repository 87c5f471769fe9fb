"""A caller over the agent without a server: the real ear and decisions, as fast as they go.

The caller's sound passes through Opus, the voice detector, the echo gate and `BargeIn`, the agent's
through the playout, which is ducked as they say. Nothing waits and nothing is left to chance: the
same sounds give the same verdicts on any machine, however loaded. No word is recognised: it shows
what the voice alone decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agent.dialogue.barge_in import BargeIn, Verdict
from agent.ear import CallersVoice
from agent.settings import TurnSettings
from bench.conversation.room import Room
from bench.conversation.sounds import Wave
from media.audio import AudioChunk, Samples
from media.opus import (
    FRAME,
    FRAME_SECONDS,
    VOICE_RATE,
    WIRE_RATE,
    Decoder,
    Encoder,
    OpusSettings,
)
from media.playout import Playout
from media.voice import VoiceModel
from signaling.voice_track import frames_of

AFTERWARDS = 1.5
"""Seconds after the caller's last sound in which the agent should have made up its mind."""
HISS = -70.0
"""dBFS of a microphone's own noise."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of it, in seconds since the replay began."""

    verdicts: tuple[tuple[float, Verdict], ...]
    ducked: float
    """Seconds that the agent was ducked."""

    def first(self, verdict: Verdict, since: float = 0.0) -> float | None:
        """When it was given first, from `since` on."""
        return next((at for at, each in self.verdicts if each is verdict and at >= since), None)

    def count(self, verdict: Verdict) -> int:
        return sum(each is verdict for _, each in self.verdicts)


async def replay(
    model: VoiceModel,
    *,
    caller: AudioChunk | None = None,
    at: float = 0.5,
    agent: AudioChunk | None = None,
    room: Room | None = None,
    seconds: float | None = None,
    settings: TurnSettings | None = None,
) -> Replayed:
    """Let `caller` speak at `at` seconds over the `agent`, whose voice comes back from the `room`.

    Without an agent there is nothing to come back, and it is taken to speak throughout. It goes on
    after an interruption, so that each is counted. Ends `AFTERWARDS` after the caller."""
    settings = settings or TurnSettings()
    if seconds is None:
        seconds = at + (caller.seconds if caller is not None else 0.0) + AFTERWARDS
    playout, wire, loudspeaker = Playout(), _Wire(), _Loudspeaker()
    if agent is not None:
        playout.add(agent)
    ear = CallersVoice(model.detector(), playout, settings)
    barge_in = BargeIn(settings.barge_in, "en")
    verdicts, ducked, now = [], 0, 0.0
    for voice in _microphone(caller, at, seconds):
        now += FRAME_SECONDS
        left = playout.next_frame()
        sound = voice if room is None else voice + room.hear(loudspeaker.play(left))
        heard = wire.carry(np.clip(sound, -32768, 32767).astype(np.int16))
        verdict = barge_in.feed(await ear.hear(heard), heard.seconds)
        ducked += barge_in.ducked
        if verdict is not None:
            verdicts.append((now, verdict))
        if verdict is Verdict.INTERRUPT:
            barge_in.reset()
        (playout.duck if barge_in.ducked else playout.unduck)()
    return Replayed(tuple(verdicts), ducked * FRAME_SECONDS)


def _microphone(caller: AudioChunk | None, at: float, seconds: float) -> Iterator[Wave]:
    """The caller's frames (960 samples) with the microphone's hiss before, under and after."""
    hiss = 32768 * 10 ** (HISS / 20)
    chance = np.random.default_rng(7)
    voice = frames_of(caller) if caller is not None else []
    begin = round(at / FRAME_SECONDS)
    for number in range(round(seconds / FRAME_SECONDS)):
        noise = chance.standard_normal(FRAME) * hiss
        inside = 0 <= number - begin < len(voice)
        yield noise + voice[number - begin] if inside else noise


class _Loudspeaker:
    """The agent's encoder and the caller's device."""

    def __init__(self) -> None:
        self._encoder = Encoder(rate=VOICE_RATE)
        self._decoder = Decoder(WIRE_RATE)

    def play(self, frame: Samples | None) -> Samples | None:
        """20 ms at 24 kHz, as they sound at 48."""
        return None if frame is None else self._decoder.decode(self._encoder.encode(frame))


class _Wire:
    """The caller's encoder and the server's decoder."""

    def __init__(self) -> None:
        self._encoder = Encoder(OpusSettings(bitrate=32_000, mode="audio"))
        self._decoder = Decoder()

    def carry(self, frame: Samples) -> AudioChunk:
        """20 ms at 48 kHz, as the server hears them at 16."""
        return AudioChunk(self._decoder.decode(self._encoder.encode(frame)))


def at_level(audio: AudioChunk, level: float) -> AudioChunk:
    """`audio` so loud that its voice is at `level` dBFS (its loudest sixth of 20 ms at least)."""
    size = round(audio.rate * FRAME_SECONDS)
    whole = audio.samples[: len(audio) // size * size].astype(np.float64).reshape(-1, size)
    power = np.percentile(np.mean(np.square(whole / 32768), axis=1), 85)
    gain = 10 ** (level / 20) / np.sqrt(power)
    return AudioChunk(np.clip(audio.samples * gain, -32768, 32767).astype(np.int16), audio.rate)
