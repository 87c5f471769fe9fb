"""What the caller's side reports by RTCP, brought to the speaker while the call lasts."""

from __future__ import annotations

import asyncio

from aiortc import RTCRtpSender

from media.speaker import Speaker

_INTERVAL = 1.0
"""Seconds from one look to the next; reports come about once a second."""


async def follow_reports(sender: RTCRtpSender, speaker: Speaker) -> None:
    """Keep the speaker's delay at what the receiver reports say. Runs until cancelled."""
    while True:
        await asyncio.sleep(_INTERVAL)
        for report in (await sender.getStats()).values():
            round_trip = getattr(report, "roundTripTime", None)
            if round_trip is not None:
                speaker.hear_back(round_trip)
