"""What a connection offers as its addresses."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCPeerConnection

from signaling.gathering import Gatherer
from signaling.ice import IceSettings


async def candidates(settings: IceSettings) -> list[tuple[str, int, str]]:
    """Address, port and type of what a connection offers."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=settings.rtc_servers()))
    try:
        pc.createDataChannel("control")
        Gatherer(settings).prepare(pc)
        await pc.setLocalDescription(await pc.createOffer())
        lines = pc.localDescription.sdp.splitlines()
        fields = [line.split() for line in lines if line.startswith("a=candidate:")]
        return [(each[4], int(each[5]), each[7]) for each in fields]
    finally:
        await pc.close()
