"""What a bad network leaves of a caller's speech: our reception beside aiortc's, in virtual time.

    python -m bench.media --quality

Recorded people are encoded as browsers do (Opus in speech mode at 32 kbit/s, with in-band FEC once
packets are lost), sent over a network that loses, delays and so reorders packets, and heard by both
ways from the very same packets. PESQ (wideband, 1 to 4.6) compares what is heard with the
recording. No socket and no clock is in it: the figures are the same on every run and machine.

The recordings are wide ones: people with sound above 6 kHz, as wideband PESQ is meant for. Of a
telephone's recording the upper half is empty; Opus puts a little noise there, and the more of it a
resampler takes away, the higher the score. `bench.media_clean` tells how much that is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from statistics import mean

import numpy as np
import soxr
from aiortc.codecs import depayload, get_decoder
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket as StockPacket
from av import AudioFrame, AudioResampler
from pesq import NoUtterancesError, pesq  # type: ignore[import-untyped]

from bench.recordings import orders, utterances
from media.audio import CALLER_RATE, AudioChunk, Samples
from media.listening import PATIENCE
from media.opus import FRAME, FRAME_SECONDS, WIRE_RATE, Encoder, OpusSettings
from media.packets import RtpPacket
from media.reception import Reception

LOSSES = (0.0, 0.02, 0.05, 0.10, 0.20)
JITTERS = (0.0, 0.02, 0.04, 0.06)
"""Seconds; each packet is late by anything up to it."""
_SEEDS = 2
_RECORDINGS = 8
_SECONDS = 4.0
_WIDE = 1e-5
"""Share of the energy above 6 kHz from which on a recording is wide; most people's have .0005 to
.05, a telephone's .000001 at the most."""
_BITRATE = 32_000
_OPUS = 111
_TAIL = 25
"""Packets of silence after the speech: what is held back comes out."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Mean PESQ by either way."""

    loss: float
    jitter: float
    here: float
    stock: float


@dataclass(frozen=True, slots=True)
class Arrival:
    at: float
    packet: RtpPacket


def measure() -> Iterator[Heard]:
    """Each network in turn, the mean over the recordings and the network's moods."""
    for jitter in JITTERS:
        for loss in LOSSES:
            seeds = range(_SEEDS if loss or jitter else 1)
            runs = [(seed, said) for seed in seeds for said in material()]
            scores = [_scores(said, loss, jitter, seed) for seed, said in runs]
            here, stock = zip(*scores, strict=True)
            yield Heard(loss, jitter, mean(here), mean(stock))


def table(rows: list[Heard]) -> str:
    """The rows as text, with what ours has more."""
    head = "loss  jitter    here  aiortc  more\n"
    return head + "\n".join(
        f"{row.loss:>4.0%} {row.jitter * 1000:>4.0f} ms {row.here:>7.2f} {row.stock:>7.2f} "
        f"{row.here - row.stock:>+5.2f}"
        for row in rows
    )


def arrivals(packets: list[bytes], *, loss: float, jitter: float, seed: int) -> list[Arrival]:
    """What comes of the packets, in the order in which it comes."""
    generator = random.Random(seed)
    arrived = []
    for number, payload in enumerate(packets):
        is_lost, late = generator.random() < loss, generator.random() * jitter
        if not is_lost or number == 0:
            packet = RtpPacket(_OPUS, False, 1000 + number, number * FRAME, 1, payload)
            arrived.append(Arrival(number * FRAME_SECONDS + late, packet))
    return sorted(arrived, key=lambda each: each.at)


def heard_here(arrived: list[Arrival]) -> Samples:
    """By `media.reception`, with a step of the pacer every 20 ms."""
    pieces: list[Samples] = []
    reception = Reception({_OPUS: "opus"}, pieces.append, 0.0)
    step = 0
    for each in arrived:
        while step * FRAME_SECONDS < each.at:
            reception.tick(step * FRAME_SECONDS)
            step += 1
        reception.arrive(each.packet, each.at)
    return np.concatenate(pieces)


def heard_by_aiortc(arrived: list[Arrival]) -> Samples:
    """By aiortc's buffer and decoder and FFmpeg's resampler, as its examples do. When nothing comes
    out for long there is silence, or the rest would be heard too early."""
    codec = RTCRtpCodecParameters("audio/opus", WIRE_RATE, 2, _OPUS)
    buffer, decoder = JitterBuffer(capacity=16, prefetch=4), get_decoder(codec)
    resampler = AudioResampler(format="s16", layout="mono", rate=CALLER_RATE)
    pieces: list[Samples] = []
    last = 0.0
    for each in arrived:
        packet = StockPacket(
            _OPUS, sequence_number=each.packet.sequence_number, timestamp=each.packet.timestamp
        )
        packet._data = depayload(codec, each.packet.payload)  # type: ignore[attr-defined]
        _, encoded = buffer.add(packet)
        if encoded is None:
            continue
        if each.at - last > PATIENCE:
            pieces.append(np.zeros(round((each.at - last) * CALLER_RATE), np.int16))
        last = each.at
        for frame in decoder.decode(JitterFrame(encoded.data, encoded.timestamp)):
            assert isinstance(frame, AudioFrame)
            resampled = resampler.resample(frame)
            pieces += [np.asarray(out.to_ndarray().reshape(-1), np.int16) for out in resampled]
    return np.concatenate(pieces)


def quality(original: Samples, heard: Samples) -> float:
    """PESQ of what is heard; 1 where no speech is found in it."""
    try:
        return float(pesq(CALLER_RATE, original, heard, "wb"))
    except NoUtterancesError:
        return 1.0


@cache
def material(*, is_wide: bool = True) -> tuple[AudioChunk, ...]:
    """Some seconds of several people, equally loud: recorded wide, or as by a telephone."""
    long = [each.audio for each in (*utterances(), *orders()) if each.audio.seconds >= _SECONDS]
    cut = [each.samples[: round(_SECONDS * CALLER_RATE)].astype(float) for each in long]
    able = [each for each in cut if (_above_6_khz(each) > _WIDE) == is_wide]
    chosen = able[:: max(1, len(able) // _RECORDINGS)][:_RECORDINGS]
    return tuple(
        AudioChunk((each * (16_000 / np.abs(each).max())).astype(np.int16)) for each in chosen
    )


@cache
def packets_of(said: AudioChunk, loss: float) -> list[bytes]:
    """The speech and some silence as a browser sends them that knows of the loss."""
    wide = soxr.resample(said.samples.astype(np.float32), CALLER_RATE, WIRE_RATE)
    frames = np.clip(wide[: len(wide) // FRAME * FRAME], -32_767, 32_767).astype(np.int16)
    silence = np.zeros(_TAIL * FRAME, np.int16)
    encoder = Encoder(OpusSettings(bitrate=_BITRATE, mode="voip", complexity=9))
    encoder.adapt(bitrate=_BITRATE, fec=loss > 0, loss=loss)
    whole = np.concatenate([frames, silence]).reshape(-1, FRAME)
    return [encoder.encode(frame) for frame in whole]


def _above_6_khz(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """The share of the energy that is there."""
    energy = np.abs(np.fft.rfft(samples)) ** 2
    return float(energy[len(energy) * 6 // 8 :].sum() / energy.sum())


def _scores(said: AudioChunk, loss: float, jitter: float, seed: int) -> tuple[float, float]:
    arrived = arrivals(packets_of(said, loss), loss=loss, jitter=jitter, seed=seed)
    return (
        quality(said.samples, heard_here(arrived)),
        quality(said.samples, heard_by_aiortc(arrived)),
    )
