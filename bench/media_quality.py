"""What a bad network leaves of a caller's speech: our reception beside aiortc's, in virtual time.

    python -m bench.media --quality

Recorded people are encoded as browsers do (Opus in speech mode at 32 kbit/s, with in-band FEC once
packets are lost), sent over a network that loses, delays and so reorders packets, and heard by both
ways from the very same packets. PESQ (wideband, 1 to 4.6) compares what is heard with the
recording. No socket and no clock is in it: the figures are the same on every run and machine.
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

from bench.recordings import utterances
from media.audio import CALLER_RATE, Samples
from media.listening import PATIENCE
from media.opus import FRAME, FRAME_SECONDS, WIRE_RATE, Encoder, OpusSettings
from media.packets import RtpPacket
from media.reception import Reception

LOSSES = (0.0, 0.02, 0.05, 0.10, 0.20)
JITTERS = (0.0, 0.02, 0.04, 0.06)
"""Seconds; each packet is late by anything up to it."""
_SEEDS = 2
_RECORDINGS = 6
_SECONDS = 4.0
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
            runs = [(seed, number) for seed in seeds for number in range(len(material()))]
            scores = [_scores(number, loss, jitter, seed) for seed, number in runs]
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
def material() -> tuple[Samples, ...]:
    """Some seconds of several people, 16 kHz, equally loud."""
    long = [each for each in utterances() if each.audio.seconds >= _SECONDS]
    chosen = long[:: max(1, len(long) // _RECORDINGS)][:_RECORDINGS]
    cut = [each.audio.samples[: round(_SECONDS * CALLER_RATE)].astype(float) for each in chosen]
    return tuple((each * (16_000 / np.abs(each).max())).astype(np.int16) for each in cut)


@cache
def _encoded(number: int, loss: float) -> list[bytes]:
    wide = soxr.resample(material()[number].astype(np.float32), CALLER_RATE, WIRE_RATE)
    frames = np.clip(wide[: len(wide) // FRAME * FRAME], -32_767, 32_767).astype(np.int16)
    silence = np.zeros(_TAIL * FRAME, np.int16)
    encoder = Encoder(OpusSettings(bitrate=_BITRATE, mode="voip", complexity=9))
    encoder.adapt(bitrate=_BITRATE, fec=loss > 0, loss=loss)
    whole = np.concatenate([frames, silence]).reshape(-1, FRAME)
    return [encoder.encode(frame) for frame in whole]


def _scores(number: int, loss: float, jitter: float, seed: int) -> tuple[float, float]:
    original = material()[number]
    arrived = arrivals(_encoded(number, loss), loss=loss, jitter=jitter, seed=seed)
    return (
        quality(original, heard_here(arrived)),
        quality(original, heard_by_aiortc(arrived)),
    )
