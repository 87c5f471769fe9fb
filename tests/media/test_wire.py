"""What the caller's side receives of our packets: marks, numbers and times, through silence too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc.rtp import RtpPacket

from media.audio import AudioChunk
from media.packets import ahead
from tests.media.talking import Path, Talk, talk, tone, until

SAID, PAUSE = 0.2, 0.8
"""Seconds of each thing said, and of the silence after it."""


def received(call: Talk) -> list[RtpPacket]:
    """The packets that come to the caller from now on."""
    receiver: Any = call.caller.getReceivers()[0]
    stock, packets = receiver._handle_rtp_packet, list[RtpPacket]()

    async def note(packet: RtpPacket, **others: Any) -> None:
        packets.append(packet)
        await stock(packet, **others)

    receiver._handle_rtp_packet = note
    return packets


async def said_twice(path: Path, codec: str) -> tuple[list[RtpPacket], list[float]]:
    """The packets of a call in which something is said twice; the seconds when each was begun."""
    clock = asyncio.get_running_loop().time
    async with talk(path, tone(0.1, 48_000), codec=f"audio/{codec}") as call:
        packets, begun = received(call), list[float]()
        await until(lambda: len(packets) > 2)
        for _ in range(2):
            begun.append(clock())
            await call.speaker.play(AudioChunk(tone(SAID, 48_000), 48_000))
            await call.speaker.drained()
            await asyncio.sleep(PAUSE)
    return packets, begun


def rises(packets: list[RtpPacket]) -> set[int]:
    """By how much the packets' numbers rise."""
    numbers = [packet.sequence_number for packet in packets]
    return {ahead(b, a, 16) for a, b in zip(numbers, numbers[1:], strict=False)}


def steps(packets: list[RtpPacket], codec: str) -> list[int]:
    """How many 20 ms steps each packet is after the one before, by its timestamp."""
    units = {"opus": 960}.get(codec, 160)
    moves = [
        ahead(b.timestamp, a.timestamp, 32) for a, b in zip(packets, packets[1:], strict=False)
    ]
    assert all(move % units == 0 for move in moves)
    return [move // units for move in moves]


@pytest.mark.parametrize(
    ("path", "codec"), [("short", "opus"), ("short", "PCMU"), ("stock", "opus")]
)
async def test_numbers_rise_by_one_and_time_goes_on_through_silence(path: Path, codec: str) -> None:
    packets, begun = await said_twice(path, codec)
    assert rises(packets) == {1}
    assert min(moves := steps(packets, codec)) >= 1
    assert sum(moves) * 0.02 == pytest.approx(begun[1] - begun[0] + SAID + PAUSE, abs=0.5)
    assert len({packet.payload_type for packet in packets}) == 1
    assert (max(moves) > 1) == (codec == "opus"), "Opus alone leaves silence out"
    if path == "short":
        assert_each_beginning_is_marked(packets, codec)


def assert_each_beginning_is_marked(packets: list[RtpPacket], codec: str) -> None:
    """And nothing else: a jitter buffer takes a mark for leave to change its delay."""
    first, second = (number for number, packet in enumerate(packets) if packet.marker)
    between = sum(steps(packets[first : second + 1], codec))
    assert between * 0.02 == pytest.approx(SAID + PAUSE, abs=0.3)
    if codec == "opus":
        for begin in (first, second):
            assert len(packets[begin - 1].payload) <= 3 < len(packets[begin].payload)


async def test_numbers_and_times_that_wrap_are_heard_on_without_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts = {15: 0xFFFF - 12, 32: (1 << 32) - 12 * 960}
    monkeypatch.setattr("media.outward.random.getrandbits", starts.__getitem__)
    packets, _ = await said_twice("short", "opus")
    assert packets[0].sequence_number > 0xFF00 and packets[-1].sequence_number < 0xFF
    assert packets[0].timestamp > packets[-1].timestamp
    assert rises(packets) == {1}
    assert min(steps(packets, "opus")) >= 1


async def test_each_packet_names_the_media_it_belongs_to() -> None:
    async with talk("short", tone(0.1, 48_000)) as call:
        packets = received(call)
        await until(lambda: len(packets) > 2)
        mid = call.caller.getTransceivers()[0].mid
    assert {packet.extensions.mid for packet in packets} == {mid}


async def test_while_there_is_no_way_to_the_caller_nothing_is_sent_and_the_line_lives() -> None:
    async with talk("short", tone(0.1, 48_000)) as call:
        await call.speaker.play(AudioChunk(tone(5.0, 48_000), 48_000))
        packets = received(call)
        await until(lambda: len(packets) > 2)
        short: Any = call.line._short
        sender: Any = call.callee.getSenders()[0]
        nominated = short._ice._nominated
        pair = nominated.pop(1)
        sent = await sent_meanwhile(sender)
        nominated[1] = pair
        await until(lambda: len(packets) > 10)
        sender._enabled = False
        sent += await sent_meanwhile(sender)
        sender._enabled = True
        pair.protocol.transport.close()
        sent += await sent_meanwhile(sender)
    assert sent == 0


async def sent_meanwhile(sender: Any) -> int:
    """How many packets leave within five steps of the pacer."""
    before = sender._RTCRtpSender__packet_count
    await asyncio.sleep(0.1)
    return int(sender._RTCRtpSender__packet_count - before)
