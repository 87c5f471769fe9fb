"""How late packets come, by the sender's own clock. Pure."""

from __future__ import annotations

import math

from media.opus import WIRE_RATE
from media.packets import RtpPacket, ahead


class SenderClock:
    """A stream's RTP timestamps in seconds since its first packet, however they wrap."""

    def __init__(self) -> None:
        self._latest: int | None = None
        self._ticks = 0

    def seconds(self, timestamp: int) -> float:
        """When the packet with this timestamp was due."""
        if self._latest is not None:
            self._ticks += ahead(timestamp, self._latest, 32)
        self._latest = timestamp
        return self._ticks / WIRE_RATE


class Lateness:
    """A stream's packets, judged by the earliest of their talk spurt."""

    def __init__(self) -> None:
        self._clock = SenderClock()
        self._earliest = math.inf

    def feed(self, packet: RtpPacket, at: float) -> float:
        """Seconds by which the packet that came at `at` is later than the earliest so far."""
        transit = at - self._clock.seconds(packet.timestamp)
        if packet.marker:
            self._earliest = transit
        self._earliest = min(self._earliest, transit)
        return transit - self._earliest
