"""Callers who flood, send garbage, change their numbers or fall silent, beside one who is well."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pylibsrtp
import pytest

from media.audio import Samples
from media.pacer import Pacer
from tests.media.talking import Talk, is_rtp, loud_part, pitch, talk, tone, tone_seconds, until


async def sabotaged(
    says: Samples, sabotage: Callable[[Any, bytes, Callable[..., Any]], Awaitable[None]]
) -> Talk:
    """A call whose caller's every packet passes through `sabotage`, beside one that is well."""
    pacer = Pacer()
    async with talk("short", tone(30.0, 48_000), pacer=pacer) as good:
        async with talk("short", says, pacer=pacer) as bad:
            transport = bad.caller.getSenders()[0].transport
            stock = transport._send_rtp

            async def send(data: bytes) -> None:
                await sabotage(transport, data, stock)

            transport._send_rtp = send
            await until(lambda: len(bad.what_was_heard()) > 16_000 * 1.2)
        before = len(good.what_was_heard())
        await until(lambda: len(good.what_was_heard()) > before + 3200)
    return bad


async def test_garbage_between_the_packets_is_not_heard() -> None:
    generator = np.random.default_rng(1)

    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        sequence = int.from_bytes(data[2:4])
        if is_rtp(data) and sequence % 10 == 0:
            extension = 4 + 4 * int.from_bytes(data[14:16]) if data[0] & 0x10 else 0
            data = data[: 12 + extension] + b"\xff\xff\xff"  # no Opus
        await stock(data)
        if is_rtp(data):
            await transport.transport._send(b"\x80\x60" + generator.bytes(60))  # no SRTP
            await stock(bytes([data[0], 111]) + data[2:])  # a type that was not negotiated
            stray = (sequence + 300 + 7 * (sequence % 10)) & 0xFFFF
            await stock(data[:2] + stray.to_bytes(2) + data[4:])

    heard = loud_part((await sabotaged(tone(1.0, 48_000), sabotage)).what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(1.0, abs=0.1)
    assert pitch(heard[1600:-1600], 16_000) == pytest.approx(440, abs=5)


async def test_garbage_rtcp_does_not_end_the_call() -> None:
    generator = np.random.default_rng(1)

    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        await stock(data)
        for kind in (200, 201, 202, 203, 205, 206) if is_rtp(data) else ():
            length = int(generator.integers(0, 12))
            body = generator.bytes(4 * length)
            start = bytes([0x80 + int(generator.integers(0, 32)), kind, 0, length])
            with contextlib.suppress(pylibsrtp.Error):
                await stock(start + body)

    heard = loud_part((await sabotaged(tone(1.0, 48_000), sabotage)).what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(1.0, abs=0.1)


async def test_a_peer_that_changes_its_ssrc_is_still_heard() -> None:
    count = 0

    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        nonlocal count
        if is_rtp(data):
            count += 1
            data = data[:8] + (1000 + count // 10).to_bytes(4) + data[12:]
        await stock(data)

    bad = await sabotaged(tone(1.0, 48_000), sabotage)
    heard = loud_part(bad.what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(1.0, abs=0.1)


async def test_a_jump_of_timestamps_and_a_wrap_of_numbers_are_not_heard() -> None:
    first: list[int] = []

    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        if is_rtp(data):
            sequence = int.from_bytes(data[2:4])
            first.append(sequence)
            step = (sequence - first[0]) & 0xFFFF
            renumbered = (65_520 + step) & 0xFFFF
            stamp = (int.from_bytes(data[4:8]) + (77_777_777 if step > 30 else 0)) & 0xFFFFFFFF
            data = data[:2] + renumbered.to_bytes(2) + stamp.to_bytes(4) + data[8:]
        await stock(data)

    bad = await sabotaged(tone(1.0, 48_000), sabotage)
    heard = loud_part(bad.what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(1.0, abs=0.1)


async def test_a_flood_is_dropped_and_the_call_beside_it_goes_on() -> None:
    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        for _ in range(100):
            await stock(data)

    bad = await sabotaged(tone(0.6, 48_000), sabotage)
    heard = loud_part(bad.what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) <= 0.7


async def test_a_peer_that_stops_sending_is_silence() -> None:
    count = 0

    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        nonlocal count
        count += 1
        if count < 20:
            await stock(data)

    heard = (await sabotaged(tone(3.0, 48_000), sabotage)).what_was_heard()
    assert tone_seconds(heard, 16_000) < 0.6
    assert np.abs(heard[-8000:]).max() == 0


async def test_lost_packets_are_made_up_for_and_the_stream_keeps_its_length() -> None:
    generator = np.random.default_rng(3)

    async def sabotage(transport: Any, data: bytes, stock: Any) -> None:
        if not is_rtp(data) or generator.random() > 0.1:
            await stock(data)

    bad = await sabotaged(tone(1.0, 48_000), sabotage)
    heard = loud_part(bad.what_was_heard(), 16_000)
    assert tone_seconds(heard, 16_000) == pytest.approx(1.0, abs=0.1)
    assert pitch(heard[1600:-1600], 16_000) == pytest.approx(440, abs=5)


async def test_a_flood_of_packets_that_are_all_different_is_dropped_before_it_is_decoded() -> None:
    clock, decoded = asyncio.get_running_loop().time, list[Samples]()
    async with talk("short", tone(30.0, 48_000)) as bad:
        transport = bad.caller.getSenders()[0].transport
        stock, sample = transport._send_rtp, asyncio.Future[bytes]()

        async def keep(data: bytes) -> None:
            if is_rtp(data) and not sample.done():
                sample.set_result(data)

        transport._send_rtp = keep
        data = await sample
        reception: Any = bad.line._short and bad.line._short.reception
        reception._deliver = decoded.append  # the microphone would drop most of it
        begun, first = clock(), int.from_bytes(data[2:4])
        for sent in range(3000):
            number = (first + sent & 0xFFFF).to_bytes(2)
            await stock(data[:2] + number + (sent * 960).to_bytes(4) + data[8:])
            if sent % 50 == 0:  # no more than are read in a step
                await asyncio.sleep(0.02)
        took = clock() - begun
    # 600 at once and 600 a second, and the silence of such a while.
    assert 600 <= len(decoded) < 600 + 600 * took + 50 * (took + 1)


@pytest.mark.parametrize("size", [0, 9_000])
async def test_a_stranger_who_sends_nothing_or_too_much_ends_no_call(size: int) -> None:
    async with talk("short", tone(30.0, 48_000)) as call:
        await until(lambda: len(call.what_was_heard()) > 3_200)
        short: Any = call.line._short
        ours = short._ice._nominated[1].protocol.transport.get_extra_info("sockname")
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            stranger.sendto(bytes(size), ours)
        before = len(call.what_was_heard())
        await until(lambda: len(call.what_was_heard()) > before + 9_600)
        assert call.callee.connectionState == "connected"
