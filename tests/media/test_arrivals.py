"""The compiled reading of a socket does what the reading in Python does, whatever comes."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket as StockPacket
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy

from media.arrivals import Counters
from media.inward import Statistics
from media.packets import RtpPacket
from media.reception import Reception
from tests.media.two_readers import (
    OPUS,
    Heard,
    Network,
    Sent,
    Steps,
    assert_the_same,
    both,
    built,
    in_order,
    session,
)


@pytest.fixture
async def call() -> Any:
    heard = Heard(built())
    network = Network(heard)
    yield heard, network
    network.close()


def test_packets_in_order_pass_in_c_and_sound_the_same() -> None:
    quick, plain = both(in_order(50))  # both wrapping numbers wrap on the way
    assert_the_same(quick, plain)
    assert len(np.concatenate(quick.sound)) == 50 * 320


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"padding": 3},
        {"csrc": 2},
        {"extension": bytes.fromhex("bede000110610000")},
        {"padding": 1, "csrc": 15, "extension": bytes.fromhex("bede00021061000010620000")},
    ],
)
def test_after_the_first_none_is_told_to_python(
    headers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[int]()
    stock = Reception.arrive

    def arrive(self: Reception, packet: RtpPacket, now: float) -> None:
        told.append(packet.sequence_number)
        stock(self, packet, now)

    monkeypatch.setattr(Reception, "arrive", arrive)
    quick, plain = both([[Sent(at, **headers)] for at in range(20)])
    assert_the_same(quick, plain)
    assert quick.reception.next is not None
    assert told.count(65_500) == 2 and len(told) == 21, "one by C's way, twenty by Python's"


def test_garbage_in_a_packets_place_is_no_sound_in_c_either() -> None:
    assert_the_same(*both([*in_order(5), [Sent(5, payload=b"\xff\xff")], [], [], [Sent(8)]]))


networks = st.lists(
    st.lists(
        st.builds(
            Sent,
            at=st.integers(0, 40),
            ssrc=st.sampled_from([7, 7, 7, 7, 8]),
            payload_type=st.sampled_from([OPUS, OPUS, OPUS, 0, 13, 101]),
            payload=st.sampled_from([None, None, None, b"", b"\xff\xff", b"\x78", bytes(160)]),
            skewed=st.sampled_from([0, 0, 0, 480, 960 * 70, -960]),
            padding=st.sampled_from([0, 0, 3]),
            csrc=st.sampled_from([0, 0, 2]),
            extension=st.sampled_from([b"", bytes.fromhex("bede000110610000")]),
        ),
        max_size=3,
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 25), networks)
def test_whatever_comes_is_heard_as_in_python(before: int, steps: Steps) -> None:
    started = in_order(before)
    met = {(sent.ssrc, sent.at) for step in started for sent in step}
    fresh: Steps = []
    for step in steps:  # SRTP lets no number in twice
        new = [sent for sent in step if (sent.ssrc, sent.at) not in met]
        fresh.append(list({(sent.ssrc, sent.at): sent for sent in new}.values()))
        met.update((sent.ssrc, sent.at) for sent in new)
    assert_the_same(*both([*started, *fresh]))


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_network_that_loses_and_reorders_is_heard_as_in_python(luck: random.Random) -> None:
    steps: Steps = [[] for _ in range(70)]
    for at in range(60):
        if luck.random() > 0.1:
            steps[at + luck.choice([0, 0, 0, 0, 1, 2, 4])].append(Sent(at))
    assert_the_same(*both(steps))


async def test_what_is_no_rtp_is_told_with_its_address(call: tuple[Heard, Network]) -> None:
    heard, network = call
    stun, rtcp = bytes.fromhex("000100002112a442") + bytes(12), b"\x80\xc8" + bytes(26)
    for data in (stun, rtcp, b"\x16\xfe\xfd" + bytes(20), b"?"):
        network.send(data)
    heard.read(network.ours)
    address = network.caller.getsockname()
    assert heard.others == [
        (data, address) for data in (stun, rtcp, b"\x16\xfe\xfd" + bytes(20), b"?")
    ]


async def test_an_address_of_ipv6_is_told_as_the_socket_module_does() -> None:
    heard = Heard(built())
    try:
        network = Network(heard, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    network.send(b"hello")
    address = network.caller.getsockname()
    heard.read(network.ours)
    network.close()
    assert heard.others == [(b"hello", address)]


def garbage() -> Iterator[bytes]:
    luck = random.Random(5)
    yield b""
    for length in (1, 2, 11, 12, 13, 40, 400, 1_500, 2_048, 2_049, 9_000):
        yield b"\x80\x6f" + luck.randbytes(max(0, length - 2))
        yield luck.randbytes(length)


async def test_garbage_and_what_is_too_long_are_dropped_and_the_call_goes_on(
    call: tuple[Heard, Network],
) -> None:
    heard, network = call
    caller = session(Policy.SSRC_ANY_OUTBOUND)
    for at in range(3):
        for data in garbage():
            network.send(data)
        network.send(caller.protect(Sent(at).packet()))
        heard.read(network.ours)
    assert len(np.concatenate(heard.sound)) == 3 * 320


async def test_64_datagrams_are_read_at_once_and_the_rest_the_next_time(
    call: tuple[Heard, Network],
) -> None:
    heard, network = call
    for number in range(70):
        network.send(bytes([number]))
    heard.read(network.ours)
    assert len(heard.others) == 64
    heard.read(network.ours)
    assert [data for data, _ in heard.others] == [bytes([number]) for number in range(70)]


async def test_a_flood_is_dropped_before_it_is_decrypted(call: tuple[Heard, Network]) -> None:
    heard, network = call
    caller = session(Policy.SSRC_ANY_OUTBOUND)
    for at in range(1_000):
        network.send(caller.protect(Sent(at).packet(first=0)))
        if at % 50 == 49:
            heard.read(network.ours)
    assert heard.counters[7].packets_received == 600
    heard.now = 0.1
    for at in range(1_000, 1_064):
        network.send(caller.protect(Sent(at).packet(first=0)))
    heard.read(network.ours)
    assert heard.counters[7].packets_received == 660


async def test_a_peer_that_is_gone_is_told_to_the_protocol(call: tuple[Heard, Network]) -> None:
    heard, network = call
    address = network.caller.getsockname()
    network.ours._socket.connect(address)  # Linux tells it to connected sockets alone
    network.caller.close()
    network.ours.sendto(b"are you there?", address)
    heard.read(network.ours)
    assert [type(error) for error in heard.errors] == [ConnectionRefusedError]


async def test_a_reading_that_brings_nothing_counts_nothing(call: tuple[Heard, Network]) -> None:
    heard, network = call
    assert heard.arrivals is not None
    network.send(session(Policy.SSRC_ANY_OUTBOUND).protect(Sent(0).packet()))
    heard.read(network.ours)
    assert heard.arrivals.packets == 1 and heard.arrivals.bytes > 0
    network.ours.close()
    heard.read(network.ours)
    assert (heard.arrivals.packets, heard.arrivals.bytes) == (0, 0), "counted once more"


async def test_nothing_is_read_of_a_closed_socket(call: tuple[Heard, Network]) -> None:
    heard, network = call
    network.send(b"late")
    network.ours.close()
    heard.read(network.ours)
    await asyncio.sleep(0)
    heard.read(network.ours)
    assert not heard.others and not heard.errors


@given(st.lists(st.tuples(st.integers(0, 65_535), st.integers(0, 2**31 - 1)), max_size=40))
def test_figures_are_those_of_aiortc(packets: list[tuple[int, int]]) -> None:
    ours, stock = Counters(built(), 48_000), StreamStatistics(48_000)
    for number, (sequence, timestamp) in enumerate(packets):
        ours.add(RtpPacket(OPUS, False, sequence, timestamp, 7, b""))
        stock.add(StockPacket(sequence_number=sequence, timestamp=timestamp))
        if number % 5 == 4:
            assert ours.fraction_lost == stock.fraction_lost
    if packets:
        assert ours.packets_expected == stock.packets_expected
        assert ours.packets_lost == stock.packets_lost
        assert ours.max_seq == stock.max_seq
        assert ours.packets_received == stock.packets_received
        # What time it is is asked twice.
        assert ours.jitter == pytest.approx(stock.jitter, abs=500)


def counted(timestamps: Iterator[int], monkeypatch: pytest.MonkeyPatch, kind: str) -> Any:
    """The figures of packets that came 20 ms after one another."""
    times = itertools.count(1_000.0, 0.02)
    monkeypatch.setattr("time.time", lambda: next(times))
    figures: Any = Counters(built(), 48_000) if kind == "in C" else Statistics(48_000)
    for number, timestamp in enumerate(timestamps):
        figures.add(RtpPacket(OPUS, False, number & 0xFFFF, timestamp & 0xFFFFFFFF, 7, b""))
    return figures


@pytest.mark.parametrize("kind", ["in C", "in Python"])
def test_timestamps_that_jump_to_and_fro_give_a_jitter_that_a_report_can_say(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumping = itertools.islice(itertools.cycle([0, -1]), 801)
    figures = counted(jumping, monkeypatch, kind)
    assert figures.jitter < 2**32


@pytest.mark.parametrize("kind", ["in C", "in Python"])
def test_timestamps_that_wrap_are_no_jitter(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapping = iter(range(-960 * 20, 960 * 20, 960))
    assert counted(wrapping, monkeypatch, kind).jitter < 10


def test_figures_that_aiortc_began_go_on() -> None:
    stock = StreamStatistics(48_000)
    for number in range(10):
        stock.add(StockPacket(sequence_number=number * 2, timestamp=number * 960))
    assert stock.fraction_lost == 121
    ours = Counters(built(), 48_000, stock)
    for each in (ours, stock):
        each.add(RtpPacket(OPUS, False, 20, 9_600, 7, b""))  # type: ignore[arg-type]
    assert ours.fraction_lost == stock.fraction_lost
    assert ours.packets_lost == stock.packets_lost == 10


async def test_what_was_not_read_at_once_came_when_the_kernel_says_it_did(
    call: tuple[Heard, Network],
) -> None:
    heard, network = call
    network.ours.stamp()
    await asyncio.sleep(0.1)  # Linux begins with it a little later
    caller = session(Policy.SSRC_ANY_OUTBOUND)
    network.send(caller.protect(Sent(0).packet()))
    heard.now = 1.0
    heard.read(network.ours)
    network.send(caller.protect(Sent(1).packet()))
    await asyncio.sleep(0.05)
    heard.now = 2.0
    heard.read(network.ours)
    assert 1.5 < heard.reception._heard_last <= 1.95
    assert len(heard.sound) == 2


async def test_a_wall_clock_that_is_set_has_nothing_come_before_the_last_reading(
    call: tuple[Heard, Network],
) -> None:
    heard, network = call
    network.ours.stamp()
    await asyncio.sleep(0.1)
    caller = session(Policy.SSRC_ANY_OUTBOUND)
    for at in range(2):
        network.send(caller.protect(Sent(at).packet()))
        await asyncio.sleep(0.2)  # by the wall's clock
        heard.now += 0.02
        heard.read(network.ours)
    assert heard.reception._heard_last == pytest.approx(0.02)


async def test_without_such_stamps_what_is_read_has_just_come(call: tuple[Heard, Network]) -> None:
    heard, network = call
    caller = session(Policy.SSRC_ANY_OUTBOUND)
    for at in range(2):
        network.send(caller.protect(Sent(at).packet()))
        await asyncio.sleep(0.03)
        heard.now += 1.0
        heard.read(network.ours)
    assert heard.reception._heard_last == 2.0
