"""A call's packets, from the encoder's payload to the datagram: RTP, SRTP, socket.

With `media/rtp.py` the one place that uses the insides of aiortc and aioice. aiortc's own sender
makes objects of each packet and wakes a task for it; here it is bytes and one call down. What
aiortc makes reports, statistics and answers to NACKs of is kept fed.
"""

from __future__ import annotations

import random
import struct
import time
from typing import Any

from aiortc import rtcdtlstransport
from aiortc.rtp import RTP_HISTORY_SIZE, HeaderExtensions

from media.packets import header

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
        self._payload_type: int = codec.payloadType
        self._samples = codec.clockRate // 50
        self._origin = random.getrandbits(32)
        # The lower half: a wrap while packets are lost at the start breaks SRTP.
        self._sequence = random.getrandbits(15)
        self._extension = _extension_block(sender, mid)

    @property
    def is_open(self) -> bool:
        """Whether packets can be sent at all."""
        return bool(self._dtls._state is rtcdtlstransport.State.CONNECTED)

    def send(self, payload: bytes, marker: bool, tick: int) -> None:
        """Send one packet, timed by its 20 ms step."""
        pair = self._ice._nominated.get(1)
        if not self._sender._enabled or pair is None or pair.protocol.transport.is_closing():
            return
        timestamp = self._origin + tick * self._samples & 0xFFFFFFFF
        packet = (
            header(
                payload_type=self._payload_type,
                marker=marker,
                sequence=self._sequence,
                timestamp=timestamp,
                ssrc=self._sender._ssrc,
                extension=self._extension,
            )
            + payload
        )
        data = self._dtls._tx_srtp.protect(packet)
        pair.protocol.transport.sendto(data, pair.remote_addr)
        self._account(packet, len(payload), len(data), timestamp)
        self._sequence = self._sequence + 1 & 0xFFFF

    def _account(self, packet: bytes, payload: int, data: int, timestamp: int) -> None:
        """Keep what RTCP sender reports, statistics and NACKs are made of."""
        sender = self._sender
        history = sender._RTCRtpSender__rtp_history
        history[self._sequence % RTP_HISTORY_SIZE] = _Sent(self._sequence, packet)
        history.pop((self._sequence - _REPEATABLE) % RTP_HISTORY_SIZE, None)
        sender._RTCRtpSender__ntp_timestamp = int((time.time() + _NTP_EPOCH) * 2**32)
        sender._RTCRtpSender__rtp_timestamp = timestamp
        sender._RTCRtpSender__octet_count += payload
        sender._RTCRtpSender__packet_count += 1
        self._dtls._RTCDtlsTransport__tx_bytes += data
        self._dtls._RTCDtlsTransport__tx_packets += 1


class _Sent:
    """A packet that may be asked for again, in the shape that aiortc's sender repeats."""

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
