"""A call's packets, from the datagram to the reception: socket, SRTP, RTP.

With `media/rtp.py` the one place that uses the insides of aiortc and aioice. aiortc tries each
datagram as STUN, queues it and makes objects of it; here media goes from the socket to the
reception in one step, read by the compiled part where there is one. What aiortc makes reports and
statistics of is kept fed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pylibsrtp
from aiortc import clock, rtcrtpreceiver

from media.arrivals import Arrivals, Counters
from media.audio import Samples
from media.datagrams import Datagrams
from media.dtmf import Key
from media.native import native
from media.packets import BadRtp, RtpPacket, ahead, parse
from media.reception import Reception

_STREAMS = 4
"""SSRCs of one peer that statistics are kept of."""
_RATE, _BURST = 600.0, 600.0
"""Packets a second that one peer may send, and at once; Opus at 2.5 ms needs 400."""


class Statistics(rtcrtpreceiver.StreamStatistics):
    """aiortc's figures of one SSRC, where timestamps may wrap or jump as they like.

    Its own jitter outgrows a report's 32 bits then, and it makes no more reports: without a word,
    and a receiver without reports can never be stopped."""

    def add(self, packet: Any) -> None:
        if self._last_timestamp is not None:
            step = ahead(packet.timestamp, self._last_timestamp, 32)
            self._last_timestamp = packet.timestamp - step
        super().add(packet)

    @property
    def jitter(self) -> int:
        return min(super().jitter, 0xFFFFFFFF)


class Inward:
    """A receiver's packets, taken from the socket's callback."""

    def __init__(
        self,
        receiver: Any,
        parameters: Any,
        deliver: Callable[[Samples], None],
        on_key: Callable[[Key], None] | None,
    ) -> None:
        self._receiver = receiver
        self._dtls: Any = receiver.transport
        self._clock = asyncio.get_running_loop().time
        self._rates = {codec.payloadType: codec.clockRate for codec in parameters.codecs}
        codecs = {codec.payloadType: codec.name for codec in parameters.codecs}
        self.reception = Reception(codecs, deliver, self._clock(), on_key=on_key)
        self._statistics: dict[int, Any] = receiver._RTCRtpReceiver__remote_streams
        self._ours: dict[int, Any] = {}
        self._budget, self._budget_at = _BURST, self._clock()
        self._native = native()
        self._arrivals: Arrivals | None = None
        if self._native is not None:
            session = self._dtls._rx_srtp
            self._arrivals = Arrivals(self._native, session, self.reception, self._sort)
        self._is_open = True
        self._hook_socket(self._dtls.transport._connection)

    @property
    def waits(self) -> Sequence[float]:
        """As `Arrivals.waits`."""
        return self._arrivals.waits if self._arrivals is not None else ()

    def forget_waits(self) -> None:
        """The beat has moved."""
        if self._arrivals is not None:
            self._arrivals.waits.clear()

    @property
    def is_compiled(self) -> bool:
        """Whether the socket is read by the compiled part."""
        return self._arrivals is not None

    def close(self) -> None:
        """What still arrives goes aiortc's way."""
        self._is_open = False

    def read(self, datagrams: Datagrams) -> None:
        """Take what a socket has."""
        arrivals = self._arrivals
        if arrivals is None or not self._is_open:
            datagrams.read()
            return
        arrivals.read(datagrams, self._clock())
        self._dtls._RTCDtlsTransport__rx_bytes += arrivals.bytes
        self._dtls._RTCDtlsTransport__rx_packets += arrivals.packets
        if not arrivals.may_pass:
            self._let_pass(arrivals)

    def _let_pass(self, arrivals: Arrivals) -> None:
        following = self.reception.next
        counters = self._ours.get(following.ssrc) if following is not None else None
        is_heard = self._receiver._enabled and isinstance(counters, Counters)
        arrivals.let_pass(counters if is_heard else None)

    def _hook_socket(self, ice: Any) -> None:
        stock_queue = ice.data_received

        def data_received(data: bytes, component: int) -> None:
            if not self._take(data):
                stock_queue(data, component)

        def without_stun(stock: Callable[..., None]) -> Callable[..., None]:
            def datagram_received(data: bytes, address: Any) -> None:
                if not self._take(data):
                    stock(data, address)

            return datagram_received

        for protocol in ice._protocols:
            protocol.datagram_received = without_stun(protocol.datagram_received)
        ice.data_received = data_received

    def _take(self, data: bytes) -> bool:
        """Take a datagram if it is RTP (RFC 7983, RFC 5761); False leaves it to aiortc."""
        if len(data) < 2 or not 127 < data[0] < 192 or 192 <= data[1] <= 208:
            return False
        if not self._is_open or self._dtls._rx_srtp is None:
            return False
        now = self._clock()
        if not self._is_affordable(now):
            return True
        try:
            packet = parse(self._dtls._rx_srtp.unprotect(data))
        except (pylibsrtp.Error, BadRtp):
            return True
        self._dtls._RTCDtlsTransport__rx_bytes += len(data)
        self._dtls._RTCDtlsTransport__rx_packets += 1
        self._sort(packet, now)
        if self._arrivals is not None:
            self._let_pass(self._arrivals)
        return True

    def _sort(self, packet: RtpPacket, now: float) -> None:
        """Hand a packet on if it is one of this call's."""
        if self._receiver._enabled and self._is_ours(packet):
            self.reception.arrive(packet, now)

    def _is_affordable(self, now: float) -> bool:
        """A peer that floods pays itself: what is too much is dropped before it costs anything."""
        self._budget = min(self._budget + (now - self._budget_at) * _RATE, _BURST)
        self._budget_at = now
        if self._budget < 1.0:
            return False
        self._budget -= 1.0
        return True

    def _is_ours(self, packet: RtpPacket) -> bool:
        statistics = self._ours.get(packet.ssrc)
        if statistics is None:
            statistics = self._meet(packet)
            if statistics is None:
                return False
        if packet.payload_type not in self._rates:
            return False
        statistics.add(packet)
        return True

    def _meet(self, packet: RtpPacket) -> Any:
        """A new SSRC: have aiortc's router learn it, so that RTCP about it finds the receiver."""
        if self._dtls._rtp_router.route_rtp(packet) is not self._receiver:
            return None
        while len(self._ours) >= _STREAMS:
            forgotten = next(iter(self._ours))
            del self._ours[forgotten]
            self._statistics.pop(forgotten, None)
            self._dtls._rtp_router.ssrc_table.pop(forgotten, None)
        rate = self._rates.get(packet.payload_type, 48_000)
        statistics = self._statistics.get(packet.ssrc)
        if self._native is not None:
            statistics = Counters(self._native, rate, statistics)
        elif statistics is None:
            statistics = Statistics(rate)
        self._statistics[packet.ssrc] = self._ours[packet.ssrc] = statistics
        self._receiver._RTCRtpReceiver__active_ssrc[packet.ssrc] = clock.current_datetime()
        return statistics
