"""A call that is lent can be taken, closed, dropped or left at any moment."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import random
import select
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

import media.ears
from media.audio import AudioChunk
from media.datagrams import open_datagrams
from media.ears import Wanted, open_ear
from media.native import native
from media.voice import Detector
from tests.media.lent_calls import QUIET, LentCall, assert_heard_alike, model, noise
from tests.media.two_readers import Heard, Sent, built

FAR = 60.0
"""Seconds in which a test is over."""


@pytest.fixture
async def call() -> Any:
    made = LentCall()
    made.begin()
    yield made
    made.close()


def sent(*at: int) -> list[Sent]:
    return [Sent(each, payload=QUIET[each % 60]) for each in at]


async def test_a_thousand_lends_lose_nothing(call: LentCall) -> None:
    luck = random.Random(3)
    packets = sent(*range(1, 300))
    for number, packet in enumerate(packets * 4):
        if number < len(packets):
            call.send(packet)
        assert call.lend(luck.randint(1, 16), late=luck.choice([0.0, 0.0, -0.0001, -0.001, 0.021]))
        if luck.random() < 0.3:
            await asyncio.sleep(luck.random() * 0.002)
        call.take()
    while not call.is_drained():
        call.read()
    assert_heard_alike(call, [*sent(0), *packets])


async def test_whoever_takes_it_at_whatever_moment_gets_what_was_heard_until_then(
    call: LentCall,
) -> None:
    """Taken in C, by a thread that knows nothing of when the other one hears."""
    lib, ear, luck = built().lib, call.ear._ear, random.Random(4)
    number, told, is_over = call.network.ours.number, list[tuple[int, int]](), threading.Event()

    def take() -> None:
        while not is_over.is_set() or not call.is_drained():
            lib.lend_ear(ear, number, time.monotonic() - luck.random() * 0.0002, 16, 0.0, 1.0)
            end = time.perf_counter() + luck.random() * 0.0004
            while time.perf_counter() < end:
                pass
            heard = lib.take_ear(ear)
            for index in range(heard.count):
                told.append((heard.arrivals[index].kind, heard.arrivals[index].length))
            assert lib.take_ear(ear).count == 0

    thread = threading.Thread(target=take)
    thread.start()
    for packet in sent(*range(1, 500)):  # A flood, of 600 at once, would be dropped.
        call.network.send(call.caller.protect(packet.packet()))
        if packet.at % 3 == 0:
            await asyncio.sleep(0.001)
    is_over.set()
    thread.join()
    assert told == [(lib.ARRIVED_SOUND, 320)] * 499
    assert call.arrivals.stream.sequence == (65_500 + 500) & 0xFFFF


async def test_many_calls_are_heard_side_by_side() -> None:
    calls = [LentCall() for _ in range(12)]
    loud = noise(30)
    packets = [Sent(at, payload=loud[at]) for at in range(1, 30)]
    for each in calls:
        each.begin()
    for packet in packets:
        for each in calls:
            each.send(packet)
            assert each.lend(16)
        for each in calls:
            await each.drained()
            each.take()
    for each in calls:
        assert_heard_alike(each, [*sent(0), *packets])
        each.close()


async def test_each_call_that_wants_python_is_told_once() -> None:
    calls = [LentCall() for _ in range(6)]
    for each in calls:
        each.begin()
        assert each.lend(16)
    async with asyncio.timeout(20):
        for each in calls:
            await each.wanted.wait()
    await asyncio.sleep(0.05)
    assert [each.calls for each in calls] == [1] * 6
    for each in calls:
        assert each.take().wanted == Wanted.GAP
        each.close()


async def test_one_that_is_taken_before_it_is_told_is_told_nothing(call: LentCall) -> None:
    assert call.lend(16)
    signal = call.ear._watch._signal
    assert select.select([signal], [], [], 20)[0], "the loop stands still meanwhile"
    assert call.take().wanted == Wanted.GAP
    assert call.lend(16, late=-FAR)
    await asyncio.sleep(0.02)
    assert call.calls == 0


async def test_calls_are_heard_while_a_thread_holds_the_interpreter(call: LentCall) -> None:
    call.send(*sent(1, 2, 3))
    assert call.lend(16, late=-0.02)
    ctypes.PyDLL(None).usleep(200_000)  # the C library's, called without letting go of the lock
    end = time.monotonic()
    heard = call.take()
    assert sum(len(step.sounds) for step in heard.steps) == 3
    assert all(step.at < end - 0.05 for step in heard.steps if step.at is not None)


@pytest.mark.parametrize("when", [0.0, 0.0002, 0.02, 0.07])
async def test_it_may_be_closed_while_it_is_lent(when: float) -> None:
    for _ in range(10):
        call = LentCall()
        call.begin()
        call.send(*sent(1, 2))
        assert call.lend(16)
        await asyncio.sleep(when)
        call.ear.close()
        assert not call.arrivals.is_lent and not call.detector.is_lent
        call.close()


async def test_nothing_is_read_of_a_socket_that_was_closed(call: LentCall) -> None:
    await call.lent(*sent(1))
    call.send(*sent(2))
    assert call.lend(16)
    await call.drained()
    call.network.ours.close()
    assert not call.ear.is_lent
    await asyncio.sleep(0)
    # Whoever opens the next socket has its number.
    other = open_datagrams(asyncio.DatagramProtocol, "127.0.0.1", 0)
    other.unwatch()
    other.sendto(b"to itself", other.get_extra_info("sockname"))
    await asyncio.sleep(0.1)
    heard = call.take()
    assert [len(step.sounds) for step in heard.steps][0] == 1, "what was heard before is told"
    assert heard.rest == ()
    other.close()


async def test_what_is_lent_outlives_its_call() -> None:
    call = LentCall()
    call.begin()
    assert call.lend(16)
    call.send(*sent(1))
    wanted, network, ear = call.wanted, call.network, call.ear
    del call
    gc.collect()
    await asyncio.wait_for(wanted.wait(), 20)
    assert sum(len(step.sounds) for step in ear.take().steps) == 1
    ear.close()
    network.close()


def test_each_loop_is_woken_by_its_own_calls() -> None:
    """And nothing is left of one that is over."""

    async def run() -> int:
        call = LentCall()
        call.begin()
        assert call.lend(16)
        await asyncio.wait_for(call.wanted.wait(), 20)
        call.close()
        return call.calls

    told = list[int]()
    threads = [threading.Thread(target=lambda: told.append(asyncio.run(run()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [1] * 4
    assert not media.ears._watches


async def test_a_detector_that_is_not_compiled_has_no_ear() -> None:
    class Other(Detector):
        is_open = False

        async def hear(self, chunk: AudioChunk) -> float:
            return 0.0

        def probability(self, chunk: AudioChunk) -> float:
            return 0.0

    heard = Heard(built())
    assert heard.arrivals is not None
    assert open_ear(heard.arrivals, Other(), lambda: None) is None


async def test_without_the_compiled_part_there_is_no_ear(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, detector = Heard(built()), model().detector()
    assert heard.arrivals is not None
    monkeypatch.setattr("media.ears.native", lambda: None)
    assert open_ear(heard.arrivals, detector, lambda: None) is None


_FORKING = """
import asyncio, os, threading
from tests.media.lent_calls import LentCall
from tests.media.test_ears_lives import sent

async def hears(told):
    call = LentCall()
    call.begin()
    for at in range(1, 5):
        heard = await call.lent(*sent(at))
        told.append([len(step.sounds) for step in heard.steps])
    call.close()

def child(calls):
    for call in calls:
        call.ear.take()
        assert call.lend(16)
        call.ear.take()
    # The parent's loop is not the child's to run.
    told = []
    thread = threading.Thread(target=lambda: asyncio.run(hears(told)))
    thread.start()
    thread.join()
    os._exit(0 if told == [[1]] * 4 else 7)

async def main():
    calls = [LentCall() for _ in range(4)]
    for call in calls:
        call.begin()
    for at in range(1, 21):
        for call in calls:
            call.send(*sent(at))
            assert call.lend(16)
        made = os.fork()
        if not made:
            child(calls)
        for call in calls:
            await call.drained()
            call.take()
        assert os.waitpid(made, 0)[1] == 0
    for call in calls:
        assert len(call.heard.sound) == 21
        call.close()

asyncio.run(main())
"""

_LEAVING = """
import asyncio, atexit

calls = []
atexit.register(lambda: print(*(call.ear.is_lent for call in calls)))  # the last to be called

from tests.media.lent_calls import LentCall
from tests.media.test_ears_lives import sent

async def main():
    for _ in range(3):
        call = LentCall()
        calls.append(call)
        call.begin()
        call.send(*sent(1, 2))
        assert call.lend(16)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("script", "says"),
    [(_FORKING, ""), (_LEAVING, "False False False\n")],
    ids=["forks", "leaves"],
)
def test_a_process_may_do_so_while_calls_are_lent(script: str, says: str) -> None:
    if native() is None or sys.platform != "linux":
        pytest.skip("no socket is heard in C here")
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", says)
