"""Which of the waiting jobs goes first, and which go with it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from agent.engines.jobs import Job, Queue, Stop
from agent.engines.protocols import Priority, Urgency, Urgent

Fill = Callable[..., list[Job]]


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def fill(queue: Queue) -> Fill:
    def add(*jobs: tuple[str | None, Urgent], most: int = 8) -> list[Job]:
        made = [
            Job(
                priority,
                number,
                perform=lambda _: [],
                fail=lambda _: None,
                stop=Stop(),
                kind=kind,
                most=most,
                since=float(number),
            )
            for number, (kind, priority) in enumerate(jobs)
        ]
        for job in made:
            queue.add(job)
        return made

    return add


def numbers(jobs: list[Job]) -> list[int]:
    return [job.number for job in jobs]


FINAL, EARLY = Priority.COMMITTED, Priority.SPECULATIVE


def test_the_most_urgent_job_is_taken_first_and_equals_in_order(queue: Queue, fill: Fill) -> None:
    fill((None, EARLY), (None, FINAL), (None, Priority.PARTIAL), (None, FINAL))
    assert [numbers(queue.take()) for _ in range(4)] == [[1], [3], [0], [2]]
    assert queue.take() == []


def test_what_is_wanted_by_now_overtakes_what_came_before_it(queue: Queue, fill: Fill) -> None:
    rising = Urgency(EARLY)
    fill(("short", EARLY), ("short", FINAL), ("short", rising), ("short", rising))
    assert numbers(queue.take()) == [1]
    assert queue.oldest(FINAL) is None
    rising.hurry()
    assert [numbers(queue.take()) for _ in range(2)] == [[2, 3], [0]]


def test_nobody_waited_for_what_was_prepared_before_it_was_wanted(queue: Queue, fill: Fill) -> None:
    rising = Urgency(EARLY)
    fill((None, rising), (None, Urgency(FINAL)))
    assert queue.oldest(FINAL) == 1.0
    queue.take()
    before = time.monotonic()
    rising.hurry()
    wanted = queue.oldest(FINAL)
    assert wanted is not None
    assert wanted >= before
    rising.hurry()
    assert queue.oldest(FINAL) == wanted, "wanted again is not wanted later"


def test_those_of_one_kind_go_together_in_the_order_they_came(queue: Queue, fill: Fill) -> None:
    fill(("short", FINAL), ("long", FINAL), ("short", FINAL), ("short", FINAL))
    assert numbers(queue.take()) == [0, 2, 3]
    assert numbers(queue.take()) == [1]


def test_a_batch_is_no_larger_than_its_kind_allows(queue: Queue, fill: Fill) -> None:
    fill(*[("short", FINAL)] * 5, most=2)
    assert [numbers(queue.take()) for _ in range(3)] == [[0, 1], [2, 3], [4]]


def test_the_urgent_takes_nobody_along_who_is_less_so(queue: Queue, fill: Fill) -> None:
    fill(("short", Priority.PARTIAL), ("short", EARLY), ("short", FINAL), ("short", EARLY))
    assert [numbers(queue.take()) for _ in range(3)] == [[2], [1, 3], [0]]


def test_a_job_of_no_kind_goes_alone(queue: Queue, fill: Fill) -> None:
    fill((None, FINAL), (None, FINAL))
    assert numbers(queue.take()) == [0]


def test_workers_that_share_the_queue_leave_each_other_a_share(queue: Queue, fill: Fill) -> None:
    fill(*[("short", FINAL)] * 6)
    assert [numbers(queue.take(sharers=2)) for _ in range(3)] == [[0, 1, 2], [3, 4], [5]]


def test_one_that_nobody_waits_for_is_neither_taken_nor_counted(queue: Queue, fill: Fill) -> None:
    jobs = fill(*[("short", FINAL)] * 4)
    jobs[0].stop.set()
    jobs[2].stop.set()
    assert len(queue) == 2
    assert queue.oldest(FINAL) == 1.0
    assert numbers(queue.take(sharers=2)) == [1]
    assert numbers(queue.take()) == [3]
    assert queue.take() == []


def test_the_oldest_is_told_by_priority(queue: Queue, fill: Fill) -> None:
    fill(("short", EARLY), ("short", FINAL), ("short", FINAL))
    assert queue.oldest(FINAL) == 1.0
    assert queue.oldest(EARLY) == 0.0
    assert queue.oldest(Priority.PARTIAL) is None


def test_what_is_cleared_is_handed_over(queue: Queue, fill: Fill) -> None:
    jobs = fill(("short", FINAL), (None, FINAL))
    assert queue.clear() == jobs
    assert len(queue) == 0
