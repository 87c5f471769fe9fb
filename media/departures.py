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


class Departures(Protocol):
    """A stream's way to its listener, for as long as session, transport and address stay."""

    def send(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> int:
        """Send one packet; bytes of its datagram, 0 when the transport is closed. Errors of the
        network are told to the transport's protocol. Raises pylibsrtp.Error."""


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
        return size if size > 0 else self._explain(-size)

    def _explain(self, size: int) -> int:
        departing = self._departing
        if departing.refused:
            raise pylibsrtp.Error(f"libsrtp encrypts no packet (error {departing.refused})")
        if departing.error not in _FULL:
            error = OSError(departing.error, os.strerror(departing.error))
            self._transport.protocol.error_received(error)
        return size


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
