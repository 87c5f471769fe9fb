"""The worker pools, with jobs that wait for the test instead of for time."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

import pytest

from agent.engines.jobs import Stop
from agent.engines.protocols import Priority
from agent.engines.threads import Workers
from agent.errors import EngineFailed, LanguageUnsupported

PATIENCE = 10.0
"""Seconds after which a test that hangs is given up."""


@pytest.fixture
async def pool() -> AsyncGenerator[Callable[[int], Workers], None]:
    made: list[Workers] = []

    def make(count: int) -> Workers:
        made.append(Workers(count, stage="stt", name="ear"))
        return made[-1]

    yield make
    for workers in made:
        await workers.aclose()


class Gate:
    """A job that says when it began, and ends when the test lets it."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.opened = threading.Event()
        self.stopped = threading.Event()

    def __call__(self, stop: Stop) -> str:
        self.began.set()
        assert self.opened.wait(PATIENCE)
        if stop.is_set():
            self.stopped.set()
        return "done"


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


async def test_a_job_runs_beside_the_loop_and_returns_its_result(
    pool: Callable[[int], Workers],
) -> None:
    thread = await pool(1).run(lambda stop: threading.current_thread())
    assert thread is not threading.current_thread()
    assert thread.name == "ear-0"


async def test_the_most_urgent_job_goes_first_and_equals_in_order(
    pool: Callable[[int], Workers],
) -> None:
    workers, gate, order = pool(1), Gate(), list[str]()

    def note(name: str) -> Callable[[Stop], None]:
        return lambda stop: order.append(name)

    wanted = [
        ("a partial", Priority.PARTIAL),
        ("a speculation", Priority.SPECULATIVE),
        ("a turn", Priority.COMMITTED),
        ("another turn", Priority.COMMITTED),
    ]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.run(gate))
        await happened(gate.began)
        for name, priority in wanted:
            tasks.create_task(workers.run(note(name), priority=priority))
        await asyncio.sleep(0)
        assert workers.queued == 4
        gate.opened.set()
    assert order == ["a turn", "another turn", "a speculation", "a partial"]


async def test_a_pool_is_busy_when_the_next_job_would_wait(pool: Callable[[int], Workers]) -> None:
    workers, first, second = pool(2), Gate(), Gate()
    assert not workers.busy
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.run(first))
        await happened(first.began)
        assert not workers.busy
        assert workers.free == 1
        tasks.create_task(workers.run(second))
        await happened(second.began)
        assert workers.busy
        first.opened.set()
        second.opened.set()
    assert await workers.run(lambda _: not workers.busy)


async def test_the_wait_is_that_of_the_oldest_committed_job(
    pool: Callable[[int], Workers],
) -> None:
    workers, gate = pool(1), Gate()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.run(gate))
        await happened(gate.began)
        tasks.create_task(workers.run(lambda _: None, priority=Priority.SPECULATIVE))
        await asyncio.sleep(0.02)
        assert workers.wait == 0
        tasks.create_task(workers.run(lambda _: None))
        await asyncio.sleep(0.03)
        first = workers.wait
        tasks.create_task(workers.run(lambda _: None))
        await asyncio.sleep(0.01)
        assert workers.wait > first > 0.02
        gate.opened.set()
    assert workers.wait == 0


async def test_a_cancelled_wait_goes_on_at_once_and_tells_the_job_to_stop(
    pool: Callable[[int], Workers],
) -> None:
    workers, gate = pool(1), Gate()
    task = asyncio.create_task(workers.run(gate))
    await happened(gate.began)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert workers.busy  # the library's call has not returned yet
    gate.opened.set()
    await happened(gate.stopped)
    assert await workers.run(lambda _: 7) == 7


async def test_a_job_cancelled_while_queued_never_begins(pool: Callable[[int], Workers]) -> None:
    workers, gate, late = pool(1), Gate(), Gate()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.run(gate))
        await happened(gate.began)
        queued = asyncio.create_task(workers.run(late))
        await asyncio.sleep(0)
        queued.cancel()
        await asyncio.wait([queued])
        assert workers.queued == 0
        gate.opened.set()
    await workers.run(lambda _: None)
    assert not late.began.is_set()


async def test_what_a_job_raises_is_the_failure_of_its_stage(
    pool: Callable[[int], Workers],
) -> None:
    def fail(stop: Stop) -> None:
        raise RuntimeError("no such tensor")

    workers = pool(1)
    with pytest.raises(EngineFailed, match="ear failed: RuntimeError: no such tensor") as caught:
        await workers.run(fail)
    assert caught.value.stage == "stt"
    assert isinstance(caught.value.__cause__, RuntimeError)


async def test_a_typed_error_comes_out_as_it_is(pool: Callable[[int], Workers]) -> None:
    def fail(stop: Stop) -> None:
        raise LanguageUnsupported("stt", "no Klingon here")

    with pytest.raises(LanguageUnsupported, match="no Klingon here"):
        await pool(1).run(fail)


async def test_a_panic_that_is_no_exception_leaves_the_worker_alive(
    pool: Callable[[int], Workers],
) -> None:
    class Panic(BaseException):
        pass

    def fail(stop: Stop) -> None:
        raise Panic("index out of bounds")

    workers = pool(1)
    with pytest.raises(EngineFailed, match="Panic"):
        await workers.run(fail)
    assert await workers.run(lambda _: 1) == 1


async def test_a_stream_gives_every_item_in_order(pool: Callable[[int], Workers]) -> None:
    async with aclosing(pool(1).stream(lambda _: iter(range(100)), ahead=3)) as numbers:
        assert [number async for number in numbers] == list(range(100))


async def test_a_stream_runs_no_further_ahead_than_it_may(pool: Callable[[int], Workers]) -> None:
    workers, made = pool(1), threading.Semaphore(0)
    count = 0

    def work(stop: Stop) -> Iterator[int]:
        nonlocal count
        while True:
            count += 1
            made.release()
            yield count

    async with aclosing(workers.stream(work, ahead=2)) as numbers:
        assert await anext(numbers) == 1
        for _ in range(4):  # one read, two ahead, one in the worker's hand
            assert await asyncio.to_thread(made.acquire, timeout=PATIENCE)
        assert count == 4


async def test_closing_a_stream_stops_it_between_two_items_and_closes_the_iterator(
    pool: Callable[[int], Workers],
) -> None:
    workers, closed = pool(1), threading.Event()

    def work(stop: Stop) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    async with aclosing(workers.stream(work, ahead=1)) as numbers:
        await anext(numbers)
    await happened(closed)
    assert await workers.run(lambda _: "free") == "free"


async def test_cancelling_the_reader_of_a_stream_stops_it(pool: Callable[[int], Workers]) -> None:
    workers, gate = pool(1), Gate()

    async def read() -> None:
        async with aclosing(workers.stream(lambda stop: iter([gate(stop)]))) as items:
            async for _ in items:
                pass

    task = asyncio.create_task(read())
    await happened(gate.began)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()
    await happened(gate.stopped)


async def test_a_stream_that_fails_gives_first_what_it_had(pool: Callable[[int], Workers]) -> None:
    def work(stop: Stop) -> Iterator[str]:
        yield "Hello."
        raise ValueError("out of memory")

    heard = []
    with pytest.raises(EngineFailed, match="out of memory"):
        async with aclosing(pool(1).stream(work)) as words:
            async for word in words:
                heard.append(word)
    assert heard == ["Hello."]


async def test_closing_the_pool_ends_running_and_queued_jobs(
    pool: Callable[[int], Workers],
) -> None:
    workers = pool(1)
    began = threading.Event()

    def until_stopped(stop: Stop) -> str:
        began.set()
        assert stop.wait(PATIENCE)
        return "stopped"

    running = asyncio.create_task(workers.run(until_stopped))
    await happened(began)
    queued = asyncio.create_task(workers.run(lambda _: None))
    await asyncio.sleep(0)
    await workers.aclose()
    await workers.aclose()
    assert await running == "stopped"
    with pytest.raises(EngineFailed, match="ear is closed"):
        await queued
    with pytest.raises(EngineFailed, match="ear is closed"):
        await workers.run(lambda _: None)


async def test_a_worker_keeps_nothing_of_a_finished_job(pool: Callable[[int], Workers]) -> None:
    class Tensor:
        pass

    workers = pool(1)
    tensor = await workers.run(lambda _: Tensor())
    await workers.run(lambda _: None)
    seen = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert seen() is None


@pytest.mark.skipif(sys.platform != "linux", reason="threads have their own niceness on Linux only")
async def test_workers_make_room_for_the_loop() -> None:
    workers = Workers(1, stage="tts", name="voice", niceness=3)
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def niceness(stop: Stop) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await workers.run(niceness) == min(own + 3, 19)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
    await workers.aclose()


def test_a_pool_without_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="voice needs at least one worker, got 0"):
        Workers(0, stage="tts", name="voice")
