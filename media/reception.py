"""From the caller's packets to an unbroken stream of 16 kHz sound.

No loop and no socket: `arrive()` takes a packet, `tick()` lets time pass, both told the time. Sound
comes out as soon as it is known; nothing is held back on a clean network. What is lost is concealed
(by the packet after it when that carries FEC), what is not sent (DTX, mute, a dead network) is
silence, so that the stream is as long as the call and an utterance ends on time.

A peer may change its SSRC, jump its timestamps, wrap its numbers or send garbage: each is a new
beginning or a packet dropped, never an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from media.audio import CALLER_RATE, Samples
from media.codecs import Inbound, OpusInbound, inbound
from media.dtmf import TELEPHONE_EVENT, Key, Keys
from media.opus import BadPacket
from media.packets import RtpPacket, ahead
from media.reorder import Arrived, Reorder

_GRAIN = 40
"""Samples (2.5 ms): libopus conceals multiples of it."""
_MOST_CONCEALED = 1920
"""Samples (120 ms) that are concealed at once; the rest of a longer gap is silence."""
_LONGEST_GAP = 1.0
"""Seconds; a longer jump of the timestamps is a new beginning, not a gap."""
_PATIENCE = 0.06
_MOST_PATIENCE = 0.2
"""Seconds without a packet before silence takes its place; the more, the more jitter is seen."""
_STEP = 320
_STALL = 0.02
"""Seconds; a step later than this is a stall of this process, not of the network."""


@dataclass(frozen=True, slots=True)
class Next:
    """The packet that is expected, where nothing stands in its way."""

    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    transit: float
    jitter: float
    decoder: OpusInbound


class Passed(Protocol):
    """What became of `Next` after so many packets that passed."""

    passed: int
    sequence: int
    timestamp: int
    transit: float
    jitter: float


class Reception:
    """One call's incoming audio. `codecs`: payload type to codec name, as negotiated."""

    def __init__(
        self,
        codecs: Mapping[int, str],
        deliver: Callable[[Samples], None],
        now: float,
        *,
        on_key: Callable[[Key], None] | None = None,
    ) -> None:
        """`on_key` is told each telephone key (payload type `telephone-event`) that was pressed."""
        self._codecs = codecs
        self._deliver = deliver
        self._on_key = on_key
        self._keys = Keys()
        self._reorder: Reorder[RtpPacket] = Reorder()
        self._decoder: Inbound | None = None
        self._payload_type = -1
        self._ssrc: int | None = None
        self._expected: int | None = None
        self._heard_last = self._ticked = now
        self._filled = 0.0
        self._broken = 0
        self._transit = 0.0
        self.jitter = 0.0
        """Seconds; the smoothed variation of the packets' way (RFC 3550, section 6.4.1)."""
        self.concealed = 0.0
        """Seconds of sound made up in the place of lost packets."""

    @property
    def lost(self) -> int:
        """Packets given up since the stream began."""
        return self._reorder.lost

    @property
    def wait(self) -> float:
        """Seconds that a gap is waited for at present."""
        return self._reorder.wait

    @property
    def next(self) -> Next | None:
        """The Opus packet that whoever reads the socket may decode by itself; None: whatever comes
        is to `arrive()`."""
        number = self._reorder.next
        if number is None or self._ssrc is None or self._expected is None or self._broken:
            return None
        if not isinstance(self._decoder, OpusInbound):
            return None
        return Next(
            ssrc=self._ssrc,
            payload_type=self._payload_type,
            sequence=number,
            timestamp=self._expected,
            transit=self._transit,
            jitter=self.jitter,
            decoder=self._decoder,
        )

    def passed(self, packets: Passed, now: float) -> None:
        """Packets, each the next, were decoded elsewhere; their sound is then to `hear()`."""
        self._reorder.passed(packets.passed, packets.sequence)
        self._expected = packets.timestamp
        self._transit, self.jitter = packets.transit, packets.jitter
        self._heard_last, self._filled = now, 0.0

    def hear(self, sound: Samples) -> None:
        """The sound of a packet that passed elsewhere."""
        self._deliver(sound)

    def arrive(self, packet: RtpPacket, now: float) -> None:
        """A packet of this call's audio arrived."""
        if packet.ssrc != self._ssrc:
            self._begin(packet.ssrc)
        if self._reorder.passes(packet):
            self._hear(Arrived(packet, 0), now)
        else:
            self._reorder.put(packet, now)
            self._pass(now)
        self._measure_jitter(packet, now)

    def tick(self, now: float, steps: int = 1) -> None:
        """So many steps of 20 ms pass, at whose end all was read that had come: what was waited for
        long enough is given up, silence fills what is not sent."""
        self._pass(now)
        # A step that comes late means that this process stood still: what was sent meanwhile
        # waits in the socket, and is no silence.
        stood_still = now - self._ticked - steps * _STEP / CALLER_RATE
        self._ticked = now
        if stood_still > _STALL:
            self._heard_last = min(now, self._heard_last + stood_still)
        missing = now - self._heard_last
        if missing < min(_PATIENCE + 4 * self.jitter, _MOST_PATIENCE):
            return
        while self._filled + _STEP / CALLER_RATE <= missing:
            self._fill(_STEP)

    def _begin(self, ssrc: int) -> None:
        self._ssrc = ssrc
        self._reorder = Reorder()
        self._expected = None

    def _pass(self, now: float) -> None:
        for arrived in self._reorder.take(now):
            self._hear(arrived, now)

    def _hear(self, arrived: Arrived[RtpPacket], now: float) -> None:
        packet = arrived.packet
        if self._codecs.get(packet.payload_type) == TELEPHONE_EVENT:
            self._press(packet)
            return
        decoder = self._decoder_for(packet.payload_type)
        if decoder is None:
            return
        try:
            seconds = decoder.seconds(packet.payload)
            if not arrived.is_new_beginning:
                self._bridge(arrived, decoder, seconds)
            sound = decoder.decode(packet.payload)
        except BadPacket:
            self._broken += 1
            return
        self._broken = 0
        self._expected = packet.timestamp + round(seconds * decoder.clock_rate) & 0xFFFFFFFF
        self._heard_last, self._filled = now, 0.0
        self._deliver(sound)

    def _press(self, packet: RtpPacket) -> None:
        for key in self._keys.feed(packet.payload, packet.timestamp):
            if self._on_key is not None:
                self._on_key(key)

    def _decoder_for(self, payload_type: int) -> Inbound | None:
        """None: no audio (comfort noise, an unknown type)."""
        if payload_type != self._payload_type:
            made = inbound(self._codecs.get(payload_type, ""))
            if made is None:
                return None
            self._decoder, self._payload_type = made, payload_type
        return self._decoder

    def _bridge(self, arrived: Arrived[RtpPacket], decoder: Inbound, seconds: float) -> None:
        """Fill the time between the last sound and this packet, less what silence filled."""
        if self._expected is None or arrived.packet.timestamp == self._expected:
            return
        lost = arrived.lost + self._broken
        gap = ahead(arrived.packet.timestamp, self._expected, 32) / decoder.clock_rate
        if not 0.0 <= gap <= _LONGEST_GAP:
            gap = min(lost * seconds, _LONGEST_GAP)
        missing = round((gap - self._filled) * CALLER_RATE) // _GRAIN * _GRAIN
        if missing <= 0:
            return
        if not lost:
            self._fill(missing)
            return
        made_up = min(missing, _MOST_CONCEALED)
        if missing > made_up:
            self._fill(missing - made_up)
        self.concealed += made_up / CALLER_RATE
        self._deliver(decoder.conceal(made_up, arrived.packet.payload))

    def _fill(self, samples: int) -> None:
        self._filled += samples / CALLER_RATE
        self._deliver(np.zeros(samples, np.int16))

    def _measure_jitter(self, packet: RtpPacket, now: float) -> None:
        if self._decoder is None:
            return
        transit = now - packet.timestamp / self._decoder.clock_rate
        change = abs(transit - self._transit)
        self._transit = transit
        if change < 1.0:
            self.jitter += (change - self.jitter) / 16
