"""A network that loses, delays, reorders and repeats packets, between two real peers.

Two threads, each in a network namespace of its own with one TUN device, and a forwarder that
carries IP packets from one to the other as the weather has it. Nothing of ICE, DTLS or RTP knows.
Needs root and /dev/net/tun; `why_not()` says what is missing.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFFLAGS, _IFF_UP = 0x8916, 0x891C, 0x8914, 0x41
HELD = 0.05
"""Seconds by which a packet that is overtaken is held."""


@dataclass(frozen=True)
class Weather:
    """What happens to packets, both ways. Shares 0..1, seconds."""

    loss: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0
    """How much longer than `delay` a packet takes at most; their order stays."""
    reordered: float = 0.0
    repeated: float = 0.0


class Way:
    """One direction of a network: what comes through, and when. Pure: told the time."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance.random
        self._latest = 0.0

    def carry(self, now: float, weather: Weather) -> list[float]:
        """When a packet that leaves now arrives: twice if it is repeated, never if it is lost."""
        if self._chance() < weather.loss:
            return []
        arrives = now + weather.delay + self._chance() * weather.jitter
        if self._chance() < weather.reordered:
            arrives += HELD
        else:
            arrives = self._latest = max(arrives, self._latest)
        return [arrives] * (2 if self._chance() < weather.repeated else 1)


class Side:
    """A thread with an event loop, in a network of its own."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._live, args=(address, ready), daemon=True)
        self._thread.start()
        self.tun = ready.result(10)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work on this side."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        os.close(self.tun)

    def _live(self, address: str, ready: Future[int]) -> None:
        try:
            ready.set_result(_own_network(address))
        except OSError as error:
            ready.set_exception(error)
            return
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()


class Network:
    """The way between two sides. `weather` may be changed at any time."""

    def __init__(self) -> None:
        self.weather = Weather()
        self.near, self.far = Side("10.66.0.1"), Side("10.66.0.2")
        chance = random.Random(7)
        self._ways = {self.near.tun: Way(chance), self.far.tun: Way(chance)}
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._number = itertools.count()
        self._is_open = True
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_open = False
        self._thread.join(10)
        self.near.close()
        self.far.close()

    def _carry(self) -> None:
        other = {self.near.tun: self.far.tun, self.far.tun: self.near.tun}
        while self._is_open:
            due = self._under_way[0][0] - time.monotonic() if self._under_way else 0.1
            for tun in select.select(list(other), [], [], min(max(due, 0.0), 0.1))[0]:
                self._take(os.read(tun, 2_000), other[tun])
            while self._under_way and self._under_way[0][0] <= time.monotonic():
                _, _, tun, packet = heapq.heappop(self._under_way)
                os.write(tun, packet)

    def _take(self, packet: bytes, tun: int) -> None:
        for arrives in self._ways[tun].carry(time.monotonic(), self.weather):
            heapq.heappush(self._under_way, (arrives, next(self._number), tun, packet))


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        yield made
    finally:
        made.close()


def why_not() -> str | None:
    """Why there can be no such network on this machine; None when there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "a bad network needs root"
    if not os.path.exists("/dev/net/tun"):
        return "a bad network needs /dev/net/tun"
    tried: Future[int] = Future()

    def attempt() -> None:
        try:
            tried.set_result(_own_network("10.66.0.9"))
        except OSError as error:
            tried.set_exception(error)

    threading.Thread(target=attempt).start()
    try:
        os.close(tried.result(10))
    except OSError as error:
        return f"a bad network can't be made here: {error}"
    return None


def _own_network(address: str) -> int:
    """Put the calling thread into a new network with one TUN device; the device's descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace")
    tun = os.open("/dev/net/tun", os.O_RDWR)
    name = b"bad0"
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name, _IFF_TUN_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((_SIOCSIFADDR, address), (_SIOCSIFNETMASK, "255.255.255.0")):
            where = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(control, request, struct.pack("16s16s8x", name, where))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _IFF_UP))
    return tun
