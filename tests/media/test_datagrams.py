from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from media.datagrams import Datagrams, open_datagrams
from tests.media.talking import until


class Told(asyncio.DatagramProtocol):
    """What a protocol is told."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.received: list[bytes] = []
        self.senders: list[object] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []
        self._then = then

    def datagram_received(self, data: bytes, addr: object) -> None:
        assert type(data) is bytes
        self.received.append(data)
        self.senders.append(addr)
        self._then()

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def opened(told: Told, address: str = "127.0.0.1", port: int = 0) -> Datagrams:
    return open_datagrams(lambda: told, address, port)


def here(transport: Datagrams) -> tuple[str, int]:
    address: tuple[str, int] = transport.get_extra_info("sockname")
    return address


async def some_rounds_of_the_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0.001)


async def test_a_watched_socket_gives_what_comes_as_it_comes(peer: socket.socket) -> None:
    transport = opened(told := Told())
    peer.sendto(b"one", here(transport))
    await until(lambda: told.received == [b"one"])
    assert told.senders == [peer.getsockname()]
    transport.sendto(b"two", peer.getsockname())
    assert peer.recvfrom(100) == (b"two", here(transport))
    transport.close()


async def test_one_that_is_not_watched_gives_it_when_it_is_read(peer: socket.socket) -> None:
    transport = opened(told := Told())
    transport.unwatch()
    peer.sendto(b"one", here(transport))
    peer.sendto(b"two", here(transport))
    await some_rounds_of_the_loop()
    assert told.received == []
    transport.read()
    assert told.received == [b"one", b"two"]
    transport.read()
    assert told.received == [b"one", b"two"]
    transport.close()


async def test_what_waits_comes_when_it_is_watched_again(peer: socket.socket) -> None:
    transport = opened(told := Told())
    transport.unwatch()
    peer.sendto(b"one", here(transport))
    transport.watch()
    await until(lambda: told.received == [b"one"])
    transport.close()


async def test_a_flood_leaves_the_others_their_turn(peer: socket.socket) -> None:
    transport = opened(told := Told())
    transport.unwatch()
    for number in range(100):
        peer.sendto(bytes([number]), here(transport))
    transport.read()
    assert len(told.received) == 64
    transport.read()
    assert told.received == [bytes([number]) for number in range(100)]
    transport.close()


async def test_a_very_large_datagram_arrives_whole_and_an_empty_one_never(
    peer: socket.socket,
) -> None:
    transport = opened(told := Told())
    largest = bytes(range(250)) * 262
    peer.sendto(b"", here(transport))
    peer.sendto(largest, here(transport))
    await until(lambda: bool(told.received))
    assert told.received == [largest]
    transport.close()


@pytest.mark.parametrize(
    ("datagram", "port"), [(b"to nowhere", 0), (bytes(70_000), 9)], ids=["no port", "too large"]
)
async def test_what_cannot_be_sent_is_told_and_raises_nothing(datagram: bytes, port: int) -> None:
    transport = opened(told := Told())
    transport.sendto(datagram, ("127.0.0.1", port))
    assert [type(error) for error in told.errors] == [OSError]
    assert not transport.is_closing()
    transport.close()


async def test_what_the_kernel_has_no_room_for_is_lost_without_a_word() -> None:
    class Full(socket.socket):
        def sendto(self, *arguments: object) -> int:
            raise BlockingIOError

    sock = Full(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    transport = Datagrams(sock, told := Told())
    transport.sendto(b"lost", ("127.0.0.1", 9))
    assert told.errors == []
    transport.close()


async def test_a_peer_that_is_gone_is_told_and_others_are_read_all_the_same(
    peer: socket.socket,
) -> None:
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.connect(peer.getsockname())
    transport = Datagrams(sock, told := Told())
    transport.unwatch()
    address = peer.getsockname()
    peer.close()
    sock.send(b"to nobody")
    with socket.socket(type=socket.SOCK_DGRAM) as back:
        back.bind(address)
        back.sendto(b"here again", here_of(sock))
        transport.read()
    assert [type(error) for error in told.errors] == [ConnectionRefusedError]
    assert told.received == [b"here again"]
    transport.close()


def here_of(sock: socket.socket) -> tuple[str, int]:
    address: tuple[str, int] = sock.getsockname()
    return address


@pytest.mark.parametrize("end", [Datagrams.close, Datagrams.abort])
async def test_a_closed_one_tells_so_once_and_frees_its_port(
    peer: socket.socket, end: Callable[[Datagrams], None]
) -> None:
    transport = opened(told := Told())
    address = here(transport)
    end(transport)
    end(transport)
    assert transport.is_closing()
    assert told.lost == []  # not within the call, as with any transport
    transport.sendto(b"too late", peer.getsockname())
    transport.watch()
    transport.read()
    await some_rounds_of_the_loop()
    assert told.lost == [None]
    assert told.errors == []
    again = opened(Told(), *address)
    again.close()


async def test_one_that_is_closed_by_what_it_reads_reads_no_more(peer: socket.socket) -> None:
    told = Told(then=lambda: transport.close())
    transport = opened(told)
    transport.unwatch()
    peer.sendto(b"bye", here(transport))
    peer.sendto(b"unheard", here(transport))
    transport.read()
    assert told.received == [b"bye"]


async def test_a_port_that_is_taken_cannot_be_had(peer: socket.socket) -> None:
    with pytest.raises(OSError, match="in use"):
        opened(Told(), *peer.getsockname())


async def test_ipv6() -> None:
    try:
        transport = opened(told := Told(), "::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    transport.sendto(b"to myself", here(transport)[:2])
    await until(lambda: told.received == [b"to myself"])
    transport.close()
