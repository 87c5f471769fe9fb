"""Packets leave alike on both ways, the compiled one and the one in Python."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from typing import Any

import pylibsrtp
import pytest
from pylibsrtp import Policy, Session

from media.datagrams import Datagrams, open_datagrams
from media.departures import CompiledDepartures, Departures, PlainDepartures, Stream, departures
from media.native import native
from media.packets import parse

KEY = bytes(range(30))
MID = b"\xbe\xde\x00\x01\x100\x00\x00"


class Told(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


def session(kind: int) -> Session:
    return Session(Policy(key=KEY, ssrc_type=kind))


@pytest.fixture(params=["compiled", "plain"])
def way(request: pytest.FixtureRequest) -> str:
    if request.param == "compiled" and native() is None:
        pytest.skip("no C compiler: packets are sent in Python alone")
    return str(request.param)


def leaving(
    way: str, transport: Datagrams, address: tuple[str, int], extension: bytes = MID
) -> Departures:
    made = departures(
        native() if way == "compiled" else None,
        Stream(payload_type=111, ssrc=0xDEADBEEF, extension=extension),
        session(Policy.SSRC_ANY_OUTBOUND),
        transport,
        address,
    )
    assert type(made) is (CompiledDepartures if way == "compiled" else PlainDepartures)
    return made


@pytest.mark.parametrize("extension", [b"", MID], ids=["bare", "with the media's id"])
async def test_what_is_sent_arrives_with_all_its_numbers(
    way: str, peer: socket.socket, extension: bytes
) -> None:
    transport = open_datagrams(Told, "127.0.0.1", 0)
    way_out = leaving(way, transport, peer.getsockname(), extension)
    inbound, chance = session(Policy.SSRC_ANY_INBOUND), random.Random(1)
    for sequence, size in zip((65_534, 65_535, 0, 1, 2), (0, 1, 60, 160, 1275), strict=True):
        payload, timestamp = chance.randbytes(size), chance.getrandbits(32)
        marker = chance.random() < 0.5
        sent = way_out.send(payload, sequence, timestamp, marker)
        data, sender = peer.recvfrom(2000)
        assert (len(data), sender) == (sent, transport.get_extra_info("sockname"))
        decrypted = inbound.unprotect(data)
        packet = parse(decrypted)
        assert (packet.sequence_number, packet.timestamp) == (sequence, timestamp)
        assert (packet.payload_type, packet.ssrc) == (111, 0xDEADBEEF)
        assert (packet.marker, packet.payload) == (marker, payload)
        assert decrypted[12 : 12 + len(extension)] == extension
    transport.close()


async def test_both_ways_send_the_same_bytes(peer: socket.socket) -> None:
    if native() is None:
        pytest.skip("no C compiler: packets are sent in Python alone")
    transport = open_datagrams(Told, "127.0.0.1", 0)
    compiled, plain = (leaving(way, transport, peer.getsockname()) for way in ("compiled", "plain"))
    for sequence in range(50):
        payload = os.urandom(sequence * 3)
        came = set[bytes]()
        for way_out in (compiled, plain):
            way_out.send(payload, sequence, sequence * 960, not sequence)
            came.add(peer.recv(2000))
        assert len(came) == 1
    transport.close()


async def test_what_the_network_refuses_is_told_and_the_next_packet_leaves(way: str) -> None:
    told = Told()
    transport = open_datagrams(lambda: told, "127.0.0.1", 0)
    nowhere = leaving(way, transport, ("127.0.0.1", 0))
    assert nowhere.send(b"lost", 1, 960, False) > 0
    assert [type(error) for error in told.errors] == [OSError]
    assert nowhere.send(b"lost too", 2, 1920, False) > 0
    transport.close()


async def test_what_the_kernel_has_no_room_for_is_lost_without_a_word() -> None:
    """As `test_datagrams.py` shows of what Python sends."""
    if native() is None:
        pytest.skip("no C compiler: packets are sent in Python alone")
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.setblocking(False)
        while True:
            try:
                one.send(b"full")
            except BlockingIOError:
                break
        told = Told()
        transport = open_datagrams(lambda: told, "127.0.0.1", 0)
        full: Any = leaving("compiled", transport, ("127.0.0.1", 9))
        full._departing.socket, full._departing.address_length = one.fileno(), 0
        assert full.send(b"lost", 1, 960, False) > 0
        transport.close()
    assert told.errors == []


async def test_a_closed_transport_sends_nothing(way: str, peer: socket.socket) -> None:
    told = Told()
    transport = open_datagrams(lambda: told, "127.0.0.1", 0)
    way_out = leaving(way, transport, peer.getsockname())
    transport.close()
    await asyncio.sleep(0.01)
    way_out.send(b"too late", 1, 960, False)
    peer.settimeout(0.05)
    with pytest.raises(TimeoutError):
        peer.recv(2000)
    assert told.errors == []


async def test_a_packet_that_cannot_be_encrypted_is_an_error(way: str, peer: socket.socket) -> None:
    transport = open_datagrams(Told, "127.0.0.1", 0)
    way_out = leaving(way, transport, peer.getsockname())
    way_out.send(b"first", 1, 960, False)
    with pytest.raises(pylibsrtp.Error):
        way_out.send(b"other", 1, 960, False)  # the same number would give the key away
    transport.close()


async def test_a_payload_of_no_codec_is_refused(way: str, peer: socket.socket) -> None:
    transport = open_datagrams(Told, "127.0.0.1", 0)
    with pytest.raises(ValueError, match="too long"):
        leaving(way, transport, peer.getsockname()).send(bytes(1600), 1, 960, False)
    transport.close()


async def test_ipv6(way: str) -> None:
    try:
        transport = open_datagrams(Told, "::1", 0)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        peer.bind(("::1", 0))
        peer.settimeout(5)
        leaving(way, transport, peer.getsockname()[:2]).send(b"hello", 7, 960, True)
        data = session(Policy.SSRC_ANY_INBOUND).unprotect(peer.recv(2000))
        assert parse(data).payload == b"hello"
    transport.close()


async def test_what_the_compiled_way_cannot_take_goes_in_python(peer: socket.socket) -> None:
    class Relayed:
        """A connection to a TURN server."""

        def __init__(self) -> None:
            self.sent: list[tuple[bytes, object]] = []

        def is_closing(self) -> bool:
            return False

        def sendto(self, data: bytes, address: object) -> None:
            self.sent.append((data, address))

    relayed, ours = Relayed(), open_datagrams(Told, "127.0.0.1", 0)
    outbound = session(Policy.SSRC_ANY_OUTBOUND)
    for transport, address, extension in (
        (relayed, ("192.0.2.1", 9), MID),
        (ours, ("no address.invalid", 9), MID),
        (ours, ("::1", 9), MID),
        (ours, peer.getsockname(), b"\x10\x00\x00\x20" + bytes(128)),
    ):
        stream = Stream(111, 7, extension)
        made = departures(native(), stream, outbound, transport, address)
        assert isinstance(made, PlainDepartures)
    departures(native(), Stream(111, 7, MID), outbound, relayed, ("192.0.2.1", 9)).send(
        b"hello", 1, 960, marker=False
    )
    ((data, address),) = relayed.sent
    assert address == ("192.0.2.1", 9)
    assert parse(session(Policy.SSRC_ANY_INBOUND).unprotect(data)).payload == b"hello"
    ours.close()
