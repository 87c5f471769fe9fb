"""A network that goes away: no packet of a caller's comes through any more, in either direction."""

from __future__ import annotations

from typing import Any

from aiortc import RTCPeerConnection

from signaling.client import Caller


def cut(caller: Caller) -> None:
    """Cut the connection that the caller has now, without a word to either side."""
    assert caller._connection is not None
    cut_connection(caller._connection)


def cut_connection(pc: RTCPeerConnection) -> None:
    """Let nothing in or out of it any more."""
    for transceiver in pc.getTransceivers():
        ice: Any = transceiver.receiver.transport.transport._connection
        for protocol in ice._protocols:
            protocol.transport.sendto = lambda data, address=None: None
            protocol.datagram_received = lambda data, address: None
