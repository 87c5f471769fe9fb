"""What the caller's receiver reports changes how the speaker speaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest
from aiortc import RTCRtpSender
from aiortc.stats import RTCRemoteInboundRtpStreamStats

from media.adaptation import AdaptationSettings, Choice
from media.audio import AudioChunk
from media.feedback import follow_reports
from media.speaker import Speaker
from tests.virtual_time import virtual

RATE = 48_000


@dataclass
class Network:
    """Stands where aiortc's sender does: a new report at each look, with what is set here."""

    loss: float = 0.0
    round_trip: float | None = 0.04
    is_silent: bool = False
    """Whether no new report comes: the last one is told again."""
    looks: int = 0
    others: dict[str, Any] = field(default_factory=dict)
    _report: RTCRemoteInboundRtpStreamStats | None = None

    async def getStats(self) -> dict[str, Any]:
        self.looks += 1
        if self._report is None or not self.is_silent:
            self._report = RTCRemoteInboundRtpStreamStats(
                timestamp=datetime.fromtimestamp(self.looks, UTC),
                type="remote-inbound-rtp",
                id="remote",
                ssrc=1,
                kind="audio",
                transportId="transport",
                packetsReceived=0,
                packetsLost=0,
                jitter=0,
                roundTripTime=self.round_trip,
                fractionLost=round(self.loss * 256),
            )
        return {**self.others, "remote": self._report}


@asynccontextmanager
async def followed(
    network: Network, speaker: Speaker, settings: AdaptationSettings | None = None
) -> AsyncIterator[list[Choice]]:
    """The choices that are made while the block runs."""
    choices: list[Choice] = []
    following = asyncio.create_task(
        follow_reports(
            cast(RTCRtpSender, network), speaker, settings=settings, on_choice=choices.append
        )
    )
    await asyncio.sleep(0.5)  # amid two looks
    try:
        yield choices
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def bits_per_second(speaker: Speaker) -> float:
    """How large the packets are that leave while the agent says a noise for half a second."""
    noise = np.random.default_rng(1).standard_normal(RATE // 2) * 3_000
    await speaker.play(AudioChunk(noise.astype(np.int16), RATE))
    packets = [speaker.leave() for _ in range(24)]
    speaker.clear()
    for _ in range(3):
        speaker.leave()
    return sum(len(packet.payload) for packet in packets if packet) * 8 / (24 * 0.02)


@virtual
async def test_what_leaves_shrinks_under_loss_and_grows_back_to_the_settings_rate_and_above() -> (
    None
):
    network, speaker = Network(), Speaker()
    async with followed(network, speaker) as choices:
        assert await bits_per_second(speaker) == pytest.approx(24_000, rel=0.15)
        network.loss = 0.3
        await asyncio.sleep(30)
        assert choices[-1] == Choice(12_000, True, 0.3)
        assert await bits_per_second(speaker) < 15_000
        network.loss = 0.0
        await asyncio.sleep(40)
        assert (choices[-1].bitrate, choices[-1].fec) == (24_000, False)
        assert await bits_per_second(speaker) == pytest.approx(24_000, rel=0.15)
        await asyncio.sleep(30)
        assert choices[-1].bitrate == 32_000
        assert await bits_per_second(speaker) == pytest.approx(32_000, rel=0.15)
        assert [choice.bitrate for choice in choices if not choice.fec] == [
            16_000, 20_000, 24_000, 28_000, 32_000,
        ]  # fmt: skip


@virtual
async def test_the_limits_of_the_settings_hold() -> None:
    network, speaker = Network(), Speaker()
    settings = AdaptationSettings(lowest=20_000, highest=26_000)
    async with followed(network, speaker, settings) as choices:
        network.loss = 0.5
        await asyncio.sleep(30)
        assert await bits_per_second(speaker) < 24_000
        network.loss = 0.0
        await asyncio.sleep(90)
        assert await bits_per_second(speaker) == pytest.approx(26_000, rel=0.15)
    assert {choice.bitrate for choice in choices} == {20_000, 24_000, 26_000}


@virtual
async def test_a_report_is_taken_once_however_often_it_is_seen() -> None:
    network, speaker = Network(loss=0.05), Speaker()
    async with followed(network, speaker) as choices:
        await asyncio.sleep(1)
        network.is_silent = True
        await asyncio.sleep(60)
        assert network.looks > 50
        assert choices == []


@virtual
async def test_the_delay_to_the_callers_ear_follows_the_round_trip_once_it_is_known() -> None:
    network, speaker = Network(round_trip=None), Speaker()
    unknown = speaker.delay
    async with followed(network, speaker):
        await asyncio.sleep(2)
        assert speaker.delay == unknown
        network.round_trip = 0.2
        await asyncio.sleep(1)
        assert speaker.delay == pytest.approx(unknown + 0.1)
        network.round_trip = None
        await asyncio.sleep(1)
        assert speaker.delay == pytest.approx(unknown + 0.1)


@virtual
async def test_a_way_that_gets_long_lowers_the_rate_without_any_loss() -> None:
    network, speaker = Network(), Speaker()
    async with followed(network, speaker) as choices:
        await asyncio.sleep(2)
        network.round_trip = 0.4
        await asyncio.sleep(1)
    assert choices == [Choice(18_000, False, 0.0)]


@virtual
async def test_other_statistics_are_passed_over() -> None:
    report = (await Network(loss=1.0).getStats())["remote"]
    report.type = "remote-outbound-rtp"
    network, speaker = Network(others={"other": report}), Speaker()
    async with followed(network, speaker) as choices:
        await asyncio.sleep(5)
    assert choices == []
