"""What a STUN server sees of us is offered beside our own addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aioice import stun

from signaling.ice import IceServer, IceSettings
from tests.signaling.offered import candidates

SEEN = ("198.51.100.7", 40_007)


class Mirror(asyncio.DatagramProtocol):
    """A STUN server that sees everybody at one address, or refuses them."""

    def __init__(self, *, refuses: bool = False) -> None:
        self._refuses = refuses

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = stun.parse_message(data)
        kind = stun.Class.ERROR if self._refuses else stun.Class.RESPONSE
        answer = stun.Message(stun.Method.BINDING, kind, asked.transaction_id)
        if self._refuses:
            answer.attributes["ERROR-CODE"] = (500, "Not today")
        else:
            answer.attributes["XOR-MAPPED-ADDRESS"] = SEEN
        self._transport.sendto(bytes(answer), addr)


@asynccontextmanager
async def standing(mirror: Mirror) -> AsyncIterator[IceSettings]:
    """The settings of a server beside which this STUN server stands."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: mirror, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        yield IceSettings(
            bind=("127.0.0.1",), servers=(IceServer(urls=(f"stun:127.0.0.1:{port}",)),)
        )
    finally:
        transport.close()


async def test_the_address_that_a_stun_server_sees_is_offered_after_our_own() -> None:
    async with standing(Mirror()) as settings:
        own, seen = await candidates(settings)
    assert (own[0], own[2]) == ("127.0.0.1", "host")
    assert seen == (*SEEN, "srflx")


async def test_a_stun_server_that_refuses_costs_no_call() -> None:
    async with standing(Mirror(refuses=True)) as settings:
        offered = await candidates(settings)
    assert [kind for _, _, kind in offered] == ["host"]
