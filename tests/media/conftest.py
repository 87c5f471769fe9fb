"""What tests of the media path may ask for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """The far side: a socket of its own."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock
