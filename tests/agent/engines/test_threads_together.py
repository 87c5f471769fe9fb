"""A pool of one worker, and jobs of one kind that are done in one go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence

import pytest

from agent.engines.jobs import Batch, Wanted
from agent.engines.threads import Workers
from agent.errors import EngineFailed
from tests.agent.engines.test_threads import PATIENCE, Gate, happened


@pytest.fixture
async def workers() -> AsyncGenerator[Workers, None]:
    pool = Workers(1, stage="stt", name="ear")
    yield pool
    await pool.aclose()


class Together:
    """Work done in one go, and with whom."""

    def __init__(self) -> None:
        self.goes: list[list[str]] = []

    def __call__(self, wanted: Sequence[Wanted[str]]) -> list[str]:
        self.goes.append([each.item for each in wanted])
        if any(each.item == "bad" for each in wanted):
            raise RuntimeError("no such sound")
        return [each.item.upper() for each in wanted]


async def all_of(workers: Workers, together: Together, *items: str) -> list[str | BaseException]:
    """What comes of items that waited while the worker did something else."""
    gate, batch = Gate(), Batch("word", 8, together)
    busy = asyncio.create_task(workers.run(gate))
    await happened(gate.began)
    tasks = [asyncio.create_task(workers.run_with_others(item, batch)) for item in items]
    await asyncio.sleep(0)
    gate.opened.set()
    await busy
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_those_that_wait_are_done_in_one_go_and_each_gets_its_own(
    workers: Workers,
) -> None:
    together = Together()
    assert await all_of(workers, together, "a", "b", "c") == ["A", "B", "C"]
    assert together.goes == [["a", "b", "c"]]


async def test_one_that_finds_a_worker_waits_for_nobody(workers: Workers) -> None:
    together = Together()
    assert await workers.run_with_others("a", Batch("word", 8, together)) == "A"
    assert together.goes == [["a"]]


async def test_an_error_in_a_batch_is_that_of_its_culprit_alone(
    workers: Workers,
) -> None:
    together = Together()
    first, culprit, last = await all_of(workers, together, "a", "bad", "c")
    assert (first, last) == ("A", "C")
    assert isinstance(culprit, EngineFailed) and "no such sound" in str(culprit)
    assert together.goes == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]
    assert workers.free == 1


async def test_one_of_a_batch_that_is_cancelled_leaves_the_others(
    workers: Workers,
) -> None:
    began, go_on = threading.Event(), threading.Event()
    stopped: list[bool] = []

    def work(wanted: Sequence[Wanted[str]]) -> list[str]:
        if len(wanted) > 1:
            began.set()
            assert go_on.wait(PATIENCE)
            stopped.extend(each.stop.is_set() for each in wanted)
        return [each.item.upper() for each in wanted]

    gate, batch = Gate(), Batch("word", 8, work)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(workers.run(gate))
        await happened(gate.began)
        one, other = (
            tasks.create_task(workers.run_with_others(item, batch)) for item in ("a", "b")
        )
        await asyncio.sleep(0)
        gate.opened.set()
        await happened(began)
        assert workers.queued == 0
        assert workers.free == 0
        one.cancel()
        await asyncio.wait([one])
        go_on.set()
    assert one.cancelled()
    assert other.result() == "B"
    assert stopped == [True, False]


async def test_closing_the_pool_stops_all_of_a_batch(workers: Workers) -> None:
    began = threading.Event()

    def until_stopped(wanted: Sequence[Wanted[str]]) -> list[str]:
        began.set()
        assert all(each.stop.wait(PATIENCE) for each in wanted)
        return ["stopped"] * len(wanted)

    gate, batch = Gate(), Batch("word", 8, until_stopped)
    busy = asyncio.create_task(workers.run(gate))
    await happened(gate.began)
    tasks = [asyncio.create_task(workers.run_with_others(item, batch)) for item in "ab"]
    await asyncio.sleep(0)
    gate.opened.set()
    await happened(began)
    await workers.aclose()
    assert await asyncio.gather(*tasks) == ["stopped", "stopped"]
    await busy
