"""Calls that are heard while Python sleeps.

To wake Python for each 20 ms of a call costs several times what is to be done with them, and most
of the time nothing follows: nobody speaks, or the caller is in the middle of a word. Such a call is
lent for some steps: a thread of `media/native/ears.c` reads its socket, decodes and judges. It
wants Python as soon as something comes from which anything might follow, and Python can take the
call back at any moment. Either way it finds there what was heard, step by step, and goes on as if
it had been awake.

While a call is lent, its SRTP session, decoder, counters and detector are the thread's. None of
them can be freed meanwhile: whatever becomes of a call, what is lent is kept here.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from media.arrivals import Arrivals, Other, Packet, socket_address
from media.audio import Samples
from media.compiled_voice import CompiledDetector
from media.datagrams import Datagrams
from media.native import Native, native
from media.voice import Detector

_ARRIVAL = struct.Struct("@5ifd")
"""The C struct HeardArrival."""
_CLOCK_PER_SAMPLE = 3
"""Of Opus' timestamps, at 16 kHz."""


class Wanted(IntEnum):
    """Why Python was wanted before the steps were over."""

    NOT = 0
    ARRIVAL = 1
    """What is not the next packet, or is not of 20 ms."""
    VOICE = 2
    """The gate has opened, or the probability of speech has left its range."""
    GAP = 3
    """Nothing passed in two steps in a row."""
    FLOOD = 4
    """More may have come than is read at once."""
    ERROR = 5


@dataclass(frozen=True, slots=True)
class Calm:
    """The probabilities of speech from which nothing follows, both included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A packet that passed. `samples`: shape (n,), int16, 16 kHz."""

    samples: Samples
    voice: float | None
    """The probability, 0..1, of speech at its end; None: neither it nor anything after it was
    judged."""


@dataclass(frozen=True, slots=True)
class After:
    """What became of the stream by the packets of one step; see `reception.Passed`."""

    passed: int
    sequence: int
    timestamp: int
    transit: float
    jitter: float
    heard_at: float
    """When the last of them came."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What was heard in one step of 20 ms."""

    at: float | None
    """When; None: it was not, the thread came too late for it."""
    sounds: tuple[Sound, ...]
    after: After | None
    """None: nothing passed."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What came while a call was lent."""

    steps: tuple[Step, ...] = ()
    """From the first that was lent to the last that was heard."""
    rest: tuple[Packet | Other, ...] = ()
    """What came in the last of them and did not pass."""
    error: OSError | None = None
    wanted: Wanted = Wanted.NOT
    bytes: int = 0
    packets: int = 0
    """Decrypted."""


class Ear:
    """One call's, as long as its `Arrivals` and its detector last."""

    def __init__(
        self,
        native: Native,
        arrivals: Arrivals,
        detector: CompiledDetector,
        on_wanted: Callable[[], None],
    ) -> None:
        """To be made by `open_ear`. Raises OSError when this system has none."""
        self._native = native
        self._arrivals = arrivals
        self._detector = detector
        self._on_wanted = on_wanted
        self._datagrams: Datagrams | None = None
        self._left: Heard | None = None
        self._watch = _watch(asyncio.get_running_loop(), native)
        self._ear: Any = self._watch.open(self, arrivals.stream, detector.voice)

    @property
    def is_lent(self) -> bool:
        return self._datagrams is not None

    def lend(self, datagrams: Datagrams, due: float, steps: int, calm: Calm) -> bool:
        """Have the socket read and heard at `due` (seconds of `time.monotonic`) and every 20 ms
        after it, so many times (1 to 16) at most. `on_wanted` may be told, once, until it is taken.
        False: no packets pass at present, or there are no such steps."""
        if self._ear is None or self.is_lent or datagrams.is_closing():
            return False
        number, lend = datagrams.number, self._native.lib.lend_ear
        if not lend(self._ear, number, due, steps, calm.low, calm.high):
            return False
        self._datagrams, self._left = datagrams, None
        self._arrivals.is_lent = self._detector.is_lent = True
        datagrams.give_back = self._stop
        return True

    def take(self) -> Heard:
        """From now on it is not heard any more: what was. Nothing the second time."""
        self._stop()
        heard, self._left = self._left, None
        return heard or Heard()

    def close(self) -> None:
        """What was heard and not taken is lost. Idempotent."""
        if self._ear is None:
            return
        self.take()
        self._watch.close(self, self._ear)
        self._ear = None

    def tell_wanted(self) -> None:
        if self.is_lent:
            self._on_wanted()

    def _stop(self) -> None:
        if self._datagrams is None:
            return
        heard = self._native.lib.take_ear(self._ear)
        self._datagrams.give_back = None
        self._datagrams = None
        self._arrivals.is_lent = self._detector.is_lent = False
        self._left = _told(self._native, heard, self._arrivals.stream)
        for step in self._left.steps:
            if step.at is not None and step.after is not None:
                self._arrivals.waits.append(step.at - step.after.heard_at)


def open_ear(arrivals: Arrivals, detector: Detector, on_wanted: Callable[[], None]) -> Ear | None:
    """An ear for a call of the running loop, whose `on_wanted` is told there when Python is to take
    it. None: this system or this detector has none."""
    compiled = native()
    if compiled is None or not isinstance(detector, CompiledDetector):
        return None
    try:
        return Ear(compiled, arrivals, detector, on_wanted)
    except OSError:
        return None


class _Watch:
    """One loop's: it is woken by all of its ears in one way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, native: Native) -> None:
        """Raises OSError when there is no such way."""
        if sys.platform != "linux":
            raise OSError("no socket is heard in C on this system")
        self._loop = loop
        self._lib = native.lib
        self._numbers = itertools.count()
        self._signal = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.ears: dict[int, Ear] = {}
        loop.add_reader(self._signal, self._tell)

    def open(self, ear: Ear, stream: Any, voice: Any) -> Any:
        """The ear in C. Raises OSError when there is none."""
        number = next(self._numbers)
        opened = self._lib.open_ear(stream, voice, number, self._signal)
        if not opened:
            self._close_if_unused()
            raise OSError("no socket is heard in C on this system")
        self.ears[number] = ear
        return opened

    def close(self, ear: Ear, opened: Any) -> None:
        self._lib.close_ear(opened)
        self.ears = {number: each for number, each in self.ears.items() if each is not ear}
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self.ears:
            return
        del _watches[self._loop]
        if not self._loop.is_closed():
            self._loop.remove_reader(self._signal)
        os.close(self._signal)

    def _tell(self) -> None:
        while (number := self._next()) >= 0:
            self.ears[number].tell_wanted()

    def _next(self) -> int:
        """The number of one that wants Python; -1: none. The signal stays as long as any does."""
        number: int = self._lib.next_wanted_ear(self._signal)
        if number < 0 and sys.platform == "linux":
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._signal)
            number = self._lib.next_wanted_ear(self._signal)
        return number


_watches: dict[asyncio.AbstractEventLoop, _Watch] = {}
"""Of the loops that have ears. What is lent is kept by them, and never freed with its call."""


def _watch(loop: asyncio.AbstractEventLoop, native: Native) -> _Watch:
    if loop not in _watches:
        _watches[loop] = _Watch(loop, native)
    return _watches[loop]


@atexit.register
def _take_all() -> None:
    """Before the interpreter frees what they read."""
    for watch in _watches.values():
        for ear in watch.ears.values():
            ear.take()


def _told(native: Native, heard: Any, stream: Any) -> Heard:
    """What C heard of a stream (`Heard` and `Stream` there), copied."""
    lib, buffer = native.lib, native.ffi.buffer
    kept = bytearray(buffer(heard.bytes, heard.used))
    samples = np.frombuffer(kept, np.int16)
    sounds: list[list[Sound]] = [[] for _ in range(heard.steps)]
    came = [0.0] * heard.steps
    rest: list[Packet | Other] = []
    arrivals = buffer(heard.arrivals, heard.count * _ARRIVAL.size)
    for kind, length, place, address, step, voice, at in _ARRIVAL.iter_unpack(arrivals):
        if kind == lib.ARRIVED_SOUND:
            sound = samples[place // 2 : place // 2 + length]
            sounds[step].append(Sound(sound, voice if voice >= 0 else None))
            came[step] = at
            continue
        data = bytes(kept[place : place + length])
        if kind == lib.ARRIVED_PACKET:
            rest.append(Packet(data, at))
        else:
            where = bytes(kept[address : address + lib.LARGEST_ADDRESS])
            rest.append(Other(data, socket_address(where)))
    bytes_, stream.bytes = stream.bytes, 0
    packets, stream.packets = stream.packets, 0
    return Heard(
        _steps(native.ffi.unpack(heard.read, heard.steps), sounds, came, stream),
        tuple(rest),
        OSError(heard.error, os.strerror(heard.error)) if heard.error else None,
        Wanted(heard.wanted),
        bytes_,
        packets,
    )


def _steps(
    read: list[float], sounds: list[list[Sound]], came: list[float], stream: Any
) -> tuple[Step, ...]:
    """Each with what the stream was after it: as now, less what passed since. `came`: when the last
    of a step's packets did."""
    steps = list[Step]()
    sequence, timestamp = stream.sequence, stream.timestamp
    for at, passed, heard_at in zip(reversed(read), reversed(sounds), reversed(came), strict=True):
        after = None
        if passed:
            after = After(
                passed=len(passed),
                sequence=sequence,
                timestamp=timestamp,
                transit=stream.transit,
                jitter=stream.jitter,
                heard_at=heard_at,
            )
            sequence = (sequence - len(passed)) & 0xFFFF
            length = sum(len(sound.samples) for sound in passed)
            timestamp = (timestamp - length * _CLOCK_PER_SAMPLE) & 0xFFFFFFFF
        steps.append(Step(at or None, tuple(passed), after))
    return tuple(reversed(steps))
