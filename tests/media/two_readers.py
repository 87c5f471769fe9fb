"""A caller's packets, read in C and in Python: what each of them hears."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from aiortc.rtcrtpreceiver import StreamStatistics
from pylibsrtp import Policy, Session

from media.arrivals import Arrivals, Counters
from media.audio import Samples
from media.datagrams import Datagrams, open_datagrams
from media.native import Native, native
from media.opus import FRAME, Encoder
from media.packets import RtpPacket, header, parse
from media.reception import Reception

OPUS = 111
KEY = bytes(range(30))
CODECS = {OPUS: "opus", 0: "PCMU", 101: "telephone-event"}


def built() -> Native:
    found = native()
    if found is None:
        pytest.skip("no C compiler: packets are read in Python alone")
    return found


def session(kind: int) -> Session:
    return Session(
        Policy(key=KEY, ssrc_type=kind, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80)
    )


def speech(count: int) -> list[bytes]:
    encoder = Encoder()
    turns = np.arange(count * FRAME) * 300 * 2 * np.pi / 48_000
    sound = (np.sin(turns) * 9_000).astype(np.int16)
    return [encoder.encode(sound[at : at + FRAME]) for at in range(0, len(sound), FRAME)]


SPEECH = speech(60)


@dataclass(frozen=True)
class Sent:
    """A packet of a caller; `at`: which 20 ms step of theirs it stands for."""

    at: int
    ssrc: int = 7
    payload_type: int = OPUS
    payload: bytes | None = None
    skewed: int = 0
    padding: int = 0
    csrc: int = 0
    extension: bytes = b""

    def packet(self, first: int = 65_500) -> bytes:
        head = bytearray(
            header(
                payload_type=self.payload_type,
                marker=False,
                sequence=(first + self.at) & 0xFFFF,
                timestamp=(2**32 - 9_600 + self.at * FRAME + self.skewed) & 0xFFFFFFFF,
                ssrc=self.ssrc,
                extension=self.extension,
            )
        )
        if self.csrc:
            head[0] |= self.csrc
            head[12:12] = bytes(4 * self.csrc)
        body = SPEECH[self.at % len(SPEECH)] if self.payload is None else self.payload
        if self.padding:
            head[0] |= 0x20
            body += bytes(self.padding - 1) + bytes([self.padding])
        return bytes(head) + body


@dataclass
class Heard(asyncio.DatagramProtocol):
    """Who is told what comes out: of a call that is read in C, or in Python."""

    compiled: Native | None
    sound: list[Samples] = field(default_factory=list)
    others: list[tuple[bytes, Any]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    counters: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reception = Reception(CODECS, self.sound.append, 0.0)
        self.session = session(Policy.SSRC_ANY_INBOUND)
        self.now = 0.0
        self.arrivals = None
        if self.compiled is not None:
            self.arrivals = Arrivals(self.compiled, self.session, self.reception, self.arrive)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.others.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def arrive(self, packet: RtpPacket, now: float) -> None:
        if packet.ssrc not in self.counters:
            if self.compiled is not None:
                self.counters[packet.ssrc] = Counters(self.compiled, 48_000)
            else:
                self.counters[packet.ssrc] = StreamStatistics(48_000)
        self.counters[packet.ssrc].add(packet)
        self.reception.arrive(packet, now)

    def take(self, data: bytes) -> None:
        """In Python."""
        self.arrive(parse(self.session.unprotect(data)), self.now)

    def read(self, datagrams: Datagrams) -> None:
        """In C."""
        assert self.arrivals is not None
        self.arrivals.read(datagrams, self.now)
        following = self.reception.next
        if not self.arrivals.may_pass:
            self.arrivals.let_pass(following and self.counters.get(following.ssrc))

    def step(self) -> None:
        self.now += 0.02
        self.reception.tick(self.now)


class Network:
    """A caller's socket, and one of ours."""

    def __init__(self, protocol: asyncio.DatagramProtocol, address: str = "127.0.0.1") -> None:
        self.ours = open_datagrams(lambda: protocol, address, 0)
        self.ours.unwatch()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.caller = socket.socket(family, socket.SOCK_DGRAM)
        self.caller.bind((address, 0))
        self._to = self.ours.get_extra_info("sockname")

    def send(self, data: bytes) -> None:
        self.caller.sendto(data, self._to)

    def close(self) -> None:
        self.caller.close()
        self.ours.close()


Steps = list[list[Sent]]
"""What comes in each 20 ms."""


def both(steps: Steps) -> tuple[Heard, Heard]:
    """The same packets, read in C and in Python, 20 ms after 20 ms."""

    async def run() -> tuple[Heard, Heard]:
        caller = session(Policy.SSRC_ANY_OUTBOUND)
        quick, plain = Heard(built()), Heard(None)
        network = Network(quick)
        try:
            for step in steps:
                for sent in step:
                    data = caller.protect(sent.packet())
                    network.send(data)
                    plain.take(data)
                quick.read(network.ours)
                quick.step(), plain.step()
        finally:
            network.close()
        return quick, plain

    return asyncio.run(run())


def assert_the_same(quick: Heard, plain: Heard) -> None:
    assert np.array_equal(np.concatenate([*quick.sound, []]), np.concatenate([*plain.sound, []]))
    assert quick.reception.lost == plain.reception.lost
    assert quick.reception.concealed == pytest.approx(plain.reception.concealed)
    assert quick.reception.jitter == pytest.approx(plain.reception.jitter)
    assert quick.reception.wait == pytest.approx(plain.reception.wait)
    assert quick.counters.keys() == plain.counters.keys()
    for ssrc, counted in plain.counters.items():
        ours = quick.counters[ssrc]
        assert ours.packets_received == counted.packets_received
        assert (ours.max_seq, ours.packets_lost) == (counted.max_seq, counted.packets_lost)
        assert ours.fraction_lost == counted.fraction_lost


def in_order(count: int) -> Steps:
    return [[Sent(at)] for at in range(count)]
