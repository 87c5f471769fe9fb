"""A UDP socket that is read when its owner says so, instead of whenever something comes.

An event loop wakes the process for each datagram. A process that has slept for some milliseconds
finds the processor's caches empty: what it does first costs several times what comes right after.
So the sockets of calls that are under way are read at the pacer's beat, at which the process is
awake anyhow, one call after another. Until then, and when a call has no beat any more, the loop
watches them as usual.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any

_BUFFER = memoryview(bytearray(65_536))
"""Where each datagram is read to, and copied from at once: as large as the largest. One for all
sockets: 64 KB each would be most of a call's memory."""
_SO_TIMESTAMPNS = 35
"""Linux's number, which Python 3.11 has no name for."""
_AT_ONCE = 64
"""Datagrams that are read at once: a peer that floods leaves the others their turn."""


class Datagrams(asyncio.DatagramTransport):
    """A bound socket as a transport of asyncio's. It is watched until `unwatch()`.

    Datagrams that the kernel has no room for are dropped, as a full network would; so are empty
    ones that come."""

    def __init__(self, sock: socket.socket, protocol: asyncio.DatagramProtocol) -> None:
        """To be made by `open_datagrams`. Takes the socket, which must not block."""
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._socket = sock
        self.protocol = protocol
        """Whom what comes is for."""
        self._loop = asyncio.get_running_loop()
        self._is_watched = False
        self._is_closing = False
        self.before_close: Callable[[], object] | None = None
        """Called when this is closed, by who sends on the socket itself."""
        protocol.connection_made(self)
        self.watch()

    @property
    def number(self) -> int:
        """The socket's file descriptor, for who reads it in place of `read()`; -1: closed."""
        return self._socket.fileno()

    def stamp(self) -> None:
        """Have the kernel note when each datagram comes, for who reads later. Idempotent."""
        if sys.platform == "linux":
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    @property
    def family(self) -> int:
        """socket.AF_INET or AF_INET6."""
        return self._socket.family

    def watch(self) -> None:
        """Have the loop read what comes as it comes. Idempotent."""
        if not self._is_watched and not self._is_closing:
            self._is_watched = True
            self._loop.add_reader(self._socket, self.read)

    def unwatch(self) -> None:
        """From now on somebody calls `read()` regularly. Idempotent."""
        if self._is_watched:
            self._is_watched = False
            self._loop.remove_reader(self._socket)

    def read(self) -> None:
        """Give the protocol what has come, 64 datagrams at most; the rest waits for the next
        time."""
        for _ in range(_AT_ONCE):
            if self._is_closing:
                return
            try:
                size, address = self._socket.recvfrom_into(_BUFFER)
            except BlockingIOError:
                return
            except OSError as error:  # What was sent before came to nobody (ICMP).
                self.protocol.error_received(error)
                continue
            if size:  # Anybody can send an empty one; aiortc would end the connection for it.
                self.protocol.datagram_received(bytes(_BUFFER[:size]), address)

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send one datagram to `addr` (host and port). Ignored once closed."""
        if self._is_closing:
            return
        try:
            self._socket.sendto(data, addr)
        except BlockingIOError:
            return
        except OSError as error:
            self.protocol.error_received(error)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Nothing is read or sent any more; the protocol is told soon. Idempotent."""
        if self._is_closing:
            return
        self.unwatch()
        self._is_closing = True
        if self.before_close is not None:
            self.before_close()
            self.before_close = None
        self._loop.call_soon(self._end)

    def abort(self) -> None:
        self.close()

    def _end(self) -> None:
        self._socket.close()
        self.protocol.connection_lost(None)


def open_datagrams(
    protocol: Callable[[], asyncio.DatagramProtocol], address: str, port: int
) -> Datagrams:
    """A socket bound to an IP address; port 0: any. Raises OSError when that cannot be had."""
    is_ipv6 = ipaddress.ip_address(address).version == 6
    sock = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return Datagrams(sock, protocol())
