"""Addresses that cannot be listened on."""

from __future__ import annotations

import socket

import pytest

from server.addresses import AddressUnusable, try_address


def test_a_free_port_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    try_address("127.0.0.1", port)
    try_address("127.0.0.1", port)
    try_address("localhost", 0)


def test_a_taken_port_is_told_with_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(AddressUnusable) as refused:
            try_address("127.0.0.1", port)
    assert refused.value.what == f"127.0.0.1 port {port} cannot be used: address already in use"
    assert refused.value.mend.startswith("--port")


@pytest.mark.parametrize("host", ["192.0.2.1", "256.1.1.1"])
def test_an_address_that_is_not_of_this_machine_is_told(host: str) -> None:
    with pytest.raises(AddressUnusable, match="set server.host to an address of this machine"):
        try_address(host, 0)
