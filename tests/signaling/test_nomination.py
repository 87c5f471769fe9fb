"""A peer that nominates another path than its first."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from importlib.metadata import version

import pytest
from aioice import Connection, ice
from aiortc import RTCPeerConnection

from media.datagrams import Datagrams
from media.pacer import Pacer
from signaling import gathering, nomination
from signaling.gathering import connections
from signaling.ice import IceSettings

STATE = ice.CandidatePair.State


async def gathered(connection: Connection, here: tuple[str, ...]) -> None:
    """Gather on loopback addresses of our choice, which aioice would not."""
    gather = partial(gathering._gather, connection, IceSettings(bind=here))
    connection.get_component_candidates = gather  # type: ignore[method-assign]  # of this one alone
    await connection.gather_candidates()


async def introduced(local: Connection, remote: Connection) -> None:
    for candidate in remote.local_candidates:
        await local.add_remote_candidate(candidate)
    await local.add_remote_candidate(None)
    local.remote_username = remote.local_username
    local.remote_password = remote.local_password


class Moving:
    """A phone with two addresses, and a server; the second path is deaf until the phone moves.

    The first path is slow enough for the checks of both to be in progress when it is nominated."""

    def __init__(self, *, is_mended: bool) -> None:
        self.phone = Connection(ice_controlling=True)
        self.server = Connection(ice_controlling=False)
        if is_mended:
            nomination._follow(self.server)

    async def __aenter__(self) -> Moving:
        await gathered(self.phone, ("127.0.0.1", "127.0.0.2"))
        await gathered(self.server, ("127.0.0.1",))
        await introduced(self.phone, self.server)
        await introduced(self.server, self.phone)
        first, self.second = self.phone._protocols
        later, receive = asyncio.get_running_loop().call_later, first.datagram_received

        def slowly(data: bytes | str, addr: tuple[object, ...]) -> None:
            later(0.1, receive, data, addr)

        first.datagram_received = slowly  # type: ignore[method-assign]
        deliver = self.second.datagram_received
        self.second.datagram_received = lambda data, addr: None  # type: ignore[method-assign]
        await asyncio.gather(self.server.connect(), self.phone.connect())
        self.second.datagram_received = deliver  # type: ignore[method-assign]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.phone.close()
        await self.server.close()

    def state(self) -> ice.CandidatePair.State:
        """Of the server's pair with the phone's second address."""
        return self._pair().state

    def nominated(self) -> tuple[str, int]:
        """Where the server sends."""
        return self.server._nominated[1].remote_addr

    async def move(self) -> None:
        """The phone nominates its second path."""
        target = self.server.local_candidates[0]
        pair = ice.CandidatePair(self.second, target)
        request = self.phone.build_request(pair, nominate=True)
        assert self.phone.remote_password is not None
        key = self.phone.remote_password.encode()
        await self.second.request(request, (target.host, target.port), integrity_key=key)
        await asyncio.sleep(0.3)

    def _pair(self) -> ice.CandidatePair:
        port = self.second.local_candidate.port
        return next(each for each in self.server._check_list if each.remote_candidate.port == port)


async def test_a_peer_that_moves_is_followed() -> None:
    async with Moving(is_mended=True) as moving:
        first = moving.nominated()
        assert moving.state() is STATE.FROZEN
        await moving.move()
        assert moving.nominated() != first
        assert moving.nominated()[0] == "127.0.0.2"
        assert moving.state() is STATE.SUCCEEDED


async def test_a_peer_that_moves_is_followed_though_sockets_are_read_at_the_beat_alone() -> None:
    async with Moving(is_mended=True) as moving:
        pacer, sockets = Pacer(), [each.transport for each in moving.server._protocols]
        for sock in sockets:
            assert isinstance(sock, Datagrams)
            sock.unwatch()
            pacer.join(lambda tick, due: None, failed, sock.read)
        first = moving.nominated()
        await moving.move()
        assert moving.nominated() != first
        assert moving.nominated()[0] == "127.0.0.2"


def failed(error: Exception) -> None:
    raise AssertionError("reading never fails") from error


async def test_as_it_is_shipped_aioice_does_not_follow() -> None:
    if nomination.misfit() is not None:
        pytest.skip("this aioice is another one than is mended")
    async with Moving(is_mended=False) as moving:
        first = moving.nominated()
        assert moving.state() is STATE.IN_PROGRESS
        await moving.move()
        assert moving.nominated() == first


async def test_an_unknown_aioice_is_left_alone_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nomination._warn_once.cache_clear()
    monkeypatch.setattr(nomination, "misfit", lambda: "aioice is 9.9")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            pc = RTCPeerConnection()
            pc.createDataChannel("control")
            nomination.follow_nominations(pc)
            ours = next(iter(connections(pc)))
            assert "connect" not in vars(ours)
            await pc.close()
    assert caplog.text.count("not followed") == 1


def test_another_version_and_a_missing_attribute_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert nomination.misfit("9.9.") == f"aioice is {version('aioice')}, known is 9.9.x"
    monkeypatch.setattr(nomination, "version", None)  # read once, not for each call
    monkeypatch.delattr(Connection, "check_state")
    assert nomination.misfit() == "aioice has no check_state"
