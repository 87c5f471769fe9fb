"""Packets that are queued leave by themselves when nobody sends them, and never twice."""

from __future__ import annotations

import asyncio
import ctypes
import math
import select
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pylibsrtp
import pytest
from pylibsrtp import Policy, Session

from media.datagrams import Datagrams, open_datagrams
from media.departures import CompiledDepartures, Stream
from media.native import native
from media.packets import RtpPacket, parse

KEY = bytes(range(30))
LONG = 60.0
"""Seconds from now at which nothing is due while a test lasts."""
SOON = 0.2
"""Seconds from now at which something is due that a slow machine must not be late for before."""
_SO_TIMESTAMPNS = 35


class Told(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


class Listening:
    """The far end, which decrypts."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._session = Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_INBOUND))

    def next(self) -> RtpPacket:
        self.sock.settimeout(10)
        return parse(self._session.unprotect(self.sock.recv(2000)))

    def is_silent(self, seconds: float = 0.1) -> bool:
        return not select.select([self.sock], [], [], seconds)[0]


def session() -> Session:
    policy = Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx = True  # as aiortc's
    return Session(policy)


@pytest.fixture
def far(peer: socket.socket) -> Listening:
    return Listening(peer)


@pytest.fixture
async def transport() -> Any:
    transport = open_datagrams(Told, "127.0.0.1", 0)
    yield transport
    transport.close()


def way(
    transport: Datagrams, address: tuple[str, int], srtp: Session | None = None
) -> CompiledDepartures:
    compiled = native()
    if compiled is None:
        pytest.skip("no C compiler: each packet waits for Python")
    stream = Stream(payload_type=111, ssrc=0xDEADBEEF, extension=b"")
    made = CompiledDepartures(compiled, stream, srtp or session(), transport, address)
    if not made.queue(b"", 0, 0, time.monotonic() + LONG):
        pytest.skip("no queue on this system: each packet waits for Python")
    assert made.take_back() == 0
    return made


@pytest.fixture
def leaving(transport: Datagrams, far: Listening) -> Iterator[CompiledDepartures]:
    made = way(transport, far.sock.getsockname())
    yield made
    made.take_back()


async def test_what_is_not_released_leaves_by_itself_when_it_is_due(
    leaving: CompiledDepartures, far: Listening
) -> None:
    due = time.monotonic() + SOON
    for number in range(3):
        assert leaving.queue(b"%d" % number, 7 + number, 960 * number, due + number * 0.02)
    assert far.is_silent(0.02)
    for number in range(3):
        packet = far.next()
        assert time.monotonic() >= due + number * 0.02
        assert (packet.payload, packet.sequence_number) == (b"%d" % number, 7 + number)
        assert (packet.timestamp, packet.marker) == (960 * number, False)
    for _ in range(3):
        left = leaving.release()
        assert left is not None and left.late is not None and left.late > 0
        assert left.size == 12 + 1 + 10
    assert leaving.release() is None
    assert far.is_silent()


async def test_what_is_released_leaves_at_once_and_not_again(
    leaving: CompiledDepartures, far: Listening
) -> None:
    soon = time.monotonic() + SOON
    assert leaving.queue(b"one", 1, 0, soon)
    assert leaving.queue(b"other", 2, 960, soon + 0.02)
    left = leaving.release()
    assert left is not None and left.late is None
    assert [far.next().payload for _ in range(2)] == [b"one", b"other"]
    assert far.is_silent()


async def test_what_is_taken_back_does_not_leave_and_another_takes_its_number(
    leaving: CompiledDepartures, far: Listening
) -> None:
    due = time.monotonic()
    for number in range(4):
        assert leaving.queue(b"%d" % number, number, 960 * number, due + number // 2 * LONG)
    assert [far.next().payload for _ in range(2)] == [b"0", b"1"]
    assert leaving.take_back() == 2
    assert leaving.queue(b"new", 2, 1920, due + LONG)
    released = [leaving.release() for _ in range(2)]
    assert all(left is not None and left.late is not None for left in released)
    assert far.is_silent()
    last = leaving.release()
    assert last is not None and last.late is None
    assert (far.next().payload, leaving.release()) == (b"new", None)


async def test_a_queue_takes_sixteen_and_goes_round(
    leaving: CompiledDepartures, far: Listening
) -> None:
    never = time.monotonic() + LONG
    for number in range(16):
        assert leaving.queue(b"%d" % number, number, 0, never)
    assert not leaving.queue(b"one too many", 16, 0, never)
    for number in range(16, 60):
        assert leaving.release() is not None
        assert leaving.queue(b"%d" % number, number, 0, never)
        assert far.next().payload == b"%d" % (number - 16)


async def test_what_is_too_long_is_not_queued(leaving: CompiledDepartures, far: Listening) -> None:
    never = time.monotonic() + LONG
    longest = bytes(512 - 12 - 10)
    assert not leaving.queue(longest + b"1", 1, 0, never)
    assert not leaving.queue(bytes(2000), 1, 0, never)
    assert leaving.release() is None
    assert leaving.queue(longest, 1, 0, never)
    assert leaving.release() is not None
    assert far.next().payload == longest


@pytest.mark.parametrize("due", [-1.0, 0.0, math.nan, math.inf, -math.inf, 1e300])
async def test_what_has_no_time_is_not_queued_and_keeps_nobody_waiting(
    transport: Datagrams, leaving: CompiledDepartures, far: Listening, due: float
) -> None:
    other = way(transport, far.sock.getsockname())
    assert not other.queue(b"never", 1, 0, due)
    assert leaving.queue(b"now", 1, 0, time.monotonic())
    assert far.next().payload == b"now"
    assert other.release() is None


async def test_two_streams_leave_each_in_its_own_time(
    transport: Datagrams, leaving: CompiledDepartures, far: Listening
) -> None:
    other = way(transport, far.sock.getsockname())
    now = time.monotonic()
    assert leaving.queue(b"last", 1, 0, now + 0.08)
    assert other.queue(b"first", 2, 0, now)
    assert other.queue(b"second", 3, 0, now + 0.04)
    assert [far.next().payload for _ in range(3)] == [b"first", b"second", b"last"]


@pytest.mark.parametrize("end", ["the socket closes", "the stream is forgotten"])
async def test_nothing_leaves_when_it_is_over(far: Listening, end: str) -> None:
    transport = open_datagrams(Told, "127.0.0.1", 0)
    departures: CompiledDepartures | None = way(transport, far.sock.getsockname())
    assert departures is not None
    assert departures.queue(b"late", 1, 0, time.monotonic() + SOON)
    if end == "the socket closes":
        transport.close()
        assert not departures.queue(b"later", 2, 0, time.monotonic() + SOON)
    else:
        transport.before_close = departures = None
    assert far.is_silent(SOON + 0.1)
    assert departures is None or departures.release() is None
    transport.close()


async def test_what_the_network_refuses_is_told_when_it_is_released() -> None:
    told = Told()
    transport = open_datagrams(lambda: told, "127.0.0.1", 0)
    nowhere = way(transport, ("127.0.0.1", 0))
    assert nowhere.queue(b"lost", 1, 960, time.monotonic() + LONG)
    assert told.errors == []
    assert nowhere.release() is not None
    assert [type(error) for error in told.errors] == [OSError]
    transport.close()


async def test_what_libsrtp_refuses_is_an_error_and_not_queued(
    transport: Datagrams, far: Listening
) -> None:
    strict = Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    departures = way(transport, far.sock.getsockname(), strict)
    assert departures.queue(b"one", 5, 0, time.monotonic() + LONG)
    with pytest.raises(pylibsrtp.Error, match="libsrtp encrypts no packet"):
        departures.queue(b"of the same number", 5, 0, time.monotonic() + LONG)
    assert departures.release() is not None
    assert departures.release() is None


async def test_packets_leave_while_a_thread_holds_the_interpreter(
    leaving: CompiledDepartures, far: Listening
) -> None:
    """Every thread of Python's stands still meanwhile."""
    far.sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    begin = time.monotonic()
    for number in range(5):
        assert leaving.queue(b"%d" % number, number, 0, begin + number * 0.02)
    ctypes.PyDLL(None).usleep(200_000)  # the C library's, called without letting go of the lock
    end = time.time()
    far.sock.settimeout(10)
    for _ in range(5):
        _, told, _, _ = far.sock.recvmsg(2000, 200)
        seconds, nanoseconds = struct.unpack("qq", told[0][2])
        assert seconds + nanoseconds * 1e-9 < end
