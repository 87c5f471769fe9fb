"""What the short way needs of aiortc's and aioice's insides, and whether it is there."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

import aioice.ice
from aiortc import RTCRtpTransceiver, rtcdtlstransport, rtcrtpreceiver, rtcrtpsender

KNOWN = {"aiortc": ("1.15.", "1.16."), "aioice": ("0.13.",)}
"""The versions whose insides `media/rtp.py` and its halves know."""

_CLASSES: tuple[tuple[type, tuple[str, ...]], ...] = (
    (rtcrtpreceiver.RTCRtpReceiver, ("receive", "_RTCRtpReceiver__stop_decoder")),
    (rtcrtpreceiver.StreamStatistics, ("add",)),
    (rtcrtpsender.RTCRtpSender, ("send", "stop")),
    (rtcdtlstransport.RTCDtlsTransport, ("_recv_next", "_handle_rtcp_data")),
    (rtcdtlstransport.RtpRouter, ("route_rtp",)),
    (rtcdtlstransport.RTCCertificate, ("_create_ssl_context",)),
    (aioice.ice.Connection, ("data_received",)),
    (aioice.ice.StunProtocol, ("datagram_received",)),
)
_OBJECTS: dict[str, tuple[str, ...]] = {
    "receiver": ("_enabled", "_track", "_RTCRtpReceiver__remote_streams"),
    "sender": (
        "_enabled",
        "_ssrc",
        "_RTCRtpSender__rtp_history",
        "_RTCRtpSender__packet_count",
        "_RTCRtpSender__octet_count",
        "_RTCRtpSender__ntp_timestamp",
        "_RTCRtpSender__rtp_timestamp",
    ),
    "dtls": (
        "_rx_srtp",
        "_tx_srtp",
        "_rtp_router",
        "_RTCDtlsTransport__rx_bytes",
        "_RTCDtlsTransport__local_certificate",
    ),
    "ice": ("_nominated", "_protocols", "data_received"),
}


@cache
def _found(package: str) -> str | None:
    """Its version; None: it is not there. Read from disk, which takes the loop's time."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def misfit(transceiver: RTCRtpTransceiver) -> str | None:
    """Why the short way cannot be taken; None when it can."""
    for package, known in KNOWN.items():
        if (found := _found(package)) is None:
            return f"{package} is not installed"
        if not f"{found}.".startswith(known):
            return f"{package} is {found}, known are {', '.join(f'{each}x' for each in known)}"
    for kind, names in _CLASSES:
        for name in names:
            if not hasattr(kind, name):
                return f"{kind.__name__} has no {name}"
    receiver, dtls = transceiver.receiver, transceiver.receiver.transport
    objects = {
        "receiver": receiver,
        "sender": transceiver.sender,
        "dtls": dtls,
        "ice": getattr(dtls.transport, "_connection", None),
    }
    for name, inside in objects.items():
        for attribute in _OBJECTS[name]:
            if not hasattr(inside, attribute):
                return f"the {name} has no {attribute}"
    return None
