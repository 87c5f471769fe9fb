"""A call's packets, from the encoder's payload to the datagram: RTP, SRTP, socket.

With `media/rtp.py` the one place that uses the insides of aiortc and aioice. aiortc's own sender
makes objects of each packet and wakes a task for it; here it is bytes and one call down. What
aiortc makes reports, statistics and answers to NACKs of is kept fed.
"""

from __future__ import annotations

import random
import struct
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from aiortc import rtcdtlstransport
from aiortc.rtp import RTP_HISTORY_SIZE, HeaderExtensions

from media.departures import Departures, Stream, departures
from media.native import native
from media.opus import FRAME_SECONDS

_NTP_EPOCH = 2_208_988_800
"""Seconds from NTP's epoch (1900) to that of `time.time()`."""
_REPEATABLE = 32
"""Packets (0.64 s) that are kept to be sent again; one that is asked for later would come too
late. aiortc keeps 128, a tenth of a call's memory."""


class Outward:
    """A sender's packets, put on the socket."""

    def __init__(self, sender: Any, codec: Any, mid: str) -> None:
        self._sender = sender
        self._dtls: Any = sender.transport
        self._ice: Any = self._dtls.transport._connection
        self._samples = codec.clockRate // 50
        self._origin = random.getrandbits(32)
        # The lower half: a wrap while packets are lost at the start breaks SRTP.
        self._sequence = random.getrandbits(15)
        self._stream = Stream(codec.payloadType, sender._ssrc, _extension_block(sender, mid))
        self._history = _History(self._stream)
        sender._RTCRtpSender__rtp_history = self._history
        self._pair: Any = None
        self._departures: Departures | None = None
        self._queued: deque[tuple[int, bytes]] = deque()
        """Steps and payloads of what may leave by itself."""

    @property
    def is_open(self) -> bool:
        """Whether packets can be sent at all."""
        return bool(self._dtls._state is rtcdtlstransport.State.CONNECTED)

    def send(self, payload: bytes, marker: bool, tick: int) -> float | None:
        """Send one packet, timed by its 20 ms step. When it was queued and has left by itself: how
        many seconds after its time."""
        departures = self._open_way()
        if departures is None or not self._sender._enabled:
            self.take_back()
            return None
        if self._queued:
            if self._queued[0] == (tick, payload) and (left := departures.release()) is not None:
                self._queued.popleft()
                self._account(payload, left.size, tick, marker)
                return left.late
            self.take_back()
        timestamp = self._timestamp(tick)
        if size := departures.send(payload, self._sequence, timestamp, marker):
            self._account(payload, size, tick, marker)
        return None

    def queue(self, payloads: Sequence[bytes], tick: int, due: float) -> None:
        """Have these leave by themselves, one per 20 ms step from number `tick` on, which is due
        then (seconds of `time.monotonic`), unless `send` does it or they are taken back. The first
        ones may be queued already."""
        departures = self._open_way()
        if departures is None or not self._sender._enabled:
            return
        for place in range(len(self._queued), len(payloads)):
            step, payload = tick + place, payloads[place]
            sequence = self._sequence + place & 0xFFFF
            when = due + place * FRAME_SECONDS
            if not departures.queue(payload, sequence, self._timestamp(step), when):
                return
            self._queued.append((step, payload))

    def take_back(self) -> list[float]:
        """Drop what was queued and has not left. How many seconds after its time each one did that
        has, and whose step was not taken yet."""
        late = list[float]()
        if not self._queued or self._departures is None:
            return late
        for _ in range(self._departures.take_back()):
            tick, payload = self._queued.popleft()
            if (left := self._departures.release()) is not None:
                self._account(payload, left.size, tick, marker=False)
                late.append(left.late or 0.0)
        self._queued.clear()
        return late

    def is_stale(self, tick: int) -> bool:
        """Whether what is queued does not go on with that step: one before it was never taken, the
        listener is elsewhere, or nothing is to be sent."""
        if not self._queued:
            return False
        is_there = self._sender._enabled and self._ice._nominated.get(1) is self._pair
        return not is_there or self._queued[0][0] < tick

    def _open_way(self) -> Departures | None:
        pair = self._ice._nominated.get(1)
        if pair is not self._pair:
            self.take_back()
            self._pair = pair
            self._departures = self._way(pair) if pair is not None else None
        return self._departures

    def _timestamp(self, tick: int) -> int:
        timestamp: int = self._origin + tick * self._samples & 0xFFFFFFFF
        return timestamp

    def _way(self, pair: Any) -> Departures:
        session = self._dtls._tx_srtp
        return departures(
            native(), self._stream, session, pair.protocol.transport, pair.remote_addr
        )

    def _account(self, payload: bytes, size: int, tick: int, marker: bool) -> None:
        """A packet left: keep what RTCP sender reports, repetitions and statistics are made of."""
        sender, dtls, timestamp = self._sender, self._dtls, self._timestamp(tick)
        sender._RTCRtpSender__ntp_timestamp = int((time.time() + _NTP_EPOCH) * 2**32)
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__octet_count += len(payload)
        sender._RTCRtpSender__packet_count += 1
        dtls._RTCDtlsTransport__tx_bytes += size
        dtls._RTCDtlsTransport__tx_packets += 1
        self._history.add(payload, self._sequence, timestamp, marker)
        self._sequence = self._sequence + 1 & 0xFFFF


class _History:
    """The packets that may be asked for again, in the place of aiortc's dictionary of them.

    They are kept as they were given, and made anew when they are asked for."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._sent: deque[tuple[bytes, int, int, bool]] = deque(maxlen=_REPEATABLE)

    def add(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> None:
        """A packet was sent."""
        self._sent.append((payload, sequence, timestamp, marker))

    def get(self, place: int) -> _Sent | None:
        """The packet whose number is `place`, by aiortc's measure of history; None: too old."""
        for payload, sequence, timestamp, marker in self._sent:
            if sequence % RTP_HISTORY_SIZE == place:
                packet = self._stream.packet(payload, sequence, timestamp, marker=marker)
                return _Sent(sequence, packet)
        return None


class _Sent:
    """A packet that was asked for again, in the shape that aiortc's sender repeats."""

    __slots__ = ("_packet", "sequence_number")

    def __init__(self, sequence_number: int, packet: bytes) -> None:
        self.sequence_number = sequence_number
        self._packet = packet

    def serialize(self, extensions: object) -> bytes:
        return self._packet


def _extension_block(sender: Any, mid: str) -> bytes:
    """The header extension of all packets: the media's id, when it was negotiated."""
    values = HeaderExtensions(mid=mid)
    profile, value = sender._RTCRtpSender__rtp_header_extensions_map.set(values)
    return struct.pack("!HH", profile, len(value) // 4) + value if value else b""
