"""Opus by opuslib: what leaves is encoded here, what arrives is decoded straight to 16 kHz mono.

opuslib loads the system's libopus. Its `Encoder` and `Decoder` classes copy each packet several
times and their FEC and DTX setters are broken in 3.0.1, so this file calls opuslib's own bindings
of the C functions with buffers that are kept: a packet costs a third less.

An encoder in low-delay mode (CELT) has the quality of the hybrid mode for a third of the CPU.
In-band FEC exists in the speech mode (SILK) alone, at a lower quality for the same rate: worth it
only while packets are lost.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import opuslib
import opuslib.api.ctl as ctl
import opuslib.api.decoder as decoder_api
import opuslib.api.encoder as encoder_api
from opuslib.api import c_int16_pointer
from pydantic import BaseModel, Field

from media.audio import CALLER_RATE, Samples

WIRE_RATE = 48_000
"""Hz; Opus' RTP clock (RFC 7587), whatever it is fed."""
VOICE_RATE = 24_000
"""Hz at which the agent's voice is encoded: no less than any voice here has, and what is above
would take bits from it. At 24 kbit/s PESQ is 0.2 higher than at 48 kHz (bench/media_voice.py)."""

FRAME_SECONDS = 0.02
FRAME = 960
"""Samples of one frame at `WIRE_RATE`."""
VOICE_FRAME = 480
"""Samples of one frame at `VOICE_RATE`."""

Mode = Literal["lowdelay", "audio", "voip"]

_APPLICATIONS: dict[Mode, str] = {
    "lowdelay": "restricted_lowdelay",
    "audio": "audio",
    "voip": "voip",
}
_set_prediction_disabled = ctl.ctl_set(4042)
"""OPUS_SET_PREDICTION_DISABLED, which opuslib has no name for."""
_STATE_SIZE: int = encoder_api.libopus_get_size(1)
"""Bytes of an encoder, mono."""
_LARGEST_PACKET = 1275
_LONGEST_PACKET_SECONDS = 0.12


class OpusSettings(BaseModel, frozen=True, extra="forbid", use_attribute_docstrings=True):
    """How the agent's audio is encoded."""

    bitrate: int = Field(default=24_000, ge=6_000, le=128_000)
    """Bits per second of speech to begin with."""
    complexity: int = Field(default=5, ge=0, le=10)
    """libopus' effort, 0..10; 5 costs about 1.6 ms of CPU per second of speech, 0 about 0.7."""
    mode: Mode = "lowdelay"
    """`lowdelay`: CELT, best quality for its CPU; `audio` and `voip`: SILK, with CELT
    above it from 16 kbit/s. Where FEC is needed `voip` is taken by itself."""


class BadPacket(ValueError):
    """What arrived is no Opus packet."""


@dataclass(frozen=True, slots=True)
class EncoderState:
    """A moment of an encoder: libopus' memory of the past."""

    memory: bytes
    is_fresh: bool
    """The next packet is the first after a reset."""


class Encoder:
    """20 ms frames of mono sound to Opus packets. One per stream: it remembers the past."""

    def __init__(self, settings: OpusSettings | None = None, rate: int = WIRE_RATE) -> None:
        """`rate`: of the samples, Hz."""
        self._settings = settings or OpusSettings()
        self._rate, self._frame = rate, rate // 50
        self._bitrate = self._settings.bitrate
        self._fec = False
        self._loss = 0
        self._pcm = np.zeros(self._frame, np.int16)
        self._pcm_pointer = self._pcm.ctypes.data_as(c_int16_pointer)
        self._packet = ctypes.create_string_buffer(_LARGEST_PACKET)
        self._is_fresh = False
        self._mode: Mode = self._settings.mode
        self._complexity = self._settings.complexity
        self._encoder = self._open()

    @property
    def bitrate(self) -> int:
        """Bits per second that are aimed at."""
        return self._bitrate

    @property
    def fec(self) -> bool:
        """Whether a packet carries a coarse copy of the one before it (in-band FEC)."""
        return self._fec

    def encode(self, samples: Samples) -> bytes:
        """One frame of shape (rate / 50,) as a packet. Raises ValueError when it has another
        length."""
        if len(samples) != self._frame:
            raise ValueError(
                f"an Opus frame is {self._frame} samples at {self._rate} Hz, got {len(samples)}"
            )
        self._pcm[:] = samples
        is_first, self._is_fresh = self._is_fresh, False
        packet = self._next_packet()
        if is_first:
            self._control(_set_prediction_disabled, 0)
        return packet

    def encode_all(self, samples: Samples) -> list[bytes]:
        """Frames in a row, of shape (n · rate / 50,), as packets."""
        size = self._frame
        return [self.encode(samples[at : at + size]) for at in range(0, len(samples), size)]

    def state(self) -> EncoderState:
        """Where it stands, to `restore` later; another rate or mode meanwhile is taken back too."""
        # "It is position independent and can be freely copied" (opus.h).
        memory = ctypes.string_at(self._encoder.encoder_state, _STATE_SIZE)
        return EncoderState(memory, self._is_fresh)

    def restore(self, state: EncoderState) -> None:
        """Stand there again. Raises nothing for one of this encoder's states, and is undefined for
        another's."""
        ctypes.memmove(self._encoder.encoder_state, state.memory, _STATE_SIZE)
        self._is_fresh = state.is_fresh

    def _next_packet(self) -> bytes:
        size = encoder_api.libopus_encode(
            self._encoder.encoder_state,
            self._pcm_pointer,
            self._frame,
            self._packet,
            _LARGEST_PACKET,
        )
        if size < 0:
            raise opuslib.OpusError(size)
        return ctypes.string_at(self._packet, size)

    def reset(self) -> None:
        """Forget what went before: the next packet can be decoded after any other."""
        self._control(ctl.reset_state)
        self._stand_alone()

    def adapt(self, *, bitrate: int, fec: bool, loss: float) -> None:
        """Change the rate (bits per second), FEC, and the share of packets (0..1) taken as lost."""
        mode: Mode = "voip" if fec else self._settings.mode
        self._bitrate, self._fec, self._loss = bitrate, fec, round(min(loss, 1.0) * 100)
        if mode != self._mode:
            self._mode = mode
            self._encoder = self._open()
        else:
            self._apply()

    def spare(self, *, is_spared: bool) -> None:
        """Take the least effort, or the settings' again."""
        self._complexity = 0 if is_spared else self._settings.complexity
        self._control(ctl.set_complexity, self._complexity)

    def _open(self) -> opuslib.Encoder:
        encoder = opuslib.Encoder(self._rate, 1, _APPLICATIONS[self._mode])
        self._encoder = encoder
        self._control(ctl.set_complexity, self._complexity)
        self._control(ctl.set_signal, opuslib.SIGNAL_VOICE)
        self._apply()
        self._stand_alone()
        return encoder

    def _stand_alone(self) -> None:
        """Have the next packet say its energies outright. A reset alone does not: libopus may
        still code them as changes, and a decoder that heard something else would be far off."""
        self._control(_set_prediction_disabled, 1)
        self._is_fresh = True

    def _apply(self) -> None:
        self._control(ctl.set_bitrate, self._bitrate)
        self._control(ctl.set_inband_fec, int(self._fec))
        self._control(ctl.set_packet_loss_perc, self._loss)

    def _control(self, request: object, value: int | None = None) -> None:
        encoder_api.encoder_ctl(self._encoder.encoder_state, request, value)


class Decoder:
    """Opus packets to mono samples at `rate`. One per stream: it remembers what went before."""

    def __init__(self, rate: int = CALLER_RATE) -> None:
        self.rate = rate
        self._decoder = opuslib.Decoder(rate, 1)
        self._capacity = round(rate * _LONGEST_PACKET_SECONDS)
        self._pcm = np.zeros(self._capacity, np.int16)
        self._pcm_pointer = self._pcm.ctypes.data_as(c_int16_pointer)

    @property
    def address(self) -> int:
        """Where libopus' state is in memory."""
        return ctypes.cast(self._decoder.decoder_state, ctypes.c_void_p).value or 0

    def decode(self, packet: bytes) -> Samples:
        """The samples of a packet, of any length that Opus knows. Raises BadPacket."""
        if not packet:
            raise BadPacket("an empty Opus packet")
        return self._decode(packet, self._capacity, fec=False)

    def conceal(self, samples: int) -> Samples:
        """`samples` (a multiple of 2.5 ms) in the place of a packet that is missing."""
        return self._decode(None, samples, fec=False)

    def recover(self, following: bytes, samples: int) -> Samples:
        """`samples` of the missing packet before `following`, from its FEC when it carries any,
        concealed otherwise. `following` itself is to be decoded next. Raises BadPacket."""
        return self._decode(following, samples, fec=True)

    def _decode(self, packet: bytes | None, samples: int, *, fec: bool) -> Samples:
        length = len(packet) if packet is not None else 0
        state = self._decoder.decoder_state
        count = decoder_api.libopus_decode(
            state, packet, length, self._pcm_pointer, samples, int(fec)
        )
        if count < 0:
            raise BadPacket(f"libopus refuses a packet of {length} bytes (error {count})")
        return self._pcm[:count].copy()


def decode_address() -> int:
    """Where the C function `opus_decode` is in memory."""
    return ctypes.cast(decoder_api.libopus_decode, ctypes.c_void_p).value or 0


def packet_seconds(packet: bytes) -> float:
    """How long a packet sounds, from its first bytes (RFC 6716, section 3.1). Raises BadPacket."""
    if not packet:
        raise BadPacket("an empty Opus packet")
    config = packet[0] >> 3
    if config < 12:
        frame = (0.01, 0.02, 0.04, 0.06)[config % 4]
    elif config < 16:
        frame = (0.01, 0.02)[config % 2]
    else:
        frame = (0.0025, 0.005, 0.01, 0.02)[config % 4]
    code = packet[0] & 3
    if code < 3:
        return frame * (1 if code == 0 else 2)
    if len(packet) < 2:
        raise BadPacket("an Opus packet without its frame count")
    return frame * (packet[1] & 0x3F)


@cache
def silent_packets() -> tuple[bytes, bytes]:
    """A 20 ms packet of digital silence, and a shorter one that says that nothing is sent (DTX).

    Both fit any listener at any moment: they depend on nothing that went before."""
    silence = Encoder(rate=VOICE_RATE).encode(np.zeros(VOICE_FRAME, np.int16))
    # The first byte says mode, bandwidth and length: without more nothing is sent of them.
    return silence, silence[:1]
