"""The last steps of a packet, from its payload to the network: header, SRTP, socket.

In two ways that do the same: in Python, for any transport and everywhere, and in one call of the
compiled part, for sockets of our own. A beat finds the processor's caches cold: the steps in Python
take 110 µs then, the call 65; right after one another they take 5 and 4.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Any, Protocol

import pylibsrtp

from media.datagrams import Datagrams
from media.native import Native
from media.native.foreign import srtp_function, srtp_session
from media.packets import header

_FULL = (errno.EAGAIN, errno.EWOULDBLOCK)
"""The kernel has no room: the packet is dropped, as a full network would."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What the packets of an RTP stream have in common. `extension`: see `header`."""

    payload_type: int
    ssrc: int
    extension: bytes

    def packet(self, payload: bytes, sequence: int, timestamp: int, *, marker: bool) -> bytes:
        """One of them, not encrypted."""
        return (
            header(
                payload_type=self.payload_type,
                marker=marker,
                sequence=sequence,
                timestamp=timestamp,
                ssrc=self.ssrc,
                extension=self.extension,
            )
            + payload
        )


@dataclass(frozen=True, slots=True)
class Left:
    """What became of a packet that was queued."""

    size: int
    """Bytes of its datagram."""
    late: float | None
    """Seconds after its time at which it left by itself; None: it left when it was released."""


class Departures(Protocol):
    """A stream's way to its listener, for as long as session, transport and address stay.

    Errors of the network are told to the transport's protocol."""

    def send(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> int:
        """Send one packet; bytes of its datagram, 0 when the transport is closed. Raises
        pylibsrtp.Error."""

    def queue(self, payload: bytes, sequence: int, timestamp: int, due: float) -> bool:
        """Have a packet leave by itself, shortly after `due` (seconds of `time.monotonic`), if it
        is not released before; False: that cannot be had. Raises pylibsrtp.Error."""

    def release(self) -> Left | None:
        """The first that was queued leaves now, if it has not yet; None: nothing is queued."""

    def take_back(self) -> int:
        """Drop what has not left of what was queued; how many have, and are to be released."""


class PlainDepartures:
    """In Python."""

    def __init__(
        self, stream: Stream, session: pylibsrtp.Session, transport: Any, address: tuple[str, int]
    ) -> None:
        self._stream = stream
        self._session = session
        self._transport = transport
        self._address = address

    def send(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> int:
        if self._transport.is_closing():
            return 0
        packet = self._stream.packet(payload, sequence, timestamp, marker=marker)
        data = self._session.protect(packet)
        self._transport.sendto(data, self._address)
        return len(data)

    def queue(self, payload: bytes, sequence: int, timestamp: int, due: float) -> bool:
        return False

    def release(self) -> Left | None:
        return None

    def take_back(self) -> int:
        return 0


class CompiledDepartures:
    """In one call of the compiled part."""

    def __init__(
        self,
        native: Native,
        stream: Stream,
        session: pylibsrtp.Session,
        transport: Datagrams,
        address: tuple[str, int],
    ) -> None:
        """Raises OSError when the address is none of the socket's kind, ValueError when the header
        extension is too long."""
        ffi, lib = native.ffi, native.lib
        where = _socket_address(transport.family, address)
        if len(stream.extension) > lib.LARGEST_EXTENSION:
            raise ValueError(f"a header extension of {len(stream.extension)} bytes is too long")
        self._session = session
        self._transport = transport
        self._native = native
        self._outlet: Any = None
        self._released: Any = native.ffi.new("Released *")
        self._send = lib.send_packet
        self._largest: int = lib.LARGEST_PAYLOAD
        self._departing: Any = ffi.new("Departing *")
        departing = self._departing
        departing.protect = ffi.cast("Protect", srtp_function("srtp_protect"))
        departing.session = ffi.cast("void *", srtp_session(session))
        departing.socket, departing.ssrc = transport.number, stream.ssrc
        departing.payload_type, departing.extension_length = (
            stream.payload_type,
            len(stream.extension),
        )
        ffi.memmove(departing.extension, stream.extension, len(stream.extension))
        ffi.memmove(departing.address, where, len(where))
        departing.address_length = len(where)

    def send(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> int:
        if self._transport.is_closing():
            return 0
        if len(payload) > self._largest:
            raise ValueError(f"a payload of {len(payload)} bytes is too long")
        size: int = self._send(self._departing, payload, len(payload), sequence, timestamp, marker)
        return size if size > 0 else self._explain(size)

    def queue(self, payload: bytes, sequence: int, timestamp: int, due: float) -> bool:
        if self._transport.is_closing() or len(payload) > self._largest:
            return False
        outlet = self._outlet or self._open_outlet()
        if not outlet:
            return False
        size: int = self._native.lib.queue_packet(
            outlet, self._departing, payload, len(payload), sequence, timestamp, False, due
        )
        if size < 0:
            self._explain(size)
        return size > 0

    def release(self) -> Left | None:
        released = self._released
        if not self._outlet or not self._native.lib.release_packet(self._outlet, released):
            return None
        if released.error:
            self._tell(released.error)
        return Left(released.size, released.late if released.is_early else None)

    def take_back(self) -> int:
        return self._native.lib.take_back_packets(self._outlet) if self._outlet else 0

    def _open_outlet(self) -> Any:
        """A queue for this way, made when it is first needed: most of a call is silence."""
        ffi, lib = self._native.ffi, self._native.lib
        opened = lib.open_outlet(self._departing)
        if opened:
            self._outlet = ffi.gc(opened, lib.close_outlet)
            self._transport.before_close = self.take_back
        return self._outlet

    def _explain(self, size: int) -> int:
        departing = self._departing
        if departing.refused:
            raise pylibsrtp.Error(f"libsrtp encrypts no packet (error {departing.refused})")
        self._tell(departing.error)
        return -size

    def _tell(self, number: int) -> None:
        if number not in _FULL:
            self._transport.protocol.error_received(OSError(number, os.strerror(number)))


def departures(
    native: Native | None,
    stream: Stream,
    session: pylibsrtp.Session,
    transport: Any,
    address: tuple[str, int],
) -> Departures:
    """The shortest way there is: a connection to a TURN server knows Python alone."""
    if native is not None and isinstance(transport, Datagrams):
        try:
            return CompiledDepartures(native, stream, session, transport, address)
        except (OSError, ValueError):
            pass
    return PlainDepartures(stream, session, transport, address)


def _socket_address(family: int, address: tuple[str, int]) -> bytes:
    """The C struct sockaddr_in or sockaddr_in6 of an IP address. Raises OSError."""
    found = socket.getaddrinfo(*address[:2], family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    host, port, *scoped = found[0][4]
    flow, scope = scoped or (0, 0)
    packed = socket.inet_pton(family, str(host).partition("%")[0])
    if family == socket.AF_INET:
        rest = packed + bytes(8)
    else:
        rest = struct.pack("!I", int(flow)) + packed + struct.pack("=I", int(scope))
    # Where BSD came from, the length stands before a family of one byte.
    length = 4 + len(rest)
    kind = struct.pack("=H", family) if sys.platform == "linux" else bytes((length, family))
    return kind + struct.pack("!H", int(port)) + rest
