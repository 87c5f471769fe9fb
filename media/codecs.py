"""The codecs of a call, each as two small classes with one shape: bytes in, 16 kHz samples out
(`Inbound`); 20 ms of 24 kHz in, bytes out (`Outbound`).

Opus is what browsers speak. G.711 (PCMU, PCMA) and G.722 are what telephones speak: for them a lost
packet is concealed by the last one, fading. A new codec is two classes and a line in each table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import av
import numpy as np

from media import g711
from media.ahead import Ahead
from media.audio import CALLER_RATE, Samples
from media.g711 import Bytes, a_law, inverse, mu_law
from media.lowering import Lowering
from media.opus import (
    VOICE_FRAME,
    VOICE_RATE,
    WIRE_RATE,
    BadPacket,
    Decoder,
    Encoder,
    OpusSettings,
    packet_seconds,
    silent_packets,
)
from media.stretch import Stretch

PCM_RATE = VOICE_RATE
"""Hz of plain PCM, as the Realtime protocol knows it: the voice's own."""


class Inbound(Protocol):
    """A caller's stream being decoded to 16 kHz mono."""

    clock_rate: int
    """Hz of the RTP timestamps."""

    def seconds(self, payload: bytes) -> float:
        """How long it sounds. Raises BadPacket."""

    def decode(self, payload: bytes) -> Samples:
        """The sound of the next packet. Raises BadPacket."""

    def conceal(self, samples: int, following: bytes | None) -> Samples:
        """Sound in the place of lost packets: `samples`, a multiple of 40. `following` is the
        packet after them, where it is at hand; it is decoded afterwards."""


class Outbound(Protocol):
    """The agent's stream being encoded."""

    clock_rate: int
    nothing: bytes | None
    """What keeps a silent stream alive; None: the codec knows no silence, frames of it are sent."""

    @property
    def silence(self) -> bytes:
        """A frame of silence."""

    @property
    def ahead(self) -> Ahead[Any] | None:
        """What is encoded before it leaves; None: each frame is as it leaves."""

    def encode(self, frame: Samples, stretch: Stretch | None = None) -> bytes:
        """20 ms of 24 kHz as one payload. `stretch`: where the frame was taken from last, if it
        leaves as it was there; a codec may encode ahead by it."""

    def reset(self) -> None:
        """Speech begins after a silence."""


class OpusInbound:
    """Opus straight to 16 kHz, with libopus' concealment and in-band FEC."""

    clock_rate = WIRE_RATE

    def __init__(self) -> None:
        self._decoder = Decoder(CALLER_RATE)

    @property
    def address(self) -> int:
        """Where libopus' decoder is in memory, for who calls it from C; it lives as long as this
        does."""
        return self._decoder.address

    def seconds(self, payload: bytes) -> float:
        return packet_seconds(payload)

    def decode(self, payload: bytes) -> Samples:
        return self._decoder.decode(payload)

    def conceal(self, samples: int, following: bytes | None) -> Samples:
        if following:
            return self._decoder.recover(following, samples)
        return self._decoder.conceal(samples)


class OpusOutbound:
    """Opus at the settings' rate; adapts to the network. Encodes ahead."""

    clock_rate = WIRE_RATE

    def __init__(self, settings: OpusSettings) -> None:
        self._encoder = Encoder(settings, VOICE_RATE)
        self.ahead = Ahead(self._encoder)
        self.silence, nothing = silent_packets()
        self.nothing: bytes | None = nothing
        self.encode = self.ahead.encode

    def reset(self) -> None:
        self.ahead.settle()
        self._encoder.reset()

    def adapt(self, *, bitrate: int, fec: bool, loss: float) -> None:
        """From the next packet on; see `Encoder.adapt`."""
        self.ahead.settle()
        self._encoder.adapt(bitrate=bitrate, fec=fec, loss=loss)

    def spare(self, *, is_spared: bool) -> None:
        """From the next packet on; see `Encoder.spare`."""
        self.ahead.settle()
        self._encoder.spare(is_spared=is_spared)


class _Fading:
    """Concealment for codecs that have none: the last 20 ms again and again, half as loud."""

    _last: Samples = np.zeros(0, np.int16)

    def conceal(self, samples: int, following: bytes | None) -> Samples:
        if not len(self._last):
            return np.zeros(samples, np.int16)
        times = -(-samples // len(self._last))
        gains = np.repeat(0.5 ** np.arange(1, times + 1), len(self._last))[:samples]
        repeated = (np.tile(self._last, times)[:samples] * gains).astype(np.int16)
        self._last = repeated[-len(self._last) :]
        return repeated


class _Doubling:
    """8 to 16 kHz, 1 ms late: between two samples comes the windowed sinc of the 16 around them.

    soxr would hold back 60 ms here, which a live caller should not wait for."""

    def __init__(self) -> None:
        offsets = np.arange(-8, 8) + 0.5
        taps = np.sinc(offsets) * np.hanning(18)[1:-1]
        self._taps = taps / taps.sum()
        self._past = np.zeros(15, np.float64)

    def feed(self, samples: Samples) -> Samples:
        known = np.concatenate([self._past, samples])
        self._past = known[-15:]
        doubled = np.empty((len(samples), 2))
        doubled[:, 0] = known[7 : 7 + len(samples)]
        doubled[:, 1] = np.convolve(known, self._taps, "valid")
        return np.clip(np.rint(doubled), -32768, 32767).astype(np.int16).reshape(-1)


class G711Inbound(_Fading):
    """PCMU or PCMA (RFC 3551): a table, then 8 to 16 kHz."""

    clock_rate = 8_000

    def __init__(self, table: Samples) -> None:
        self._table = table
        self._doubling = _Doubling()

    def seconds(self, payload: bytes) -> float:
        return len(payload) / self.clock_rate

    def decode(self, payload: bytes) -> Samples:
        if not payload:
            raise BadPacket("an empty G.711 packet")
        self._last = self._doubling.feed(self._table[np.frombuffer(payload, np.uint8)])
        return self._last


class G711Outbound:
    """PCMU or PCMA. Encodes ahead."""

    clock_rate = 8_000
    nothing: bytes | None = None

    def __init__(self, table: Bytes) -> None:
        self._encoder = g711.Encoder(table)
        self.ahead = Ahead(self._encoder)
        self.silence = self._encoder.silence
        self.encode = self.ahead.encode

    def reset(self) -> None:
        self.ahead.settle()
        self._encoder.reset()


class PcmInbound(_Fading):
    """Plain samples of 16 bits, little-endian, at 24 kHz: what sockets bring."""

    clock_rate = PCM_RATE

    def __init__(self) -> None:
        self._lowering = Lowering(CALLER_RATE)
        self._rest = b""
        """Less than three samples: two come of three."""

    def seconds(self, payload: bytes) -> float:
        return len(payload) / 2 / PCM_RATE

    def decode(self, payload: bytes) -> Samples:
        payload = self._rest + payload
        whole = len(payload) - len(payload) % 6
        self._rest = payload[whole:]
        samples = np.frombuffer(payload[:whole], "<i2").astype(np.int16)
        self._last = self._lowering.feed(samples)
        return self._last


class PcmOutbound:
    """Plain samples of 16 bits, little-endian, at 24 kHz."""

    clock_rate = PCM_RATE
    nothing: bytes | None = None
    ahead = None
    silence = bytes(2 * PCM_RATE // 50)

    def encode(self, frame: Samples, stretch: Stretch | None = None) -> bytes:
        return frame.astype("<i2").tobytes()

    def reset(self) -> None:
        """Nothing is remembered."""


class G722Inbound(_Fading):
    """G.722, 64 kbit/s, by FFmpeg. Its RTP clock is 8 kHz for 16 kHz of sound (RFC 3551)."""

    clock_rate = 8_000

    def __init__(self) -> None:
        self._codec = av.AudioCodecContext.create("g722", "r")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = CALLER_RATE

    def seconds(self, payload: bytes) -> float:
        return len(payload) / self.clock_rate

    def decode(self, payload: bytes) -> Samples:
        if not payload:
            raise BadPacket("an empty G.722 packet")
        frames = self._codec.decode(av.Packet(payload))
        self._last = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
        return self._last


class G722Outbound:
    """G.722: 24 to 16 kHz, then FFmpeg."""

    clock_rate = 8_000
    nothing: bytes | None = None
    ahead = None

    def __init__(self) -> None:
        self.reset()

    @property
    def silence(self) -> bytes:
        return self.encode(np.zeros(VOICE_FRAME, np.int16))

    def encode(self, frame: Samples, stretch: Stretch | None = None) -> bytes:
        samples = self._lowering.feed(frame)
        sound = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        sound.sample_rate = CALLER_RATE
        return b"".join(bytes(packet) for packet in self._codec.encode(sound))

    def reset(self) -> None:
        self._lowering = Lowering(CALLER_RATE)
        self._codec = av.AudioCodecContext.create("g722", "w")
        self._codec.format = "s16"
        self._codec.layout = "mono"
        self._codec.sample_rate = CALLER_RATE


def inbound(name: str) -> Inbound | None:
    """A decoder for the codec of that name (any case); None when there is none."""
    make = _INBOUND.get(name.lower())
    return make() if make else None


def outbound(name: str, settings: OpusSettings) -> Outbound | None:
    """An encoder for the codec of that name (any case); None when there is none."""
    make = _OUTBOUND.get(name.lower())
    return make(settings) if make else None


_INBOUND: dict[str, Callable[[], Inbound]] = {
    "opus": OpusInbound,
    "pcmu": lambda: G711Inbound(mu_law()),
    "pcma": lambda: G711Inbound(a_law()),
    "g722": G722Inbound,
    "pcm24": PcmInbound,
}
_OUTBOUND: dict[str, Callable[[OpusSettings], Outbound]] = {
    "opus": OpusOutbound,
    "pcmu": lambda settings: G711Outbound(inverse(mu_law())),
    "pcma": lambda settings: G711Outbound(inverse(a_law())),
    "g722": lambda settings: G722Outbound(),
    "pcm24": lambda settings: PcmOutbound(),
}
