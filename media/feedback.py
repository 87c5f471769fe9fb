"""What the caller's side reports by RTCP, brought to the speaker while the call lasts.

aiortc collects the receiver reports in its statistics, on the short way too; here they become the
delay to the caller's ear and the choice of how to encode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCRtpSender

from media.adaptation import Adaptation, AdaptationSettings, Choice, Report
from media.speaker import Speaker

_INTERVAL = 1.0
"""Seconds from one look to the next; reports come about once a second."""


async def follow_reports(
    sender: RTCRtpSender,
    speaker: Speaker,
    *,
    settings: AdaptationSettings | None = None,
    on_choice: Callable[[Choice], None] | None = None,
) -> None:
    """Keep the speaker's delay and encoding at what the reports say. Runs until cancelled.

    `on_choice` is told each change of the encoding."""
    clock = asyncio.get_running_loop().time
    adaptation = Adaptation(speaker.bitrate, settings)
    seen = None
    while True:
        await asyncio.sleep(_INTERVAL)
        for stats in (await sender.getStats()).values():
            if stats.type != "remote-inbound-rtp" or stats.timestamp == seen:
                continue
            seen = stats.timestamp
            if stats.roundTripTime is not None:
                speaker.hear_back(stats.roundTripTime)
            report = Report(loss=stats.fractionLost / 256, round_trip=stats.roundTripTime)
            choice = adaptation.feed(report, clock())
            if choice is not None:
                speaker.adapt(bitrate=choice.bitrate, fec=choice.fec, loss=choice.loss)
                if on_choice is not None:
                    on_choice(choice)
