"""A call's socket read by the compiled part: packets that are just the next come out as sound.

Of the datagrams of a call nearly all are RTP, in order and without a gap. These are decrypted,
counted and decoded in C (`media/native/arrivals.c`), all that a reading finds in one call.
Everything else is handed on: other packets to the reception, which also says when packets may pass
again, and what is no RTP to the socket's protocol.
"""

from __future__ import annotations

import math
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from pylibsrtp import Session

from media.audio import Samples
from media.datagrams import Datagrams
from media.native import Native
from media.native.foreign import srtp_function, srtp_session
from media.opus import decode_address
from media.packets import BadRtp, RtpPacket, parse
from media.reception import Reception

_WAITS = 50
"""Readings whose packets' waiting is remembered."""


class Counters:
    """One SSRC's figures, under the names that aiortc reads to report them."""

    def __init__(self, native: Native, clock_rate: int, before: Any = None) -> None:
        """`before`: aiortc's own for this SSRC, which go on here."""
        self._count = native.lib.count_packet
        self.counters: Any = native.ffi.new("Counters *", {"base": -1, "latest": -1})
        self.counters.clock_rate = clock_rate
        self._expected_before = self._received_before = 0
        if before is not None and before.packets_received:
            self._go_on(before)

    def _go_on(self, before: Any) -> None:
        counters = self.counters
        counters.base, counters.latest = before.base_seq, before.max_seq
        counters.received, counters.cycles = before.packets_received, before.cycles
        counters.jitter_q4, counters.last_arrival = before._jitter_q4, before._last_arrival
        counters.last_timestamp = before._last_timestamp
        self._expected_before = before._expected_prior
        self._received_before = before._received_prior

    def add(self, packet: RtpPacket) -> None:
        """A packet came."""
        self._count(self.counters, packet.sequence_number, packet.timestamp, time.time())

    @property
    def packets_received(self) -> int:
        return int(self.counters.received)

    @property
    def max_seq(self) -> int:
        """The latest sequence number."""
        return int(self.counters.latest)

    @property
    def jitter(self) -> int:
        """Units of the codec's clock."""
        return int(self.counters.jitter_q4) >> 4

    @property
    def packets_expected(self) -> int:
        return int(self.counters.cycles) + self.max_seq - int(self.counters.base) + 1

    @property
    def packets_lost(self) -> int:
        """As a receiver report can say it: 24 bits, signed."""
        lost = self.packets_expected - self.packets_received
        return max(-(1 << 23), min(lost, (1 << 23) - 1))

    @property
    def fraction_lost(self) -> int:
        """In 256ths, since it was asked last."""
        expected, received = self.packets_expected, self.packets_received
        interval = expected - self._expected_before
        lost = interval - (received - self._received_before)
        self._expected_before, self._received_before = expected, received
        return (lost << 8) // interval if interval and lost > 0 else 0


class Arrivals:
    """One call's socket, for as long as one SRTP session and one reception last."""

    def __init__(
        self,
        native: Native,
        session: Session,
        reception: Reception,
        on_packet: Callable[[RtpPacket, float], None],
    ) -> None:
        """`on_packet` is told each packet that is not simply the next, and when it came."""
        self._native = native
        self._session = session
        self._reception = reception
        self._on_packet = on_packet
        self._room = _room(native)
        self._stream: Any = native.ffi.new("Stream *")
        self._stream.budget_at = -math.inf  # so that the first may come all at once
        self._stream.read_at = -math.inf
        self._stream.unprotect = native.ffi.cast("Unprotect", srtp_function("srtp_unprotect"))
        self._stream.decode = native.ffi.cast("Decode", decode_address())
        self._stream.session = native.ffi.cast("void *", srtp_session(session))
        self._counters: Counters | None = None
        self.waits: deque[float] = deque(maxlen=_WAITS)
        """Seconds for which the latest packet of each of the last readings had waited."""
        self.bytes = self.packets = 0
        """Decrypted by the last `read`."""

    @property
    def may_pass(self) -> bool:
        """Whether packets pass at all at present."""
        return bool(self._stream.may_pass)

    def let_pass(self, counters: Counters | None) -> None:
        """From now on the packet that the reception expects may pass, counted there; None: none
        may, each is told to `on_packet`."""
        following = self._reception.next
        stream = self._stream
        if counters is None or following is None:
            stream.may_pass = 0
            return
        self._counters = counters
        stream.counters = counters.counters
        stream.ssrc, stream.payload_type = following.ssrc, following.payload_type
        stream.sequence, stream.timestamp = following.sequence, following.timestamp
        stream.transit, stream.jitter = following.transit, following.jitter
        stream.decoder = self._native.ffi.cast("void *", following.decoder.address)
        stream.may_pass = 1

    def read(self, datagrams: Datagrams, now: float) -> None:
        """Take what the socket has, 64 datagrams at most; the rest waits for the next time."""
        self.bytes = self.packets = 0
        if datagrams.is_closing():
            return
        stream, room = self._stream, self._room
        came = self._native.lib.read_arrivals(stream, room.given, datagrams.number, now)
        if came < 0:  # What was sent before came to nobody (ICMP).
            datagrams.protocol.error_received(OSError(-came, os.strerror(-came)))
            return
        if stream.passed:
            heard_at = stream.heard_at
            self._reception.passed(stream, heard_at)
            self.waits.append(now - heard_at)
        for index in range(came):
            self._take(room, index, datagrams)
        self.bytes, stream.bytes = stream.bytes, 0
        self.packets, stream.packets = stream.packets, 0

    def _take(self, room: _Room, index: int, datagrams: Datagrams) -> None:
        arrival = room.arrivals[index]
        kind, lib = arrival.kind, self._native.lib
        if kind == lib.ARRIVED_SOUND:
            self._reception.hear(room.sounds[index, : arrival.length].copy())
        elif kind == lib.ARRIVED_PACKET:
            try:
                packet = parse(room.datagram(index, arrival.length))
            except BadRtp:
                return
            self._on_packet(packet, arrival.at)
        elif kind == lib.ARRIVED_OTHER:
            data = room.datagram(index, arrival.length)
            datagrams.protocol.datagram_received(data, room.address(index))


class _Room:
    """Where the compiled part puts what it read."""

    def __init__(self, native: Native) -> None:
        self._ffi = native.ffi
        self.given: Any = native.ffi.new("Room *")
        self.arrivals = self.given.arrivals
        sounds = np.frombuffer(native.ffi.buffer(self.given.sounds), np.int16)
        self.sounds: Samples = sounds.reshape(native.lib.MOST_ARRIVALS, -1)

    def datagram(self, index: int, length: int) -> bytes:
        return bytes(self._ffi.buffer(self.given.datagrams[index], length))

    def address(self, index: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """As the socket module tells it."""
        data = bytes(self._ffi.buffer(self.given.addresses[index]))
        port = int.from_bytes(data[2:4], "big")
        # Where BSD came from, the length stands before a family of one byte.
        family = int.from_bytes(data[:2], sys.byteorder) if sys.platform == "linux" else data[1]
        if family == socket.AF_INET:
            return socket.inet_ntop(socket.AF_INET, data[4:8]), port
        scope = int.from_bytes(data[24:28], sys.byteorder)
        return socket.inet_ntop(socket.AF_INET6, data[8:24]), port, 0, scope


@cache
def _room(native: Native) -> _Room:
    """One for all calls: each reading is over before the next begins."""
    return _Room(native)
