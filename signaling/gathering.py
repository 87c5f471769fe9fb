"""How a connection finds its own addresses: the one place that replaces something of aioice's.

aioice gathers every address but loopback, on random ports. `Gatherer` puts a coroutine of ours in
that place, on one connection at a time: the addresses, ports and the advertised address are the
operator's. It checks once that aioice looks as expected; if not, it says so and the calls run on
aioice's own gathering, unless a setting needs ours.
"""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import random
import socket
from collections.abc import Iterable
from copy import copy
from functools import partial

from aioice import Candidate, Connection, ice, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aiortc import RTCPeerConnection

from media.datagrams import Datagrams, open_datagrams
from signaling.errors import CallRefused
from signaling.ice import IceSettings

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 1 << 20
"""Bytes of socket buffer per candidate, so that a late loop loses no packet."""


class Gatherer:
    """Makes peer connections gather their candidates as the settings say. One per server."""

    def __init__(self, settings: IceSettings) -> None:
        """Raises RuntimeError when a setting needs insides that this aioice does not have."""
        self._settings = settings
        self._usable = _aioice_is_as_expected()
        if self._usable:
            return
        if not settings.plain:
            raise RuntimeError(
                "this aioice gathers its candidates in another way than is known here: "
                "unset ice.bind, ice.advertised and ice.port_min/port_max"
            )
        log.warning("This aioice is not known: it chooses addresses and ports by itself")

    def prepare(self, pc: RTCPeerConnection) -> None:
        """Call before `setLocalDescription`, when every transport of `pc` is there."""
        if not self._usable:
            return
        for connection in connections(pc):
            gather = partial(_gather, connection, self._settings)
            # The one patch: an instance's method, so that nobody else's connections change.
            connection.get_component_candidates = gather  # type: ignore[method-assign]


def _aioice_is_as_expected() -> bool:
    try:
        parameters = list(inspect.signature(Connection.get_component_candidates).parameters)
        probes = (ice.StunProtocol, ice.server_reflexive_candidate, ice.get_host_addresses)
    except AttributeError:
        return False
    return parameters == ["self", "component", "addresses", "timeout"] and all(probes)


def connections(pc: RTCPeerConnection) -> Iterable[Connection]:
    """aioice's part of every transport of `pc`."""
    transports = {transceiver.receiver.transport for transceiver in pc.getTransceivers()}
    if pc.sctp is not None:
        transports.add(pc.sctp.transport)
    return {transport.transport.iceGatherer._connection for transport in transports}


async def _gather(
    connection: Connection,
    settings: IceSettings,
    component: int,
    addresses: list[str],
    timeout: float = 5,  # noqa: ASYNC109 - aioice's signature; ours is in the settings
) -> list[Candidate]:
    """In place of `Connection.get_component_candidates`: `addresses` are aioice's own choice.

    Raises CallRefused when no address could be bound.
    """
    opened = [
        await _open(connection, address, component, settings)
        for address in settings.bind or usable_addresses(addresses)
    ]
    protocols = [protocol for protocol in opened if protocol is not None]
    if not protocols:
        raise CallRefused("no_port", "the server has no free port for media", retry_after=5)
    candidates = [_advertise(protocol.local_candidate, settings) for protocol in protocols]
    candidates += await _reflexive(connection, protocols, settings.gather_timeout)
    # Without addresses aioice's own way asks the TURN server alone.
    original = partial(Connection.get_component_candidates, connection)
    candidates += await original(component, [], timeout=settings.gather_timeout)  # type: ignore[arg-type]  # handed to asyncio.wait
    return candidates


def usable_addresses(addresses: list[str]) -> list[str]:
    """Without the link-local ones; loopback when nothing else is there."""
    usable = [each for each in addresses if not ipaddress.ip_address(each).is_link_local]
    return usable or ["127.0.0.1"]


async def _open(
    connection: Connection, address: str, component: int, settings: IceSettings
) -> ice.StunProtocol | None:
    """A socket on `address`, known to the connection; None when no port is free there."""
    transport = _bind(connection, address, settings)
    if transport is None:
        return None
    protocol = transport.get_protocol()
    assert isinstance(protocol, ice.StunProtocol)
    host, port = transport.get_extra_info("sockname")[:2]
    protocol.local_candidate = Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host"),
        host=host,
        port=port,
        type="host",
    )
    connection._protocols.append(protocol)
    return protocol


def _bind(connection: Connection, address: str, settings: IceSettings) -> Datagrams | None:
    failure: OSError | None = None
    for port in _ports(settings):
        try:
            transport = open_datagrams(lambda: ice.StunProtocol(connection), address, port)
        except OSError as error:
            failure = error
            continue
        _widen(transport.get_extra_info("socket"))
        return transport
    span = f"{settings.port_min}-{settings.port_max}" if settings.port_min else "any"
    log.warning(
        "No UDP port for media",
        extra={"address": address, "ports": span, "error": str(failure)},
    )
    return None


def _ports(settings: IceSettings) -> list[int]:
    """The ports to try, in an order that spreads the calls over the range."""
    if not settings.port_min:
        return [0]
    ports = range(settings.port_min, settings.port_max + 1)
    return random.sample(ports, len(ports))


def _widen(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def _advertise(candidate: Candidate, settings: IceSettings) -> Candidate:
    """What is told of a host candidate; the original keeps the address it is bound to."""
    advertised = settings.advertised
    if advertised is None:
        return candidate
    if ipaddress.ip_address(advertised).version != ipaddress.ip_address(candidate.host).version:
        return candidate
    told = copy(candidate)
    told.host = advertised
    return told


async def _reflexive(
    connection: Connection, protocols: list[ice.StunProtocol], seconds: float
) -> list[Candidate]:
    """What a STUN server sees of our IPv4 sockets; a server that never answers costs `seconds`."""
    server = connection.stun_server
    asked = [each for each in protocols if ":" not in each.local_candidate.host]
    if server is None or not asked:
        return []

    async def ask(protocol: ice.StunProtocol) -> Candidate | None:
        try:
            async with asyncio.timeout(seconds):
                candidate, _ = await ice.server_reflexive_candidate(protocol, server)
                return candidate
        except (TimeoutError, OSError, stun.TransactionError) as error:
            log.warning(
                "STUN server did not help",
                extra={"server": f"{server[0]}:{server[1]}", "error": str(error) or "no answer"},
            )
            return None

    found = await asyncio.gather(*(ask(protocol) for protocol in asked))
    return [candidate for candidate in found if candidate is not None]
